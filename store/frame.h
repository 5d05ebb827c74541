/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the worker sends to the reader over their pipe, same machine, same binary: a FrameHead, then
 * LENGTH bytes. HELLO (nothing follows), then per archive entry ENTRY (FrameEntry, name, target) and for a
 * regular file DATA…, then one END or one ERROR. The reader believes none of it: a worker that was taken
 * over by the archive can send anything. */
#pragma once

#include <glib.h>

typedef enum FrameKind { FRAME_HELLO, FRAME_ENTRY, FRAME_DATA, FRAME_END, FRAME_ERROR, _FRAME_MAX } FrameKind;

/* Largest payload of one frame; libarchive hands out 256 KiB at a time. */
#define FRAME_LENGTH_MAX (1024u * 1024)

typedef struct FrameHead {
        guint32 kind;
        guint32 length;
} FrameHead;

typedef enum FrameType { FRAME_REGULAR, FRAME_SYMLINK, FRAME_OTHER_TYPE, _FRAME_TYPE_MAX } FrameType;

typedef struct FrameEntry {
        guint32 type;          /* FrameType */
        guint32 mode;          /* 07777 bits */
        guint32 name_length;   /* bytes after this struct, no NUL */
        guint32 target_length; /* then these */
} FrameEntry;

/* Payload of ERROR: one guint32. Codes, not words: words from there might quote the archive. */
typedef enum FrameError {
        FRAME_ERROR_SANDBOX,   /* the worker could not lock itself in: a fault */
        FRAME_ERROR_READ,      /* reading the archive failed: a fault */
        FRAME_ERROR_NOT_ZIP,
        FRAME_ERROR_DAMAGED,
        FRAME_ERROR_GARBAGE,   /* bytes before, after, or a comment at the end */
        FRAME_ERROR_ENTRIES,   /* too many */
        FRAME_ERROR_LARGE,     /* needs ZIP64 */
        FRAME_ERROR_METHOD,    /* encrypted, or compressed by something else than deflate */
        FRAME_ERROR_NAME,      /* an entry's name cannot be read */
        _FRAME_ERROR_MAX,
} FrameError;
