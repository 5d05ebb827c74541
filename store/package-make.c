/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a package of a directory. The same directory gives the same bytes: entries sorted, times and
 * owners fixed, modes reduced to 0755 and 0644. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/fd.h"
#include "store/package-info.h"

#define BLOCK_BYTES (256u * 1024)

typedef struct Make {
        int dir;
        struct stat output; /* an older result that lies in the directory itself is no part of it */
        PackageInfo *info;
        GPtrArray *found; /* of PackageFile */
} Make;

/* Where a file's bytes go beside the hash; NULL: nowhere. */
typedef gboolean (*ByteSink)(gpointer user, const void *bytes, gsize length, GError **error);

/* Opens NAME below the directory, hashes it, gives its bytes to SINK. */
static char *hash_file(int dir, const char *name, ByteSink sink, gpointer user, guint64 *ret_size,
                       GError **error)
{
        AUTO_FD int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
        g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
        *ret_size = 0;
        for (;;) {
                ssize_t n = fd < 0 ? -1 : read(fd, block, BLOCK_BYTES);
                if (n < 0 && fd >= 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        fd_fault(error, errno, "reading %s", name);
                        return NULL;
                }
                if (n == 0)
                        return g_strdup(g_checksum_get_string(sum));
                g_checksum_update(sum, block, n);
                *ret_size += (guint64)n;
                if (sink && !sink(user, block, (gsize)n, error))
                        return NULL;
        }
}

static PackageFileType type_of(const char *name, mode_t mode)
{
        if (mode & 0100)
                return PACKAGE_PROGRAM;
        return g_str_has_prefix(name, "etc/") ? PACKAGE_CONFIG : PACKAGE_DATA;
}

static gboolean add_found(Make *m, const char *name, const struct stat *st, GError **error)
{
        g_autoptr(PackageFile) f = g_new0(PackageFile, 1);
        f->name = g_strdup(name);
        if (S_ISLNK(st->st_mode)) {
                f->type = PACKAGE_SYMLINK;
                f->mode = 0777;
                f->target = fd_read_link(m->dir, name);
                if (!f->target)
                        return fd_fault(error, errno, "reading %s", name);
        } else if (S_ISREG(st->st_mode)) {
                f->type = type_of(name, st->st_mode);
                f->mode = (st->st_mode & 0100) ? 0755 : 0644;
                f->sha256 = hash_file(m->dir, name, NULL, NULL, &f->size, error);
                if (!f->sha256)
                        return FALSE;
        } else {
                return package_bad(error, "%s: only files, directories and symlinks can be packaged", name);
        }
        g_ptr_array_add(m->found, g_steal_pointer(&f));
        return TRUE;
}

static gboolean scan(Make *m, const char *below, guint depth, GError **error);

static gboolean scan_one(Make *m, const char *name, guint depth, GError **error)
{
        struct stat st;
        if (!package_path_valid(name))
                return package_bad(error, "a file's name is not clean UTF-8, too long or too deep");
        if (g_str_equal(name, PACKAGE_SIGNATURE_FILE))
                return package_bad(error, "%s: packages cannot be signed yet", name);
        if (fstatat(m->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fd_fault(error, errno, "%s", name);
        if (g_str_equal(name, PACKAGE_INFO_FILE) ||
            (st.st_ino == m->output.st_ino && st.st_dev == m->output.st_dev))
                return TRUE;
        if (S_ISDIR(st.st_mode))
                return scan(m, name, depth + 1, error);
        if (m->found->len >= PACKAGE_ENTRIES_MAX)
                return package_bad(error, "more than %u files", PACKAGE_ENTRIES_MAX);
        return add_found(m, name, &st, error);
}

static gboolean scan(Make *m, const char *below, guint depth, GError **error)
{
        AUTO_FD int dir = openat(m->dir, below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        g_autoptr(GPtrArray) names = dir < 0 ? NULL : fd_list(dir);
        if (!names)
                return fd_fault(error, errno, "reading the directory %s", below);
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *name = depth == 0 ? g_strdup(names->pdata[i])
                                                   : g_strdup_printf("%s/%s", below, (char *)names->pdata[i]);
                if (!scan_one(m, name, depth, error))
                        return FALSE;
        }
        return TRUE;
}

static int compare_files(gconstpointer a, gconstpointer b)
{
        const PackageFile *const *x = a, *const *y = b;
        return strcmp((*x)->name, (*y)->name);
}

static gboolean file_equal(const PackageFile *said, const PackageFile *found)
{
        gboolean symlink = said->type == PACKAGE_SYMLINK;
        if (!g_str_equal(said->name, found->name) || symlink != (found->type == PACKAGE_SYMLINK))
                return FALSE;
        if (symlink)
                return g_str_equal(said->target, found->target);
        return said->size == found->size && g_str_equal(said->sha256, found->sha256);
}

/* An author who lists the files has said what must be there; it has to be true. */
static gboolean compare_with_said(Make *m, GError **error)
{
        GPtrArray *said = m->info->files;
        g_ptr_array_sort(said, compare_files);
        for (guint i = 0; i < MAX(said->len, m->found->len); i++) {
                const PackageFile *s = i < said->len ? said->pdata[i] : NULL;
                const PackageFile *f = i < m->found->len ? m->found->pdata[i] : NULL;
                int order = !s ? 1 : !f ? -1 : strcmp(s->name, f->name);
                if (order < 0)
                        return package_bad(error, "%s: listed in package-info, not in the directory",
                                           s->name);
                if (order > 0)
                        return package_bad(error,
                                           "%s: not listed in package-info (leave out <files> and "
                                           "the list is made)",
                                           f->name);
                if (!file_equal(s, f))
                        return package_bad(error, "%s: differs from package-info", s->name);
        }
        return TRUE;
}

static gboolean read_description(Make *m, GError **error)
{
        gsize length;
        g_autofree char *xml = fd_read_file(m->dir, PACKAGE_INFO_FILE, PACKAGE_INFO_BYTES_MAX, &length);
        if (!xml)
                return fd_fault(error, errno, PACKAGE_INFO_FILE);
        m->info = package_info_parse(xml, length, error);
        return m->info != NULL;
}

/* Scans, fills in the files or compares them; *RET_XML passes every check that a reader will make. */
static gboolean describe(Make *m, char **ret_xml, GError **error)
{
        if (!scan(m, ".", 0, error))
                return FALSE;
        g_ptr_array_sort(m->found, compare_files);
        if (m->info->files->len > 0) {
                if (!compare_with_said(m, error))
                        return FALSE;
        } else {
                g_ptr_array_unref(m->info->files);
                m->info->files = g_ptr_array_ref(m->found);
        }
        g_autofree char *xml = package_info_to_xml(m->info);
        g_autoptr(PackageInfo) again = package_info_parse(xml, strlen(xml), error);
        if (!again)
                return FALSE;
        *ret_xml = g_steal_pointer(&xml);
        return TRUE;
}

static gboolean archive_fault(struct archive *a, GError **error)
{
        int code = archive_errno(a) > 0 ? archive_errno(a) : EIO;
        return fd_fault(error, code, "writing the package");
}

static gboolean write_bytes(gpointer user, const void *bytes, gsize length, GError **error)
{
        struct archive *a = user;
        return archive_write_data(a, bytes, length) == (la_ssize_t)length || archive_fault(a, error);
}

static gboolean write_header(struct archive *a, const char *name, guint64 size, guint mode,
                             const char *target, GError **error)
{
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname_utf8(e, name);
        archive_entry_set_filetype(e, target ? AE_IFLNK : AE_IFREG);
        archive_entry_set_perm(e, (mode_t)mode);
        /* Before 1980, which is ZIP's beginning in every time zone. */
        archive_entry_set_mtime(e, 0, 0);
        archive_entry_set_uid(e, 0);
        archive_entry_set_gid(e, 0);
        if (target)
                archive_entry_set_symlink_utf8(e, target);
        else
                archive_entry_set_size(e, (la_int64_t)size);
        int r = archive_write_header(a, e);
        archive_entry_free(e);
        return r == ARCHIVE_OK || archive_fault(a, error);
}

static gboolean write_file(const Make *m, struct archive *a, const PackageFile *f, GError **error)
{
        guint64 size;
        if (!write_header(a, f->name, f->size, f->mode, f->target, error))
                return FALSE;
        if (f->type == PACKAGE_SYMLINK)
                return TRUE;
        g_autofree char *sha256 = hash_file(m->dir, f->name, write_bytes, a, &size, error);
        if (!sha256)
                return FALSE;
        if (size != f->size || !g_str_equal(sha256, f->sha256))
                return package_bad(error, "%s: changed while it was being packaged", f->name);
        return TRUE;
}

static gboolean write_entries(const Make *m, struct archive *a, const char *xml, int fd, GError **error)
{
        if (archive_write_set_format_zip(a) != ARCHIVE_OK ||
            archive_write_set_options(a, "zip:compression=deflate,zip:hdrcharset=UTF-8") != ARCHIVE_OK ||
            archive_write_open_fd(a, fd) != ARCHIVE_OK)
                return archive_fault(a, error);
        if (!write_header(a, PACKAGE_INFO_FILE, strlen(xml), 0644, NULL, error) ||
            !write_bytes(a, xml, strlen(xml), error))
                return FALSE;
        for (guint i = 0; i < m->info->files->len; i++)
                if (!write_file(m, a, m->info->files->pdata[i], error))
                        return FALSE;
        return archive_write_close(a) == ARCHIVE_OK || archive_fault(a, error);
}

/* libarchive converts names by the thread's locale. */
static gboolean write_archive(const Make *m, const char *xml, int fd, GError **error)
{
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
        struct archive *a = archive_write_new();
        gboolean good = write_entries(m, a, xml, fd, error);
        archive_write_free(a);
        if (utf8) {
                uselocale(before);
                freelocale(utf8);
        }
        return good;
}

/* What readers refuse is not made. */
static gboolean check_result(const Make *m, int fd, GError **error)
{
        struct stat st;
        guint64 total = 0;
        if (fstat(fd, &st) < 0)
                return fd_fault(error, errno, "writing the package");
        for (guint i = 0; i < m->info->files->len; i++)
                total += ((const PackageFile *)m->info->files->pdata[i])->size;
        if (total > PACKAGE_RATIO_FLOOR && total / PACKAGE_RATIO_MAX > (guint64)st.st_size)
                return package_bad(error, "the files compress more than %u times: nobody would unpack it",
                                   PACKAGE_RATIO_MAX);
        if ((guint64)st.st_size >= G_MAXUINT32)
                return package_bad(error, "the package is larger than 4 GiB");
        return TRUE;
}

/* Beside the result, then renamed: no half package ever has the name. */
static gboolean write_package(const Make *m, const char *xml, const char *path, GError **error)
{
        g_autofree char *unique = g_uuid_string_random();
        g_autofree char *beside = g_strdup_printf("%s.%s", path, unique);
        AUTO_FD int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0)
                return fd_fault(error, errno, "%s", path);
        gboolean good = write_archive(m, xml, fd, error) && check_result(m, fd, error);
        if (good && (fsync(fd) < 0 || rename(beside, path) < 0))
                good = fd_fault(error, errno, "%s", path);
        if (!good)
                unlink(beside);
        return good;
}

char *package_make(const char *dir, const char *output, GError **error)
{
        Make m = {.found = g_ptr_array_new_with_free_func((GDestroyNotify)package_file_free)};
        g_autofree char *xml = NULL, *path = NULL;
        gboolean good = TRUE;
        m.dir = fd_open_dir(AT_FDCWD, dir);
        if (m.dir < 0)
                good = fd_fault(error, errno, "opening the directory");
        good = good && read_description(&m, error);
        if (good) {
                path = output ? g_strdup(output)
                              : g_strdup_printf("%s_%s.kantan", m.info->name, m.info->version);
                if (stat(path, &m.output) < 0)
                        m.output = (struct stat){0};
        }
        good = good && describe(&m, &xml, error) && write_package(&m, xml, path, error);
        fd_close(&m.dir);
        package_info_unref(m.info);
        g_ptr_array_unref(m.found);
        if (!good)
                g_prefix_error(error, "%s: ", dir);
        return good ? g_steal_pointer(&path) : NULL;
}
