/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a package in one pass: what the worker sends is compared with package-info, hashed, written
 * beside its destination, and made visible only when all of it was right. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/fd.h"
#include "store/package-info.h"
#include "store/reader.h"
#include "store/staging.h"

/* Base64 of an Ed25519 signature is 88 bytes; room for comments of tools to come. */
#define SIGNATURE_BYTES_MAX 4096

typedef struct Unpack {
        FrameReader *frames;
        const char *file_name; /* NULL: not checked */
        guint64 archive_bytes;
        EVP_MD_CTX *hash;
        GString *xml;
        PackageInfo *info;
        GHashTable *missing; /* name -> PackageFile: described, not yet seen */
        int packages;        /* -1: checks only */
        Staging *staging;    /* NULL: checks only, or already there */
} Unpack;

static void unpack_clear(Unpack *u)
{
        frame_reader_free(u->frames);
        staging_free(u->staging);
        fd_close(&u->packages);
        EVP_MD_CTX_free(u->hash);
        if (u->xml)
                g_string_free(u->xml, TRUE);
        package_info_unref(u->info);
        g_clear_pointer(&u->missing, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Unpack, unpack_clear)

int package_open(const char *path, GError **error)
{
        struct stat st;
        g_autofree char *shown = g_filename_display_name(path);
        /* O_PATH touches nothing: opening a device for reading could have effects. */
        AUTO_FD int handle = open(path, O_PATH | O_CLOEXEC);
        if (handle < 0 || fstat(handle, &st) < 0) {
                fd_fault(error, errno, "%s", shown);
                return -1;
        }
        if (!S_ISREG(st.st_mode)) {
                package_bad(error, "%s: not a regular file", shown);
                return -1;
        }
        g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", handle);
        int fd = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                fd_fault(error, errno, "%s", shown);
        return fd;
}

static gboolean read_small(Unpack *u, GString *into, gsize most, const char *name, GError **error)
{
        const guint8 *bytes;
        gsize length;
        for (;;) {
                if (!frame_reader_data(u->frames, &bytes, &length, error))
                        return FALSE;
                if (length == 0)
                        return TRUE;
                if (into->len + length > most)
                        return package_bad(error, "%s: larger than %" G_GSIZE_FORMAT " KiB", name,
                                           most >> 10);
                g_string_append_len(into, (const char *)bytes, (gssize)length);
        }
}

static gboolean read_info(Unpack *u, GError **error)
{
        g_auto(Entry) e = {0};
        if (!frame_reader_next(u->frames, &e, error))
                return FALSE;
        if (e.kind != ENTRY_FILE || !g_str_equal(e.name, PACKAGE_INFO_FILE))
                return package_bad(error, "the first entry is not " PACKAGE_INFO_FILE);
        u->xml = g_string_new(NULL);
        if (!read_small(u, u->xml, PACKAGE_INFO_BYTES_MAX, PACKAGE_INFO_FILE, error))
                return FALSE;
        u->info = package_info_parse(u->xml->str, u->xml->len, error);
        return u->info != NULL;
}

static guint64 total_bytes(const PackageInfo *info)
{
        guint64 total = 0;
        for (guint i = 0; i < info->files->len; i++)
                total += ((const PackageFile *)info->files->pdata[i])->size;
        return total;
}

/* Before a byte of a file is inflated. */
static gboolean check_promises(const Unpack *u, GError **error)
{
        guint64 total = total_bytes(u->info);
        if (u->file_name && !package_info_matches_file_name(u->info, u->file_name))
                return package_bad(error, "inside it is %s %s: the file must be named %s_%s.kantan",
                                   u->info->name, u->info->version, u->info->name, u->info->version);
        if (total > PACKAGE_RATIO_FLOOR && total / PACKAGE_RATIO_MAX > u->archive_bytes)
                return package_bad(error, "unpacked it would be more than %u times as large",
                                   PACKAGE_RATIO_MAX);
        return TRUE;
}

typedef enum Presence { PRESENCE_NONE, PRESENCE_SAME, PRESENCE_OTHER } Presence;

static Presence presence_of(const Unpack *u)
{
        gsize length;
        g_autofree char *path = g_strdup_printf("%s/%s", u->info->name, u->info->version);
        AUTO_FD int dir = openat(u->packages, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return PRESENCE_NONE;
        g_autofree char *xml = fd_read_file(dir, PACKAGE_INFO_FILE, PACKAGE_INFO_BYTES_MAX, &length);
        gboolean same = xml && length == u->xml->len && memcmp(xml, u->xml->str, length) == 0;
        return same ? PRESENCE_SAME : PRESENCE_OTHER;
}

static gboolean refuse_other(const Unpack *u, GError **error)
{
        return package_bad(error, "%s %s is in the store already with other contents: raise the version",
                           u->info->name, u->info->version);
}

/* With package-info as the first file. A version that is there already is only compared. */
static gboolean begin_staging(Unpack *u, GError **error)
{
        Presence presence = presence_of(u);
        if (presence == PRESENCE_OTHER)
                return refuse_other(u, error);
        if (presence == PRESENCE_SAME)
                return TRUE;
        u->staging = staging_new(u->packages, total_bytes(u->info) + u->xml->len, error);
        return u->staging && staging_begin(u->staging, PACKAGE_INFO_FILE, 0644, error) &&
               staging_write(u->staging, u->xml->str, u->xml->len, error) && staging_end(u->staging, error);
}

static gboolean check_digest(Unpack *u, const PackageFile *f, GError **error)
{
        guint8 digest[EVP_MAX_MD_SIZE];
        char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
        guint length = 0;
        EVP_DigestFinal_ex(u->hash, digest, &length);
        for (guint i = 0; i < length; i++)
                g_snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        if (!g_str_equal(hex, f->sha256))
                return package_bad(error, "%s: SHA-256 differs from package-info", f->name);
        return TRUE;
}

static gboolean read_regular(Unpack *u, const PackageFile *f, GError **error)
{
        const guint8 *bytes;
        gsize length;
        guint64 got = 0;
        if (u->staging && !staging_begin(u->staging, f->name, f->mode, error))
                return FALSE;
        EVP_DigestInit_ex(u->hash, EVP_sha256(), NULL);
        for (;;) {
                if (!frame_reader_data(u->frames, &bytes, &length, error))
                        return FALSE;
                if (length == 0)
                        break;
                got += length;
                if (got > f->size)
                        return package_bad(error, "%s: larger than package-info says", f->name);
                EVP_DigestUpdate(u->hash, bytes, length);
                if (u->staging && !staging_write(u->staging, bytes, length, error))
                        return FALSE;
        }
        if (got < f->size)
                return package_bad(error, "%s: smaller than package-info says", f->name);
        return check_digest(u, f, error) && (!u->staging || staging_end(u->staging, error));
}

/* An entry that package-info does not describe, told without repeating an unclean name. */
static gboolean refuse_entry(const Unpack *u, const Entry *e, GError **error)
{
        if (e->name[0] == '/')
                return package_bad(error, "entry %u has an absolute path", e->number);
        if (!package_path_valid(e->name))
                return package_bad(error, "entry %u has no clean relative path", e->number);
        for (guint i = 0; i < u->info->files->len; i++)
                if (g_str_equal(((const PackageFile *)u->info->files->pdata[i])->name, e->name))
                        return package_bad(error, "%s: stands in the archive twice", e->name);
        if (g_str_equal(e->name, PACKAGE_INFO_FILE))
                return package_bad(error, "%s: stands in the archive twice", e->name);
        return package_bad(error, "%s: not listed in package-info", e->name);
}

static gboolean read_entry(Unpack *u, const Entry *e, GError **error)
{
        if (e->kind == ENTRY_OTHER)
                return package_bad(error, "entry %u is neither a file nor a symlink", e->number);
        if (e->mode & 07000)
                return package_bad(error, "entry %u is setuid, setgid or sticky", e->number);
        const PackageFile *f = g_hash_table_lookup(u->missing, e->name);
        if (!f)
                return refuse_entry(u, e, error);
        g_hash_table_remove(u->missing, e->name);
        if ((f->type == PACKAGE_SYMLINK) != (e->kind == ENTRY_SYMLINK))
                return package_bad(error, "%s: its type differs from package-info", f->name);
        if (f->type != PACKAGE_SYMLINK)
                return read_regular(u, f, error);
        if (!g_str_equal(e->target, f->target))
                return package_bad(error, "%s: its target differs from package-info", f->name);
        return TRUE;
}

static gboolean read_entries(Unpack *u, GError **error)
{
        for (;;) {
                g_auto(Entry) e = {0};
                if (!frame_reader_next(u->frames, &e, error))
                        return FALSE;
                if (e.kind == ENTRY_END)
                        return TRUE;
                if (e.kind == ENTRY_FILE && e.number == 2 && g_str_equal(e.name, PACKAGE_SIGNATURE_FILE)) {
                        /* Not judged yet: nobody trusts a key so far. */
                        g_autoptr(GString) signature = g_string_new(NULL);
                        if (!read_small(u, signature, SIGNATURE_BYTES_MAX, PACKAGE_SIGNATURE_FILE, error))
                                return FALSE;
                } else if (!read_entry(u, &e, error)) {
                        return FALSE;
                }
        }
}

static gboolean check_nothing_missing(const Unpack *u, GError **error)
{
        for (guint i = 0; i < u->info->files->len; i++) {
                const PackageFile *f = u->info->files->pdata[i];
                if (g_hash_table_contains(u->missing, f->name))
                        return package_bad(error, "%s: listed in package-info, not in the archive", f->name);
        }
        return TRUE;
}

/* Symlinks come last: until then no path below the staging directory can lead anywhere else. */
static gboolean commit(Unpack *u, GError **error)
{
        g_autoptr(GError) local = NULL;
        for (guint i = 0; i < u->info->files->len; i++) {
                const PackageFile *f = u->info->files->pdata[i];
                if (f->type == PACKAGE_SYMLINK && !staging_symlink(u->staging, f->name, f->target, error))
                        return FALSE;
        }
        if (staging_commit(u->staging, u->info->name, u->info->version, &local))
                return TRUE;
        /* Somebody else was faster: fine if it is the same. */
        if (!g_error_matches(local, G_IO_ERROR, G_IO_ERROR_EXISTS)) {
                g_propagate_error(error, g_steal_pointer(&local));
                return FALSE;
        }
        return presence_of(u) == PRESENCE_SAME || refuse_other(u, error);
}

static gboolean unpack_all(Unpack *u, int fd, const char *destination, GCancellable *cancel, GError **error)
{
        struct stat st;
        if (fstat(fd, &st) < 0)
                return fd_fault(error, errno, "looking at the archive");
        if (!S_ISREG(st.st_mode))
                return package_bad(error, "not a regular file");
        u->archive_bytes = (guint64)st.st_size;
        u->frames = frame_reader_new(fd, cancel, error);
        if (!u->frames || !read_info(u, error) || !check_promises(u, error))
                return FALSE;

        for (guint i = 0; i < u->info->files->len; i++) {
                PackageFile *f = u->info->files->pdata[i];
                g_hash_table_insert(u->missing, f->name, f);
        }
        if (destination) {
                u->packages = packages_open_shared(destination, error);
                if (u->packages < 0 || !begin_staging(u, error))
                        return FALSE;
        }
        return read_entries(u, error) && check_nothing_missing(u, error) && (!u->staging || commit(u, error));
}

/* What the errors begin with: the file's name if it is one that a package could have. */
static char *label_of(const char *file_name)
{
        if (file_name && g_regex_match_simple("\\A[a-z0-9.+_-]{1,160}\\z", file_name, 0, 0))
                return g_strdup(file_name);
        return g_strdup("package");
}

PackageInfo *package_read(int fd, const char *file_name, const char *destination, GCancellable *cancel,
                          GError **error)
{
        g_auto(Unpack) u = {.file_name = file_name, .packages = -1, .hash = EVP_MD_CTX_new()};
        u.missing = g_hash_table_new(g_str_hash, g_str_equal);
        if (!unpack_all(&u, fd, destination, cancel, error)) {
                g_autofree char *label = label_of(file_name);
                g_prefix_error(error, "%s: ", label);
                return NULL;
        }
        return g_steal_pointer(&u.info);
}
