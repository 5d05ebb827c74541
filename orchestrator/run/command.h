/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks, drain and admit commands: short programs run to their end, a few at a time, killed with their
 * group when their time is over or when the daemon dies. */
#pragma once

#include "base/clock.h"
#include "orchestrator/run/event-queue.h"
#include "orchestrator/run/fd-loop.h"

#define COMMANDS_RUNNING_MAX 32 /* further ones wait: a check of 300 replicants must not fork 300 at once */

typedef struct Commands Commands;
/* Reports PORT_COMMAND_DONE to QUEUE. */
Commands *commands_new(Clock *clock, FdLoop *loop, EventQueue *queue);
/* Kills what runs, without a word. */
void commands_free(Commands *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Commands, commands_free)

/* As RunnerPort's command(); the timeout counts from when the command is run, not from when it waits. */
void commands_run(Commands *c, guint64 cookie, const char *battery, guint replicant, const char *const *argv,
                  const char *user, gint64 timeout_us);
void commands_cancel(Commands *c, guint64 cookie);
/* Is PID one of ours that runs? */
gboolean commands_has_pid(const Commands *c, pid_t pid);
