/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: what is told on svc/B, kept in the journal, asked for again with Since. One global sequence. */
#pragma once

#include "base/strtab.h"

typedef enum EventKind {
        EVENT_UPDATE_WARNING,     /* update o, strategy, from, to, deadline x (realtime µs) */
        EVENT_UPDATE_STARTED,     /* update o, strategy, from, to */
        EVENT_UPDATE_HELD,        /* update o, reason */
        EVENT_REPLICANT_DRAINING, /* replicant u */
        EVENT_REPLICANT_STOPPED,  /* replicant u, confirmed b, status i, signal i (-1: unknown) */
        EVENT_REPLICANT_STARTED,  /* replicant u, version, pid u */
        EVENT_REPLICANT_HEALTHY,  /* replicant u, version */
        EVENT_REPLICANT_FAILED,   /* replicant u, reason */
        EVENT_HEARTBEAT_MISSED,   /* replicant u, count u */
        EVENT_ROLE_CHANGED,       /* replicant u, role */
        EVENT_FLOOR_BROKEN,       /* active u, floor u, by */
        EVENT_DISAGREEMENT,       /* method, minority */
        EVENT_SYNCHRONISED,       /* replicant u, rows, bytes, seconds */
        EVENT_UPDATE_FINISHED,    /* update o, strategy, from, to, state, reason, seconds d, least_active u */
        EVENT_UPDATE_ROLLED_BACK, /* update o, from, to, reason */
        EVENT_INHIBITOR_TAKEN,    /* who, why, mode, uid u */
        EVENT_INHIBITOR_RELEASED, /* who, why, mode, held_seconds d */
        EVENT_CONTROLLER_TAKEOVER,
        _EVENT_KIND_MAX,
        _EVENT_KIND_INVALID = -1,
} EventKind;
STRTAB_DECLARE(event_kind, EventKind); /* "UpdateWarning" … */

typedef struct Event {
        guint64 sequence;
        const char *kind;
        gint64 time_us; /* realtime */
        const char *battery;
        GVariant *detail; /* a{sv} */
} Event;
