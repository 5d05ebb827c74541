/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One replicant of the direct runner, from the fork (or adoption) to the confirmed end of its process
 * group. Only runner-direct.c uses it. */
#pragma once

#include "base/clock.h"
#include "orchestrator/run/event-queue.h"
#include "orchestrator/run/fd-loop.h"
#include "orchestrator/run/notify-socket.h"
#include "orchestrator/run/process.h"

typedef struct DirectReplicant DirectReplicant;
typedef void (*DirectReplicantGone)(DirectReplicant *r, gpointer user);

/* What all replicants of a runner share. */
typedef struct DirectWorld {
        Clock *clock;
        FdLoop *loop;
        EventQueue *queue;
        NotifySocket *notify;
        DirectReplicantGone gone; /* it told PORT_EXITED and is to be freed by this function */
        gpointer user;
} DirectWorld;

/* Takes PROCESS. PROGRAM is for messages; NULL if adopted. NULL if the kernel cannot watch one more. */
DirectReplicant *direct_replicant_new(const DirectWorld *world, const char *battery, guint id,
                                      const char *program, Process *process, gint64 watchdog_us,
                                      GError **error);
/* Stops watching; the process lives on, unless it is still held. */
void direct_replicant_free(DirectReplicant *r);

pid_t direct_replicant_pid(const DirectReplicant *r);
guint64 direct_replicant_ticks(const DirectReplicant *r);
const char *direct_replicant_key(const DirectReplicant *r); /* "battery/id" */
gboolean direct_replicant_adopted(const DirectReplicant *r);

void direct_replicant_release(DirectReplicant *r);
void direct_replicant_stop(DirectReplicant *r, gint64 timeout_us);
/* MESSAGE came from it or its group. */
void direct_replicant_notify(DirectReplicant *r, const NotifyMessage *message);
/* Begins to expect WATCHDOG=1, if it has a watchdog. */
void direct_replicant_watchdog_arm(DirectReplicant *r);
