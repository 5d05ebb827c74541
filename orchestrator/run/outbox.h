/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Journal before acting, as one mechanism: within a turn of the loop the manager changes its model and
 * puts records, events and *effects* (acts, signals, answers) here; after one more turn, for what follows at
 * once, the records are written as one batch, and only when they are durable do the effects run, in order.
 * While the journal cannot be written, effects wait. A crash anywhere loses effects only, never their
 * reasons. */
#pragma once

#include "orchestrator/run/journal.h"

typedef struct Outbox Outbox;

Outbox *outbox_new(Journal *journal);
/* Effects not yet run are dropped. The journal must be closed: it calls back for what is under way. */
void outbox_free(Outbox *o);

/* As journal_batch_*, without their limit of changes; BODY and DETAIL are consumed if floating. */
void outbox_put(Outbox *o, const char *kind, const char *id, const char *battery, GVariant *body);
void outbox_delete(Outbox *o, const char *kind, const char *id);
void outbox_event(Outbox *o, guint64 sequence, const char *kind, gint64 time_us, const char *battery,
                  GVariant *detail);

/* FUNC(USER, ARGS) runs after all that was put before it is durable. It must look objects up anew by what
 * ARGS (consumed if floating, may be NULL) names: they may be gone by then. */
typedef void (*OutboxFunc)(gpointer user, GVariant *args);
void outbox_after(Outbox *o, OutboxFunc func, gpointer user, GVariant *args);
/* FUNC(USER, ARGS) runs when this turn's records are handed over, whatever has become
 * durable: for what follows from nothing that is put. */
void outbox_soon(Outbox *o, OutboxFunc func, gpointer user, GVariant *args);
