/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc says of a process. A pid alone names nobody: it is reused; pid and start time together
 * name one process until the next boot (proc(5), /proc/PID/stat field 22). */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct ProcStat {
        pid_t pid, ppid, pgid;
        guint64 start_ticks; /* clock ticks since boot */
        char state;          /* 'Z' is a process that is gone but not reaped */
} ProcStat;

/* FALSE when there is no such process (or /proc does not tell). Never blocks on anything but /proc. */
gboolean proc_read_stat(pid_t pid, ProcStat *ret);
/* Parses the text of /proc/PID/stat, in which the second field may hold any byte. */
gboolean proc_parse_stat(const char *text, ProcStat *ret);
/* TRUE if ANCESTOR is PID or one of its parents, followed at most 64 levels up. */
gboolean proc_is_ancestor(pid_t ancestor, pid_t pid);
