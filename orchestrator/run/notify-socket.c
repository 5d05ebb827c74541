/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bind, receive with the sender's credentials, parse. Everything that comes in is hostile. */
#include "orchestrator/run/notify-socket.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DATAGRAM_MAX 4096     /* as in systemd's sd_notify receiver; longer ones are dropped whole */
#define DATAGRAMS_PER_TURN 64 /* then others on the main loop have their turn */
#define STATUS_MAX 256        /* bytes of a STATUS that are kept */
#define FDS_TAKEN 16          /* room for passed descriptors; the kernel closes the rest itself */

struct NotifySocket {
        char *path;
        int fd;
        guint source;
        NotifyFunc func;
        gpointer user;
};

static gboolean fail_errno(GError **error, const char *path)
{
        int e = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(e), "notify socket %s: %s", path, g_strerror(e));
        return FALSE;
}

/* PATH.new, then renamed over PATH. World-writable: who may say what is decided by the sender's pid. */
static gboolean bind_over(int fd, const char *path, GError **error)
{
        g_autofree char *beside = g_strconcat(path, ".new", NULL);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (strlen(beside) >= sizeof address.sun_path) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FILENAME_TOO_LONG,
                            "notify socket %s: the path has %zu bytes, a socket's may have %zu; "
                            "choose a shorter state directory",
                            path, strlen(path), sizeof address.sun_path - 1 - strlen(".new"));
                return FALSE;
        }
        g_strlcpy(address.sun_path, beside, sizeof address.sun_path);
        if (unlink(beside) < 0 && errno != ENOENT)
                return fail_errno(error, beside);
        if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || chmod(beside, 0666) < 0 ||
            rename(beside, path) < 0)
                return fail_errno(error, path);
        return TRUE;
}

/* The text is shown to people: no control characters, no invalid UTF-8, a bounded length. */
static char *status_clean(char *status)
{
        char *end = status;
        if (strlen(status) > STATUS_MAX)
                status[STATUS_MAX] = '\0';
        if (!g_utf8_validate(status, -1, (const char **)&end))
                *end = '\0';
        for (char *c = status; *c; c++)
                if (g_ascii_iscntrl(*c))
                        *c = ' ';
        return status;
}

void notify_parse(char *text, NotifyMessage *ret)
{
        NotifyMessage m = {0};
        char *rest = text, *line;
        while ((line = strsep(&rest, "\n"))) {
                m.ready |= g_str_equal(line, "READY=1");
                m.stopping |= g_str_equal(line, "STOPPING=1");
                m.watchdog |= g_str_equal(line, "WATCHDOG=1");
                if (g_str_has_prefix(line, "STATUS="))
                        m.status = status_clean(line + strlen("STATUS="));
        }
        *ret = m;
}

static pid_t take_control(struct msghdr *h)
{
        pid_t pid = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred cred;
                        memcpy(&cred, CMSG_DATA(c), sizeof cred);
                        pid = cred.pid;
                }
                for (gsize at = 0;
                     c->cmsg_type == SCM_RIGHTS && at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
                     at += sizeof(int)) {
                        int fd; /* FDSTORE=1 is not offered */
                        memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
                        close(fd);
                }
        }
        return pid;
}

/* FALSE when nothing waits. */
static gboolean receive_one(NotifySocket *n)
{
        char text[DATAGRAM_MAX + 1];
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_TAKEN * sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = text, .iov_len = DATAGRAM_MAX};
        struct msghdr h = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(n->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0)
                return errno == EINTR;
        pid_t sender = take_control(&h);
        if (sender <= 0 || (h.msg_flags & MSG_TRUNC) || memchr(text, '\0', (size_t)size))
                return TRUE;
        text[size] = '\0';
        NotifyMessage m;
        notify_parse(text, &m);
        n->func(sender, &m, n->user);
        return TRUE;
}

void notify_socket_drain(NotifySocket *n)
{
        for (guint i = 0; i < DATAGRAMS_PER_TURN && receive_one(n); i++)
                ;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer user)
{
        notify_socket_drain(user);
        return G_SOURCE_CONTINUE;
}

NotifySocket *notify_socket_new(const char *path, NotifyFunc func, gpointer user, GError **error)
{
        const int on = 1;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        gboolean ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
        if (!ok)
                fail_errno(error, path);
        if (!ok || !bind_over(fd, path, error)) {
                if (fd >= 0)
                        close(fd);
                return NULL;
        }
        NotifySocket *n = g_new0(NotifySocket, 1);
        *n = (NotifySocket){.path = g_strdup(path), .fd = fd, .func = func, .user = user};
        n->source = g_unix_fd_add(fd, G_IO_IN, on_readable, n);
        return n;
}

void notify_socket_free(NotifySocket *n)
{
        if (!n)
                return;
        g_source_remove(n->source);
        close(n->fd);
        g_free(n->path);
        g_free(n);
}

const char *notify_socket_path(const NotifySocket *n)
{
        return n->path;
}
