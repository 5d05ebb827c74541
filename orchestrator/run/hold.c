/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FIFOs and their end of file (fifo(7)): read() gives 0 when no writer is left, EAGAIN while there is. */
#include "orchestrator/run/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 4096 /* of a talkative holder in one turn; what it writes means nothing */

struct Hold {
        char *path;
        guint64 id;
        int fd;
        guint source; /* 0 once gone */
        HoldGone func;
        gpointer user;
};

static gboolean fail_errno(GError **error, const char *path)
{
        int e = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(e), "hold %s: %s", path, g_strerror(e));
        return FALSE;
}

/* Readable means data, hung up means no writer: a FIFO whose writers left before we opened it tells
 * neither by poll, so hold_reopen() asks by read(), which is why this may also be an idle source. */
static gboolean hold_look(Hold *h)
{
        char buffer[READ_BYTES];
        ssize_t n = read(h->fd, buffer, sizeof buffer);
        if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return G_SOURCE_CONTINUE;
        h->source = 0;
        h->func(h->id, h->user); /* may free it */
        return G_SOURCE_REMOVE;
}

static gboolean on_fifo(int fd, GIOCondition condition, gpointer user)
{
        return hold_look(user);
}

static gboolean on_first_look(gpointer user)
{
        Hold *h = user;
        if (hold_look(h) == G_SOURCE_CONTINUE)
                h->source = g_unix_fd_add(h->fd, G_IO_IN | G_IO_HUP, on_fifo, h);
        return G_SOURCE_REMOVE;
}

static Hold *hold_open(const char *dir, guint64 id, HoldGone func, gpointer user, GError **error)
{
        g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, dir, id);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0) {
                fail_errno(error, path);
                if (fd >= 0)
                        close(fd);
                return NULL;
        }
        if (!S_ISFIFO(st.st_mode)) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "hold %s: not a FIFO", path);
                close(fd);
                return NULL;
        }
        Hold *h = g_new0(Hold, 1);
        *h = (Hold){.path = g_steal_pointer(&path), .id = id, .fd = fd, .func = func, .user = user};
        return h;
}

Hold *hold_new(const char *dir, guint64 id, int *ret_write_fd, HoldGone func, gpointer user, GError **error)
{
        g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, dir, id);
        if (g_mkdir_with_parents(dir, 0700) < 0 || mkfifo(path, 0600) < 0) {
                fail_errno(error, path);
                return NULL;
        }
        Hold *h = hold_open(dir, id, func, user, error);
        if (!h)
                return NULL;
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC); /* we read: it does not wait for a reader */
        if (fd < 0) {
                fail_errno(error, path);
                hold_free(h);
                return NULL;
        }
        h->source = g_unix_fd_add(h->fd, G_IO_IN | G_IO_HUP, on_fifo, h);
        *ret_write_fd = fd;
        return h;
}

Hold *hold_reopen(const char *dir, guint64 id, HoldGone func, gpointer user, GError **error)
{
        Hold *h = hold_open(dir, id, func, user, error);
        if (h)
                h->source = g_idle_add_full(G_PRIORITY_DEFAULT, on_first_look, h, NULL);
        return h;
}

void hold_leave(Hold *h)
{
        if (!h)
                return;
        if (h->source)
                g_source_remove(h->source);
        close(h->fd);
        g_free(h->path);
        g_free(h);
}

void hold_free(Hold *h)
{
        if (h && unlink(h->path) < 0)
                g_debug("hold %s: %s", h->path, g_strerror(errno)); /* somebody was faster: it is gone */
        hold_leave(h);
}

static gboolean is_known(guint64 id, const guint64 *known, gsize n)
{
        for (gsize i = 0; i < n; i++)
                if (known[i] == id)
                        return TRUE;
        return FALSE;
}

void hold_sweep(const char *dir, const guint64 *known, gsize n)
{
        g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
        const char *name;
        while (d && (name = g_dir_read_name(d))) {
                guint64 id;
                struct stat st;
                g_autofree char *path = g_build_filename(dir, name, NULL);
                if (!g_ascii_string_to_unsigned(name, 10, 0, G_MAXUINT64, &id, NULL) ||
                    is_known(id, known, n))
                        continue;
                if (lstat(path, &st) == 0 && S_ISFIFO(st.st_mode) && unlink(path) < 0)
                        g_debug("hold %s: %s", path, g_strerror(errno));
        }
}
