/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The events of a channel without gaps: live signals, and on every (re)appearance of the service what was
 * told since the last one seen, in order, none twice. */
#pragma once

#include "nyota/client.h"
#include "nyota/event.h"

typedef struct StreamFuncs {
        void (*event)(const Event *event, gpointer user);
        /* All that had been told when stream_sync() was called, or when the service came back, was seen. */
        void (*caught_up)(gpointer user); /* may be NULL */
        /* The service left the bus, or the bus is gone (then nothing comes any more). */
        void (*lost)(gboolean for_good, gpointer user); /* may be NULL */
} StreamFuncs;

typedef struct Stream Stream;
/* PATH: a channel's object. Events after AFTER are told, the first from the main loop. */
Stream *stream_new(Client *client, const char *path, guint64 after, const StreamFuncs *funcs, gpointer user);
void stream_free(Stream *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)
/* Asks for what was told until now; caught_up() follows. */
void stream_sync(Stream *s);

/* The sequence number of the channel's newest event; FALSE and error when the service does not tell. */
gboolean stream_newest(Client *client, const char *path, guint64 *ret_sequence, GError **error);
/* Walks over stored events after AFTER up to now, waiting; FUNC as above. */
gboolean stream_read_stored(Client *client, const char *path, guint64 after,
                            void (*func)(const Event *event, gpointer user), gpointer user, GError **error);
