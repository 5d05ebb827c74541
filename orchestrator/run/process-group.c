/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kill(2) of groups, waitid(2), a walk through /proc. */
#include "orchestrator/run/process-group.h"
#include "base/proc.h"
#include "orchestrator/run/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef gboolean (*MemberFunc)(const ProcStat *member, gpointer user); /* FALSE ends the walk */

static void group_walk(pid_t pgid, MemberFunc func, gpointer user)
{
        g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
        const char *name;
        while (proc && (name = g_dir_read_name(proc))) {
                ProcStat st;
                if (!g_ascii_isdigit(*name) || !proc_read_stat((pid_t)atoi(name), &st) || st.pgid != pgid)
                        continue;
                if (!func(&st, user))
                        return;
        }
}

static gboolean member_lives(const ProcStat *member, gpointer user)
{
        *(gboolean *)user = member->state != 'Z' && member->state != 'X';
        return !*(gboolean *)user;
}

void process_group_become_reaper(void)
{
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* known since Linux 3.4: cannot fail */
}

gboolean process_group_is_gone(pid_t pgid, GroupLook look)
{
        siginfo_t info;
        do
                info.si_pid = 0;
        while (waitid(P_PGID, (id_t)pgid, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0);
        if (kill(-pgid, 0) < 0 && errno == ESRCH)
                return TRUE;
        gboolean lives = look == GROUP_LOOK_QUICK;
        if (!lives)
                group_walk(pgid, member_lives, &lives);
        return !lives;
}

void process_group_kill(pid_t pgid)
{
        g_assert(pgid > 1);
        kill(-pgid, SIGKILL); /* ESRCH: the leader took itself and all others elsewhere */
}

static gboolean environ_has(const char *environ_text, gsize size, const char *entry)
{
        for (const char *p = environ_text; p < environ_text + size; p += strlen(p) + 1)
                if (g_str_equal(p, entry))
                        return TRUE;
        return FALSE;
}

typedef struct Mark {
        char *battery, *replicant;
} Mark;

static gboolean member_kill_marked(const ProcStat *member, gpointer user)
{
        const Mark *mark = user;
        g_autofree char *path = g_strdup_printf("/proc/%d/environ", (int)member->pid), *text = NULL;
        gsize size;
        int pidfd = process_open(member->pid, member->start_ticks, NULL);
        if (pidfd >= 0 && g_file_get_contents(path, &text, &size, NULL) &&
            environ_has(text, size, mark->battery) && environ_has(text, size, mark->replicant))
                process_signal(pidfd, SIGKILL);
        if (pidfd >= 0)
                close(pidfd);
        return TRUE;
}

void process_group_kill_marked(pid_t pgid, const char *battery, guint replicant)
{
        if (pgid <= 1 || (kill(-pgid, 0) < 0 && errno == ESRCH))
                return;
        Mark mark = {.battery = g_strdup_printf("KANTAN_BATTERY=%s", battery),
                     .replicant = g_strdup_printf("KANTAN_REPLICANT=%u", replicant)};
        group_walk(pgid, member_kill_marked, &mark);
        g_free(mark.battery);
        g_free(mark.replicant);
}
