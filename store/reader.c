/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames from the worker, one large buffer, no byte copied twice. */
#include "store/reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "store/fd.h"
#include "store/frame.h"
#include "store/package-info.h"

struct FrameReader {
        Worker worker;
        GCancellable *cancel;
        gboolean greeted; /* HELLO came: the worker runs */
        guint entries;
        gsize data_left; /* of the DATA frame that we are in */
        gsize at, end;   /* unread bytes of buffer */
        guint8 buffer[FRAME_LENGTH_MAX];
};

FrameReader *frame_reader_new(int archive, GCancellable *cancel, GError **error)
{
        FrameReader *r = g_malloc(sizeof *r);
        memset(r, 0, offsetof(FrameReader, buffer));
        r->cancel = cancel;
        if (worker_start(&r->worker, archive, cancel, error))
                return r;
        g_free(r);
        return NULL;
}

void frame_reader_free(FrameReader *r)
{
        if (!r)
                return;
        worker_end(&r->worker);
        g_free(r);
}

void entry_clear(Entry *e)
{
        g_free(e->name);
        g_free(e->target);
        *e = (Entry){0};
}

/* The pipe ended before the worker said END: it was killed (a limit, a trap in the archive). */
static gboolean ended_early(const FrameReader *r, GError **error)
{
        if (!r->greeted)
                return fd_fault(error, EIO, "starting the archive's reader: it ended at once");
        return package_bad(error, "the archive cannot be read within its limits of memory and time");
}

/* Reads what the pipe has, at least one byte. */
static gboolean fill(FrameReader *r, GError **error)
{
        ssize_t n;
        do
                n = read(r->worker.out, r->buffer + r->end, sizeof r->buffer - r->end);
        while (n < 0 && errno == EINTR);
        int code = errno;
        if (g_cancellable_set_error_if_cancelled(r->cancel, error))
                return FALSE;
        if (n < 0)
                return fd_fault(error, code, "reading from the archive's reader");
        if (n == 0)
                return ended_early(r, error);
        r->end += (gsize)n;
        return TRUE;
}

/* Makes at least LENGTH bytes lie together at the front. */
static gboolean need(FrameReader *r, gsize length, GError **error)
{
        g_assert(length <= sizeof r->buffer);
        if (r->at == r->end)
                r->at = r->end = 0;
        if (r->at + length > sizeof r->buffer) {
                memmove(r->buffer, r->buffer + r->at, r->end - r->at);
                r->end -= r->at;
                r->at = 0;
        }
        while (r->end - r->at < length)
                if (!fill(r, error))
                        return FALSE;
        return TRUE;
}

static gboolean peek_head(FrameReader *r, FrameHead *ret, GError **error)
{
        if (!need(r, sizeof *ret, error))
                return FALSE;
        memcpy(ret, r->buffer + r->at, sizeof *ret);
        if (ret->kind >= _FRAME_MAX || ret->length > FRAME_LENGTH_MAX - sizeof *ret)
                return package_bad(error, "the archive's reader was led astray");
        return TRUE;
}

static gboolean told_error(guint32 code, GError **error)
{
        static const char *const words[_FRAME_ERROR_MAX] = {
                [FRAME_ERROR_NOT_ZIP] = "not a ZIP archive, or truncated",
                [FRAME_ERROR_DAMAGED] = "the archive is damaged or truncated",
                [FRAME_ERROR_GARBAGE] = "the archive is truncated, or has bytes that belong to no entry",
                [FRAME_ERROR_ENTRIES] = "too many entries",
                [FRAME_ERROR_LARGE] = "larger than 4 GiB",
                [FRAME_ERROR_METHOD] = "an entry is encrypted or not compressed by deflate",
                [FRAME_ERROR_NAME] = "an entry's name cannot be read or is too long",
        };
        if (code == FRAME_ERROR_SANDBOX)
                return fd_fault(error, EPERM, "locking in the archive's reader");
        if (code == FRAME_ERROR_READ)
                return fd_fault(error, EIO, "reading the archive");
        if (code >= _FRAME_ERROR_MAX)
                return package_bad(error, "the archive's reader was led astray");
        return package_bad(error, "%s", words[code]);
}

/* NAME and TARGET may hold anything, NUL too: then they end there, and will match nothing. */
static gboolean take_entry(FrameReader *r, gsize length, Entry *ret, GError **error)
{
        static const EntryKind kinds[_FRAME_TYPE_MAX] = {ENTRY_FILE, ENTRY_SYMLINK, ENTRY_OTHER};
        const guint8 *payload = r->buffer + r->at;
        FrameEntry e = {.type = _FRAME_TYPE_MAX};
        if (length >= sizeof e)
                memcpy(&e, payload, sizeof e);
        if (e.type >= _FRAME_TYPE_MAX || length != sizeof e + (gsize)e.name_length + e.target_length)
                return package_bad(error, "the archive's reader was led astray");
        const char *text = (const char *)payload + sizeof e;
        *ret = (Entry){
                .kind = kinds[e.type],
                .number = ++r->entries,
                .mode = e.mode,
                .name = g_strndup(text, e.name_length),
                .target = g_strndup(text + e.name_length, e.target_length),
        };
        return TRUE;
}

gboolean frame_reader_next(FrameReader *r, Entry *ret, GError **error)
{
        FrameHead head;
        g_assert(r->data_left == 0);
        if (!peek_head(r, &head, error))
                return FALSE;
        if (head.kind == FRAME_HELLO && !r->greeted) {
                r->greeted = TRUE;
                r->at += sizeof head;
                return frame_reader_next(r, ret, error);
        }
        if (!need(r, sizeof head + head.length, error))
                return FALSE;
        r->at += sizeof head;
        if (head.kind == FRAME_ENTRY && !take_entry(r, head.length, ret, error))
                return FALSE;
        if (head.kind == FRAME_END)
                *ret = (Entry){.kind = ENTRY_END};
        if (head.kind == FRAME_ERROR) {
                guint32 code = _FRAME_ERROR_MAX;
                memcpy(&code, r->buffer + r->at, MIN(head.length, sizeof code));
                return told_error(code, error);
        }
        r->at += head.length;
        if (head.kind != FRAME_ENTRY && head.kind != FRAME_END)
                return package_bad(error, "the archive's reader was led astray");
        return TRUE;
}

gboolean frame_reader_data(FrameReader *r, const guint8 **ret_bytes, gsize *ret_length, GError **error)
{
        FrameHead head;
        while (r->data_left == 0) {
                if (!peek_head(r, &head, error))
                        return FALSE;
                if (head.kind != FRAME_DATA) {
                        *ret_length = 0;
                        return TRUE;
                }
                r->at += sizeof head;
                r->data_left = head.length;
        }
        if (r->at == r->end && !need(r, 1, error))
                return FALSE;
        *ret_bytes = r->buffer + r->at;
        *ret_length = MIN(r->data_left, r->end - r->at);
        r->at += *ret_length;
        r->data_left -= *ret_length;
        return TRUE;
}
