/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The direct runner: replicants as child processes in process groups of their own, told apart by pid and
 * start time, ready by the sd_notify protocol, gone when their pidfd says so. For private instances,
 * containers without systemd, and tests; the installed instance uses systemd's. */
#pragma once

#include "base/clock.h"
#include "orchestrator/run/ports.h"

/* RUNTIME: directory for the notify socket (RUNTIME/notify) and for what replicants print
 * (RUNTIME/output/BATTERY.N, followed into the log); made if missing. The process becomes the reaper of
 * orphans below it. */
RunnerPort *runner_direct_new(const char *runtime, Clock *clock, PortSink sink, gpointer user,
                              GError **error);
/* Stops watching; the replicants live on. Held ones and commands end. Not from inside the sink. */
void runner_direct_free(RunnerPort *r);
