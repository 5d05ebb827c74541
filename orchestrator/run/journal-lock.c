/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One daemon per journal: an open file description lock on a file beside the database, held as long as
 * the descriptor lives. The file holds the pid of its holder so that a refusal can name it; the lock
 * alone decides. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "orchestrator/run/journal-private.h"

/* A child that a killed daemon had forked but not yet executed shares the lock until it notices its
 * parent's death, a matter of milliseconds. Its closing of the file is an event, but one that comes just
 * before the lock goes: hence another look after each ORPHAN_LOOK_MS, ORPHAN_LOOKS times (a second). */
#define ORPHAN_LOOK_MS 50
#define ORPHAN_LOOKS 20

static char *lock_path(const char *path)
{
        g_autofree char *stem = g_str_has_suffix(path, ".db") ? g_strndup(path, strlen(path) - strlen(".db"))
                                                              : g_strdup(path);

        return g_strconcat(stem, ".lock", NULL);
}

static gboolean lock_try(int fd)
{
        struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        return fcntl(fd, F_OFD_SETLK, &all) == 0;
}

static pid_t lock_holder(int fd)
{
        char text[32] = "";

        if (pread(fd, text, sizeof text - 1, 0) <= 0)
                return 0;
        return (pid_t)strtol(text, NULL, 10);
}

static gboolean holder_is_dead(int fd)
{
        pid_t pid = lock_holder(fd);

        return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* The lock of a dead holder is with a child of it that is about to end. */
static gboolean lock_inherit(int fd, const char *name)
{
        struct pollfd closing = {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN};
        char unread[sizeof(struct inotify_event) + NAME_MAX + 1];
        gboolean taken = FALSE;

        if (closing.fd >= 0)
                inotify_add_watch(closing.fd, name, IN_CLOSE_WRITE);
        for (guint i = 0; i < ORPHAN_LOOKS && !taken; i++) {
                poll(&closing, 1, ORPHAN_LOOK_MS);
                while (closing.fd >= 0 && read(closing.fd, unread, sizeof unread) > 0)
                        continue;
                taken = lock_try(fd);
        }
        if (closing.fd >= 0)
                close(closing.fd);
        errno = EAGAIN;
        return taken;
}

static gboolean lock_take(int fd, const char *name)
{
        if (lock_try(fd))
                return TRUE;
        if (errno != EAGAIN && errno != EACCES)
                return FALSE;
        if (holder_is_dead(fd))
                return lock_inherit(fd, name);
        errno = EAGAIN;
        return FALSE;
}

static void lock_refuse(int fd, int saved, const char *path, GError **error)
{
        g_autofree char *state = g_path_get_dirname(path);

        if (saved == EAGAIN || saved == EACCES)
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
                            "another kantan-orchestratord (pid %d) uses %s", (int)lock_holder(fd), state);
        else
                g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(saved),
                            "locking the journal in %s: %s", state, g_strerror(saved));
}

int journal_lock(const char *path, GError **error)
{
        g_autofree char *name = lock_path(path);
        char pid[32];
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0) {
                int saved = errno;
                g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(saved), "opening %s: %s", name,
                            g_strerror(saved));
                return -1;
        }
        if (!lock_take(fd, name)) {
                lock_refuse(fd, errno, path, error);
                close(fd);
                return -1;
        }
        g_snprintf(pid, sizeof pid, "%d\n", (int)getpid());
        /* On a full disk the name is lost, the lock is not. */
        if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
                g_debug("writing the pid to %s: %s", name, g_strerror(errno));
        return fd;
}
