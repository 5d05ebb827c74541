/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling and committing a staging directory. Writing to disk begins early (sync_file_range) while the
 * archive is still being inflated, so that the sync at the end finds little to do. */
#include "store/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/fd.h"

/* Told to the disk in pieces of this size. */
#define WRITEBACK_BYTES (8u * 1024 * 1024)
/* Up to so many files are synced one by one; beyond, one syncfs() is faster, although it waits for what
 * others have written to that file system, too. */
#define SYNC_EACH_MAX 256u

struct Staging {
        int packages; /* borrowed */
        char *dir_name;
        int dir;
        GPtrArray *dirs;   /* made below dir, relative */
        GPtrArray *files;  /* written, relative */
        char *parent_name; /* of the file before: most files share their directory with the next */
        int parent;
        int file; /* between begin and end */
        guint mode;
        guint64 written, handed; /* of that file; handed over for writeback */
        gboolean committed;
};

int packages_open_shared(const char *packages, GError **error)
{
        AUTO_FD int fd = -1;
        if (g_mkdir_with_parents(packages, 0755) < 0 || (fd = fd_open_dir(AT_FDCWD, packages)) < 0 ||
            flock(fd, LOCK_SH) < 0) {
                fd_fault(error, errno, "opening the store of packages");
                return -1;
        }
        int opened = fd;
        fd = -1;
        return opened;
}

static gboolean check_room(int packages, guint64 needed, GError **error)
{
        struct statvfs st;
        if (fstatvfs(packages, &st) < 0)
                return fd_fault(error, errno, "looking for room in the store of packages");
        guint64 available = (guint64)st.f_bavail * st.f_frsize;
        if (needed > available)
                return fd_fault(error, ENOSPC,
                                "unpacking needs %" G_GUINT64_FORMAT " MiB, %" G_GUINT64_FORMAT
                                " MiB are free",
                                (needed >> 20) + 1, available >> 20);
        return TRUE;
}

Staging *staging_new(int packages, guint64 needed, GError **error)
{
        if (!check_room(packages, needed, error))
                return NULL;
        g_autofree char *unique = g_uuid_string_random();
        g_autofree char *name = g_strconcat(STAGING_PREFIX, unique, NULL);
        if (mkdirat(packages, name, 0700) < 0) {
                fd_fault(error, errno, "making a staging directory");
                return NULL;
        }
        Staging *s = g_new0(Staging, 1);
        s->packages = packages;
        s->dir_name = g_steal_pointer(&name);
        s->file = s->parent = -1;
        s->dirs = g_ptr_array_new_with_free_func(g_free);
        s->files = g_ptr_array_new_with_free_func(g_free);
        s->dir = fd_open_dir(packages, s->dir_name);
        if (s->dir < 0) {
                fd_fault(error, errno, "opening the staging directory");
                staging_free(s);
                return NULL;
        }
        return s;
}

void staging_free(Staging *s)
{
        if (!s)
                return;
        fd_close(&s->file);
        fd_close(&s->parent);
        fd_close(&s->dir);
        if (!s->committed)
                fd_remove_tree(s->packages, s->dir_name, NULL); /* what stays is gc's */
        g_ptr_array_unref(s->dirs);
        g_ptr_array_unref(s->files);
        g_free(s->dir_name);
        g_free(s->parent_name);
        g_free(s);
}

/* Opens the directory PATH, making each missing part of it. -1 and errno. */
static int open_parent(Staging *s, const char *path)
{
        AUTO_FD int at = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);
        g_autoptr(GString) made = g_string_new(NULL);
        for (char **part = parts; at >= 0 && *part; part++) {
                struct stat st;
                gboolean missing = fstatat(at, *part, &st, AT_SYMLINK_NOFOLLOW) < 0;
                int next = fd_make_dir(at, *part);
                g_string_append_printf(made, "%s%s", made->len > 0 ? "/" : "", *part);
                if (missing && next >= 0)
                        g_ptr_array_add(s->dirs, g_strdup(made->str));
                fd_close(&at);
                at = next;
        }
        int opened = at;
        at = -1;
        return opened;
}

/* The descriptor of NAME's directory (owned by S), NAME's last part in *RET_BASE. -1 and errno. */
static int parent_of(Staging *s, const char *name, const char **ret_base)
{
        const char *slash = strrchr(name, '/');
        *ret_base = slash ? slash + 1 : name;
        if (!slash)
                return s->dir;
        g_autofree char *path = g_strndup(name, (gsize)(slash - name));
        if (g_strcmp0(path, s->parent_name) == 0)
                return s->parent;
        fd_close(&s->parent);
        g_clear_pointer(&s->parent_name, g_free);
        s->parent = open_parent(s, path);
        if (s->parent >= 0)
                s->parent_name = g_steal_pointer(&path);
        return s->parent;
}

gboolean staging_begin(Staging *s, const char *name, guint mode, GError **error)
{
        const char *base;
        g_assert(s->file < 0);
        int parent = parent_of(s, name, &base);
        if (parent >= 0)
                s->file = openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (s->file < 0)
                return fd_fault(error, errno, "unpacking %s", name);
        s->mode = mode;
        s->written = s->handed = 0;
        g_ptr_array_add(s->files, g_strdup(name));
        return TRUE;
}

/* Starts writing to disk what was not yet handed over; does not wait. A hint: failing costs time only. */
static void hand_over(Staging *s)
{
        (void)sync_file_range(s->file, (off_t)s->handed, (off_t)(s->written - s->handed),
                              SYNC_FILE_RANGE_WRITE);
        s->handed = s->written;
}

static const char *current_name(const Staging *s)
{
        return s->files->pdata[s->files->len - 1];
}

gboolean staging_write(Staging *s, const void *bytes, gsize length, GError **error)
{
        if (!fd_write_all(s->file, bytes, length))
                return fd_fault(error, errno, "unpacking %s", current_name(s));
        s->written += length;
        if (s->written - s->handed >= WRITEBACK_BYTES)
                hand_over(s);
        return TRUE;
}

gboolean staging_end(Staging *s, GError **error)
{
        if (s->handed > 0 && s->written > s->handed)
                hand_over(s);
        int r = fchmod(s->file, s->mode);
        int code = errno;
        if (close(s->file) < 0 && r == 0) {
                r = -1;
                code = errno;
        }
        s->file = -1;
        return r == 0 || fd_fault(error, code, "unpacking %s", current_name(s));
}

gboolean staging_symlink(Staging *s, const char *name, const char *target, GError **error)
{
        const char *base;
        int parent = parent_of(s, name, &base);
        if (parent < 0 || symlinkat(target, parent, base) < 0)
                return fd_fault(error, errno, "unpacking %s", name);
        return TRUE;
}

static gboolean sync_one(const Staging *s, const char *name, int flags)
{
        AUTO_FD int fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);
        return fd >= 0 && fd_sync(fd);
}

/* Contents and names of all that was unpacked are on disk. */
static gboolean sync_all(const Staging *s)
{
        if (s->files->len + s->dirs->len > SYNC_EACH_MAX)
                return syncfs(s->dir) == 0;
        for (guint i = 0; i < s->files->len; i++)
                if (!sync_one(s, s->files->pdata[i], 0))
                        return FALSE;
        for (guint i = 0; i < s->dirs->len; i++)
                if (!sync_one(s, s->dirs->pdata[i], O_DIRECTORY))
                        return FALSE;
        return fd_sync(s->dir);
}

gboolean staging_commit(Staging *s, const char *name, const char *version, GError **error)
{
        if (fchmod(s->dir, 0755) < 0 || !sync_all(s))
                return fd_fault(error, errno, "syncing the unpacked package");
        AUTO_FD int parent = fd_make_dir(s->packages, name);
        if (parent < 0)
                return fd_fault(error, errno, "making packages/%s", name);
        /* A directory replaces only an empty one, so what is visible is never overwritten. */
        if (renameat(s->packages, s->dir_name, parent, version) < 0) {
                int code = errno == ENOTEMPTY ? EEXIST : errno;
                unlinkat(s->packages, name, AT_REMOVEDIR); /* fails unless we made it: right so */
                return fd_fault(error, code, "renaming to packages/%s/%s", name, version);
        }
        s->committed = TRUE;
        if (!fd_sync(parent) || !fd_sync(s->packages))
                return fd_fault(error, errno, "syncing packages/%s", name);
        return TRUE;
}
