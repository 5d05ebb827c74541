/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The orchestrator as a hook sees it: where it is on the bus, and what its replies mean. */
#pragma once

#include "dbus/bus.h"
#include "kantan-hooks/hook-call.h"

#define HOOK_SERVICE "org.kantan.Orchestrator1"
#define HOOK_MANAGER_PATH "/org/kantan/Orchestrator1"
#define HOOK_MANAGER HOOK_SERVICE ".Manager"
#define HOOK_TRANSACTION HOOK_SERVICE ".Transaction"

/* The service accepts at once and works later, so an answer that takes longer than this will not come. */
#define HOOK_REPLY_TIMEOUT_MS 30000
/* How long a service that vanished while we waited may take to come back: a restart takes a second or
 * two, its own upgrade a few. */
#define HOOK_AWAY_US (30 * G_USEC_PER_SEC)

typedef enum HookReply {
        HOOK_REPLY_GOOD,
        HOOK_REPLY_NOT_FOUND, /* there is no such transaction */
        HOOK_REPLY_REFUSAL,   /* the service itself says no */
        HOOK_REPLY_ABSENT,    /* nobody has the service's name */
        HOOK_REPLY_LOST,      /* it was there and did not answer */
        HOOK_REPLY_FAULT,     /* anything else, e.g. the bus is gone */
} HookReply;
/* SIGNATURE: what a good reply's body must be, e.g. "(o)". */
HookReply hook_reply_classify(const BusReply *reply, const char *signature);

/* The arguments of BeginTransaction, floating. */
GVariant *hook_begin_args(const HookCall *call, guint owner);
guint64 hook_call_find(Bus *bus, guint owner, BusReplyFunc func, gpointer user);
guint64 hook_call_finish(Bus *bus, const char *transaction, gboolean success, int timeout_ms,
                         BusReplyFunc func, gpointer user);
