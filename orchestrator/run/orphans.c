/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's list of our children (proc(5), /proc/PID/task/TID/children), a pidfd for each unknown. */
#include "orchestrator/run/orphans.h"
#include "base/proc.h"
#include "orchestrator/run/process.h"

#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCHED_MAX 256                /* descriptors spent on strangers; the rest wait for a later look */
#define LOOK_SOON_US (10 * 1000)       /* one look for many replicants that end together */
#define LOOK_AGAIN_US (60 * 1000000LL) /* for those that fall to us while their replicant lives */

struct Orphans {
        FdLoop *loop;
        Clock *clock;
        OrphansKnown known;
        gpointer user;
        GHashTable *watched; /* pid -> Orphan */
        guint64 soon, again;
};

typedef struct Orphan {
        Orphans *all;
        pid_t pid;
        int pidfd;
        FdWatch *watch;
} Orphan;

static void orphan_free(gpointer p)
{
        Orphan *n = p;
        fd_watch_free(n->watch);
        close(n->pidfd);
        g_free(n);
}

static void on_ended(gpointer user)
{
        Orphan *n = user;
        siginfo_t info;
        waitid(P_PID, (id_t)n->pid, &info, WEXITED | WNOHANG);
        g_hash_table_remove(n->all->watched, GINT_TO_POINTER(n->pid));
}

static void orphan_watch(Orphans *o, pid_t pid)
{
        int fd = pidfd_open(pid, 0); /* a child that nobody else reaps: the pid is its own */
        if (fd < 0)
                return;
        Orphan *n = g_new0(Orphan, 1);
        *n = (Orphan){.all = o, .pid = pid, .pidfd = fd};
        n->watch = fd_loop_add(o->loop, fd, on_ended, n, NULL);
        if (n->watch)
                g_hash_table_insert(o->watched, GINT_TO_POINTER(pid), n);
        else
                orphan_free(n); /* a later look tries again */
}

static gboolean is_orphan(Orphans *o, pid_t pid)
{
        ProcStat st;
        return pid > 1 && !g_hash_table_contains(o->watched, GINT_TO_POINTER(pid)) &&
               !o->known(pid, o->user) && proc_read_stat(pid, &st) && st.ppid == getpid() &&
               st.pgid != getpgrp() && !o->known(st.pgid, o->user);
}

static void look(Orphans *o)
{
        g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid()), *text = NULL;
        if (!g_file_get_contents(path, &text, NULL, NULL))
                return; /* a kernel without it: they stay zombies until we end */
        for (char *at = text, *end; g_hash_table_size(o->watched) < WATCHED_MAX; at = end) {
                pid_t pid = (pid_t)strtol(at, &end, 10);
                if (end == at)
                        return;
                if (is_orphan(o, pid))
                        orphan_watch(o, pid);
        }
}

static void on_soon(gpointer user)
{
        Orphans *o = user;
        o->soon = 0;
        look(o);
}

static void on_again(gpointer user)
{
        Orphans *o = user;
        look(o);
        o->again = clock_at(o->clock, clock_boot_us(o->clock) + LOOK_AGAIN_US, on_again, o);
}

Orphans *orphans_new(FdLoop *loop, Clock *clock, OrphansKnown known, gpointer user)
{
        Orphans *o = g_new0(Orphans, 1);
        *o = (Orphans){.loop = loop, .clock = clock, .known = known, .user = user};
        o->watched = g_hash_table_new_full(NULL, NULL, NULL, orphan_free);
        o->again = clock_at(clock, clock_boot_us(clock) + LOOK_AGAIN_US, on_again, o);
        return o;
}

void orphans_free(Orphans *o)
{
        if (!o)
                return;
        clock_cancel(o->clock, &o->soon);
        clock_cancel(o->clock, &o->again);
        g_hash_table_unref(o->watched);
        g_free(o);
}

void orphans_look(Orphans *o)
{
        if (!o->soon)
                o->soon = clock_at(o->clock, clock_boot_us(o->clock) + LOOK_SOON_US, on_soon, o);
}
