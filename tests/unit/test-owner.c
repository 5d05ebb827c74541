/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners of transactions: real processes that end, that are gone, that are somebody else by now. */
#include "base/proc.h"
#include "orchestrator/run/owner.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 45000 /* a loaded machine with sanitizers is slow; nothing waits this long */

static gboolean on_deadline(gpointer missed)
{
        *(gboolean *)missed = TRUE;
        return G_SOURCE_REMOVE;
}

static void await(const guint *counter, guint n)
{
        gboolean missed = FALSE;
        guint source = g_timeout_add(DEADLINE_MS, on_deadline, &missed);
        while (*counter < n && !missed)
                g_main_context_iteration(NULL, TRUE);
        g_assert_false(missed);
        g_source_remove(source);
}

/* Runs the loop for a real while in which something must not happen. */
static void let_pass(guint ms)
{
        gboolean over = FALSE;
        g_timeout_add(ms, on_deadline, &over);
        while (!over)
                g_main_context_iteration(NULL, TRUE);
}

typedef struct World {
        OwnerPort *owners;
        guint gone;
        guint64 last;
        pid_t pid; /* a process that waits */
} World;

static void sink(const PortEvent *e, gpointer user)
{
        World *w = user;
        g_assert_cmpint(e->kind, ==, PORT_OWNER_GONE);
        w->gone++;
        w->last = e->cookie;
}

static void set_up(World *w, gconstpointer unused)
{
        w->owners = owner_new(sink, w);
        w->pid = fork();
        for (; w->pid == 0;)
                pause();
}

static void end_process(World *w)
{
        if (w->pid <= 0)
                return;
        kill(w->pid, SIGKILL);
        g_assert_cmpint(waitpid(w->pid, NULL, 0), ==, w->pid);
        w->pid = 0;
}

static void tear_down(World *w, gconstpointer unused)
{
        end_process(w);
        owner_free(w->owners);
}

static void test_gone(World *w, gconstpointer unused)
{
        guint64 ticks = 0;
        ProcStat st;
        g_assert_true(w->owners->watch(w->owners, 7, w->pid, 0, &ticks));
        g_assert_true(proc_read_stat(w->pid, &st));
        g_assert_cmpuint(ticks, ==, st.start_ticks);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 0);
        end_process(w);
        g_assert_cmpuint(w->gone, ==, 0);
        await(&w->gone, 1);
        g_assert_cmpuint(w->last, ==, 7);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 1);
}

static void test_gone_before(World *w, gconstpointer unused)
{
        pid_t pid = w->pid;
        kill(pid, SIGKILL);
        siginfo_t info;
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
        g_assert_false(w->owners->watch(w->owners, 1, pid, 0, NULL)); /* a zombie */
        end_process(w);
        g_assert_false(w->owners->watch(w->owners, 1, pid, 0, NULL));
        g_assert_false(w->owners->watch(w->owners, 1, 0, 0, NULL));
        g_assert_false(w->owners->watch(w->owners, 1, -1, 0, NULL));
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 0);
}

static void test_reused_pid(World *w, gconstpointer unused)
{
        guint64 ticks = 0;
        g_assert_true(w->owners->watch(w->owners, 1, w->pid, 0, &ticks));
        g_assert_false(w->owners->watch(w->owners, 2, w->pid, ticks + 1, NULL));
        g_assert_true(w->owners->watch(w->owners, 2, w->pid, ticks, NULL));
        end_process(w);
        await(&w->gone, 2);
}

static void test_unwatch(World *w, gconstpointer unused)
{
        g_assert_true(w->owners->watch(w->owners, 1, w->pid, 0, NULL));
        g_assert_true(w->owners->watch(w->owners, 2, w->pid, 0, NULL));
        w->owners->unwatch(w->owners, 1);
        w->owners->unwatch(w->owners, 99); /* unknown: no matter */
        end_process(w);
        await(&w->gone, 1);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 1);
        g_assert_cmpuint(w->last, ==, 2);
}

static void test_limit(World *w, gconstpointer unused)
{
        for (guint64 i = 0; i < OWNERS_MAX; i++)
                g_assert_true(w->owners->watch(w->owners, i, w->pid, 0, NULL));
        g_assert_false(w->owners->watch(w->owners, OWNERS_MAX, w->pid, 0, NULL));
        w->owners->unwatch(w->owners, 3);
        g_assert_true(w->owners->watch(w->owners, OWNERS_MAX, w->pid, 0, NULL));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/owner/" name, World, NULL, set_up, func, tear_down)
        ADD("gone", test_gone);
        ADD("gone-before", test_gone_before);
        ADD("reused-pid", test_reused_pid);
        ADD("unwatch", test_unwatch);
        ADD("limit", test_limit);
        return g_test_run();
}
