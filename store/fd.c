/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small help with descriptors and directories. */
#include "store/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int *fd)
{
        int code = errno;
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
        errno = code;
}

gboolean fd_fault(GError **error, int code, const char *what, ...)
{
        va_list args;
        va_start(args, what);
        g_autofree char *text = g_strdup_vprintf(what, args);
        va_end(args);
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s: %s", text, g_strerror(code));
        return FALSE;
}

gboolean fd_write_all(int fd, const void *bytes, gsize length)
{
        const char *p = bytes;
        while (length > 0) {
                ssize_t n = write(fd, p, length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return FALSE;
                p += n;
                length -= (gsize)n;
        }
        return TRUE;
}

int fd_open_dir(int dir, const char *name)
{
        int follow = dir == AT_FDCWD ? 0 : O_NOFOLLOW;
        return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
}

int fd_make_dir(int dir, const char *name)
{
        if (mkdirat(dir, name, 0755) < 0) {
                if (errno != EEXIST)
                        return -1;
                return fd_open_dir(dir, name);
        }
        AUTO_FD int fd = fd_open_dir(dir, name);
        if (fd < 0 || fchmod(fd, 0755) < 0)
                return -1;
        int made = fd;
        fd = -1;
        return made;
}

gboolean fd_sync(int fd)
{
        return fsync(fd) == 0 || errno == EINVAL;
}

char *fd_read_file(int dir, const char *name, gsize most, gsize *ret_length)
{
        struct stat st;
        AUTO_FD int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return NULL;
        if (!S_ISREG(st.st_mode) || (guint64)st.st_size > most) {
                errno = EFBIG;
                return NULL;
        }
        g_autofree char *text = g_malloc((gsize)st.st_size + 1);
        gsize got = 0;
        while (got < (gsize)st.st_size) {
                ssize_t n = read(fd, text + got, (gsize)st.st_size - got);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return NULL;
                if (n == 0)
                        break;
                got += (gsize)n;
        }
        text[got] = '\0';
        *ret_length = got;
        return g_steal_pointer(&text);
}

char *fd_read_link(int dir, const char *name)
{
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir, name, target, sizeof target);
        return n < 0 ? NULL : g_strndup(target, (gsize)n);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *fd_list(int dir)
{
        int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = again < 0 ? NULL : fdopendir(again);
        if (!d)
                return NULL;
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        for (struct dirent *e = readdir(d); e; e = readdir(d))
                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                        g_ptr_array_add(names, g_strdup(e->d_name));
        closedir(d);
        g_ptr_array_sort(names, compare_names);
        return names;
}

typedef enum Walk { WALK_COUNT, WALK_REMOVE } Walk;

/* Depth is bounded by what we unpack (PACKAGE_DEPTH_MAX), so recursion is. */
static gboolean walk_tree(int dir, const char *name, Walk walk, guint64 *bytes)
{
        struct stat st;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT;
        if (!S_ISDIR(st.st_mode)) {
                if (bytes && S_ISREG(st.st_mode))
                        *bytes += (guint64)st.st_size;
                return walk == WALK_COUNT || unlinkat(dir, name, 0) == 0 || errno == ENOENT;
        }
        AUTO_FD int fd = fd_open_dir(dir, name);
        if (fd < 0)
                return FALSE;
        g_autoptr(GPtrArray) names = fd_list(fd);
        if (!names)
                return FALSE;
        for (guint i = 0; i < names->len; i++)
                if (!walk_tree(fd, names->pdata[i], walk, bytes))
                        return FALSE;
        return walk == WALK_COUNT || unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

gboolean fd_remove_tree(int dir, const char *name, guint64 *ret_bytes)
{
        return walk_tree(dir, name, WALK_REMOVE, ret_bytes);
}

guint64 fd_tree_bytes(int dir, const char *name)
{
        guint64 bytes = 0;
        walk_tree(dir, name, WALK_COUNT, &bytes);
        return bytes;
}
