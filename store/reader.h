/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream of frames as the reader sees it: entry after entry, each with its bytes. Believes nothing. */
#pragma once

#include "store/worker.h"

typedef struct FrameReader FrameReader;

typedef enum EntryKind { ENTRY_FILE, ENTRY_SYMLINK, ENTRY_OTHER, ENTRY_END } EntryKind;

typedef struct Entry {
        EntryKind kind;
        guint number; /* counted from 1 */
        guint mode;
        char *name, *target; /* raw: not checked, UTF-8 not certain */
} Entry;
void entry_clear(Entry *e);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Entry, entry_clear)

FrameReader *frame_reader_new(int archive, GCancellable *cancel, GError **error);
void frame_reader_free(FrameReader *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FrameReader, frame_reader_free)

/* The next entry, or ENTRY_END after which nothing comes. The one before must have been read to its end. */
gboolean frame_reader_next(FrameReader *r, Entry *ret, GError **error);
/* Bytes of the entry, as they come, valid until the next call; *RET_LENGTH 0: its end. */
gboolean frame_reader_data(FrameReader *r, const guint8 **ret_bytes, gsize *ret_length, GError **error);
