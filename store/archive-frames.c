/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ZIP -> frames by libarchive. What libarchive would swallow before showing the first entry (the central
 * directory) is looked at first, so that a million entries cost nothing. */
#include "store/archive-frames.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/frame.h"
#include "store/package-limits.h"
#include "store/package.h"

#define READ_BLOCK (256u * 1024)
/* APPNOTE.TXT 4.3.16: end of central directory record, without a comment. */
#define EOCD_LENGTH 22
#define LOCATOR_LENGTH 20

typedef struct Source {
        int fd;
        gint64 at, size;
        gboolean failed; /* the read, not the archive */
        guint8 *block;
} Source;

static gboolean send_all(int out, struct iovec *parts, int count)
{
        while (count > 0) {
                ssize_t n = writev(out, parts, count);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return FALSE;
                for (; count > 0 && (size_t)n >= parts->iov_len; parts++, count--)
                        n -= (ssize_t)parts->iov_len;
                if (count > 0) {
                        parts->iov_base = (guint8 *)parts->iov_base + n;
                        parts->iov_len -= (size_t)n;
                }
        }
        return TRUE;
}

static gboolean send_frame(int out, FrameKind kind, const void *payload, gsize length)
{
        FrameHead head = {kind, (guint32)length};
        struct iovec parts[2] = {{&head, sizeof head}, {(void *)payload, length}};
        return send_all(out, parts, length > 0 ? 2 : 1);
}

int archive_frames_send_error(int out, unsigned code)
{
        guint32 word = code;
        return send_frame(out, FRAME_ERROR, &word, sizeof word);
}

int archive_frames_send_hello(int out)
{
        return send_frame(out, FRAME_HELLO, NULL, 0);
}

static la_ssize_t on_read(struct archive *a, void *user, const void **ret_block)
{
        Source *s = user;
        ssize_t n;
        do
                n = pread(s->fd, s->block, READ_BLOCK, s->at);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                s->failed = TRUE;
                archive_set_error(a, errno, "read");
                return -1;
        }
        s->at += n;
        *ret_block = s->block;
        return n;
}

static la_int64_t on_seek(struct archive *a, void *user, la_int64_t offset, int whence)
{
        Source *s = user;
        gint64 base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->size;
        if (offset < -base || offset > s->size - base)
                return ARCHIVE_FATAL;
        s->at = base + offset;
        return s->at;
}

static guint16 le16(const guint8 *p)
{
        return (guint16)(p[0] | p[1] << 8);
}

static guint32 le32(const guint8 *p)
{
        return le16(p) | (guint32)le16(p + 2) << 16;
}

/* The archive begins with an entry and ends with a plain end record that tells the truth about where the
 * directory lies: exactly before it. So nobody can hide bytes before, after, or in a comment, and
 * libarchive will find the same directory as we did. */
static gboolean check_ends(Source *s, FrameError *ret)
{
        guint8 first[4], last[LOCATOR_LENGTH + EOCD_LENGTH];
        const guint8 *end = last + LOCATOR_LENGTH;
        *ret = FRAME_ERROR_NOT_ZIP;
        if (s->size < (gint64)sizeof last)
                return FALSE;
        if (pread(s->fd, first, sizeof first, 0) != sizeof first ||
            pread(s->fd, last, sizeof last, s->size - (gint64)sizeof last) != sizeof last) {
                *ret = FRAME_ERROR_READ;
                return FALSE;
        }
        if (memcmp(first, "PK\3\4", 4) != 0)
                return FALSE;

        guint16 entries = le16(end + 10);
        guint32 directory = le32(end + 12), offset = le32(end + 16);
        if (memcmp(end, "PK\5\6", 4) != 0)
                *ret = FRAME_ERROR_GARBAGE;
        /* Beside the described files: package-info and its signature. */
        else if (entries > PACKAGE_ENTRIES_MAX + 2 || directory > PACKAGE_DIRECTORY_BYTES_MAX)
                *ret = FRAME_ERROR_ENTRIES;
        else if (offset == G_MAXUINT32 || memcmp(last, "PK\6\7", 4) == 0)
                *ret = FRAME_ERROR_LARGE;
        else if (le16(end + 20) != 0 || (gint64)offset + directory != s->size - EOCD_LENGTH)
                *ret = FRAME_ERROR_GARBAGE;
        else
                return TRUE;
        return FALSE;
}

static gboolean send_entry(int out, struct archive_entry *entry, FrameType type, const char *name)
{
        const char *target = type == FRAME_SYMLINK ? archive_entry_symlink_utf8(entry) : NULL;
        FrameEntry e = {
                .type = type,
                .mode = archive_entry_perm(entry) & 07777,
                .name_length = (guint32)strlen(name),
                .target_length = (guint32)(target ? strlen(target) : 0),
        };
        FrameHead head = {FRAME_ENTRY, (guint32)(sizeof e + e.name_length + e.target_length)};
        struct iovec parts[4] = {{&head, sizeof head},
                                 {&e, sizeof e},
                                 {(void *)name, e.name_length},
                                 {(void *)target, e.target_length}};
        return send_all(out, parts, 4);
}

/* Sends one entry's bytes as they come. Gaps cannot be in a ZIP entry; if libarchive reports one, the
 * archive is not what it seems. */
static int send_data(int out, struct archive *a, gboolean *ret_sent)
{
        la_int64_t expected = 0;
        for (;;) {
                const void *block;
                size_t length;
                la_int64_t offset;
                int r = archive_read_data_block(a, &block, &length, &offset);
                if (r != ARCHIVE_OK)
                        return r;
                if (offset != expected)
                        return ARCHIVE_FATAL;
                expected += (la_int64_t)length;
                for (size_t done = 0, n; done < length; done += n) {
                        n = MIN(length - done, FRAME_LENGTH_MAX);
                        if (!send_frame(out, FRAME_DATA, (const guint8 *)block + done, n)) {
                                *ret_sent = FALSE;
                                return ARCHIVE_FATAL;
                        }
                }
        }
}

static FrameType entry_type(struct archive_entry *entry)
{
        if (archive_entry_hardlink(entry))
                return FRAME_OTHER_TYPE;
        if (archive_entry_filetype(entry) == AE_IFREG)
                return FRAME_REGULAR;
        return archive_entry_filetype(entry) == AE_IFLNK ? FRAME_SYMLINK : FRAME_OTHER_TYPE;
}

/* libarchive knows more methods than packages need: each is one more parser for hostile bytes. */
static gboolean method_known(struct archive *a, struct archive_entry *entry)
{
        const char *format = archive_format_name(a);
        if (archive_entry_is_encrypted(entry))
                return FALSE;
        return format && (strstr(format, "(deflation)") || strstr(format, "(uncompressed)"));
}

static gboolean send_entries(struct archive *a, const Source *s, int out)
{
        struct archive_entry *entry;
        for (guint count = 0;; count++) {
                int r = archive_read_next_header(a, &entry);
                if (r == ARCHIVE_EOF)
                        return send_frame(out, FRAME_END, NULL, 0);
                if (count > PACKAGE_ENTRIES_MAX + 2)
                        return archive_frames_send_error(out, FRAME_ERROR_ENTRIES);
                if (r != ARCHIVE_OK)
                        return archive_frames_send_error(out,
                                                         s->failed ? FRAME_ERROR_READ : FRAME_ERROR_DAMAGED);
                const char *name = archive_entry_pathname_utf8(entry);
                FrameType type = entry_type(entry);
                if (!method_known(a, entry))
                        return archive_frames_send_error(out, FRAME_ERROR_METHOD);
                if (!name || strlen(name) > PACKAGE_PATH_MAX ||
                    (type == FRAME_SYMLINK && (!archive_entry_symlink_utf8(entry) ||
                                               strlen(archive_entry_symlink_utf8(entry)) > PACKAGE_PATH_MAX)))
                        return archive_frames_send_error(out, FRAME_ERROR_NAME);
                if (!send_entry(out, entry, type, name))
                        return FALSE;
                gboolean sent = TRUE;
                if (type != FRAME_REGULAR)
                        continue;
                if (send_data(out, a, &sent) != ARCHIVE_EOF)
                        return sent && archive_frames_send_error(out, s->failed ? FRAME_ERROR_READ
                                                                                : FRAME_ERROR_DAMAGED);
        }
}

static gboolean send_archive(Source *s, int out)
{
        FrameError code;
        if (!check_ends(s, &code))
                return archive_frames_send_error(out, code);

        struct archive *a = archive_read_new();
        gboolean sent;
        archive_read_support_format_zip_seekable(a);
        archive_read_set_read_callback(a, on_read);
        archive_read_set_seek_callback(a, on_seek);
        archive_read_set_callback_data(a, s);
        if (archive_read_open1(a) != ARCHIVE_OK)
                sent = archive_frames_send_error(out, s->failed ? FRAME_ERROR_READ : FRAME_ERROR_NOT_ZIP);
        else
                sent = send_entries(a, s, out);
        archive_read_free(a);
        return sent;
}

int archive_frames_send(int in, int out)
{
        struct stat st;
        if (fstat(in, &st) < 0)
                return archive_frames_send_error(out, FRAME_ERROR_READ);
        Source s = {.fd = in, .size = st.st_size, .block = g_malloc(READ_BLOCK)};
        gboolean sent = send_archive(&s, out);
        g_free(s.block);
        return sent;
}
