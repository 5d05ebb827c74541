/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading /proc/PID/stat. */
#include "base/proc.h"

#include <stdio.h>
#include <string.h>

gboolean proc_parse_stat(const char *text, ProcStat *ret)
{
        ProcStat s = {0};
        int pid, ppid, pgid;
        unsigned long long start;
        const char *end = strrchr(text, ')'); /* the name may hold ')' itself: the last one ends it */
        if (!end || sscanf(text, "%d (", &pid) != 1)
                return FALSE;
        if (sscanf(end + 1, " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &s.state, &ppid, &pgid, &start) != 4)
                return FALSE;
        s.pid = pid;
        s.ppid = ppid;
        s.pgid = pgid;
        s.start_ticks = start;
        *ret = s;
        return TRUE;
}

gboolean proc_read_stat(pid_t pid, ProcStat *ret)
{
        char path[64];
        g_autofree char *text = NULL;
        g_snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        return pid > 0 && g_file_get_contents(path, &text, NULL, NULL) && proc_parse_stat(text, ret);
}

gboolean proc_is_ancestor(pid_t ancestor, pid_t pid)
{
        for (int depth = 0; depth < 64 && pid > 0; depth++) {
                ProcStat s;
                if (pid == ancestor)
                        return TRUE;
                if (!proc_read_stat(pid, &s))
                        return FALSE;
                pid = s.ppid;
        }
        return FALSE;
}
