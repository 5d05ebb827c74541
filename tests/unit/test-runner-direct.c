/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The direct runner with real processes: tests/fake/replicant.c with its habits. Events are kept as one
 * line of text each; a test runs the main loop until a line came, or fails after a deadline. */
#include "base/proc.h"
#include "orchestrator/run/process.h"
#include "orchestrator/run/runner-direct.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEC ((gint64)G_USEC_PER_SEC)
#define DEADLINE_US (20 * SEC) /* a loaded machine with sanitizers is slow; nothing waits this long */

typedef struct World {
        char *dir, *fake;
        Clock *clock;
        RunnerPort *runner;
        GPtrArray *events; /* "FORKED calc/1", … */
        GPtrArray *lines;  /* of output */
        int pid;           /* of the latest FORKED */
        guint64 ticks;
} World;

static const char *const words[] = {"FORKED",   "START_FAILED", "READY",  "STATUS",
                                    "STOPPING", "WATCHDOG",     "EXITED", "COMMAND_DONE"};

static void sink(const PortEvent *e, gpointer user)
{
        World *w = user;
        GString *s = g_string_new(NULL);
        g_assert_cmpint(e->kind, <, (int)G_N_ELEMENTS(words));
        g_string_printf(s, "%s %s/%u", words[e->kind], e->battery, e->replicant);
        if (e->kind == PORT_FORKED) {
                w->pid = e->pid;
                w->ticks = e->start_ticks;
        }
        if (e->kind == PORT_EXITED)
                g_string_append_printf(s, " %d %d", e->exit_status, e->exit_signal);
        if (e->kind == PORT_COMMAND_DONE)
                g_string_append_printf(s, " %d %s", (int)e->cookie, e->ok ? "ok" : "no");
        if (e->text)
                g_string_append_printf(s, ": %s", e->text);
        g_ptr_array_add(w->events, g_string_free(s, FALSE));
}

static void runner_make(World *w)
{
        g_autofree char *run = g_build_filename(w->dir, "run", NULL);
        g_autoptr(GError) error = NULL;
        w->runner = runner_direct_new(run, w->clock, sink, w, &error);
        g_assert_no_error(error);
}

static void set_up(World *w, gconstpointer unused)
{
        w->dir = g_dir_make_tmp("kantan-run-XXXXXX", NULL);
        w->fake = g_build_filename(g_getenv("BUILDDIR"), "tests", "fake", "fake-replicant", NULL);
        w->clock = clock_new_system();
        w->events = g_ptr_array_new_with_free_func(g_free);
        w->lines = g_ptr_array_new_with_free_func(g_free);
        runner_make(w);
}

static void tear_down(World *w, gconstpointer unused)
{
        const char *const argv[] = {"/bin/rm", "-r", w->dir, NULL};
        int status;
        runner_direct_free(w->runner);
        clock_free(w->clock);
        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, NULL, &status, NULL));
        g_assert_cmpint(status, ==, 0);
        g_ptr_array_unref(w->events);
        g_ptr_array_unref(w->lines);
        g_free(w->dir);
        g_free(w->fake);
}

/* ---- waiting ---- */
static guint count(const GPtrArray *in, const char *prefix)
{
        guint n = 0;
        for (guint i = 0; i < in->len; i++)
                n += g_str_has_prefix(in->pdata[i], prefix);
        return n;
}

static gboolean on_deadline(gpointer missed)
{
        *(gboolean *)missed = TRUE;
        return G_SOURCE_REMOVE;
}

static void await_count(const GPtrArray *in, const char *prefix, guint n)
{
        gboolean missed = FALSE;
        guint source = g_timeout_add(DEADLINE_US / 1000, on_deadline, &missed);
        while (count(in, prefix) < n && !missed)
                g_main_context_iteration(NULL, TRUE);
        if (missed)
                for (guint i = 0; i < in->len; i++)
                        g_test_message("had: %s", (const char *)in->pdata[i]);
        g_assert_false(missed);
        g_source_remove(source);
}

static void await(World *w, const char *prefix)
{
        await_count(w->events, prefix, 1);
}

static const char *event_find(World *w, const char *prefix)
{
        for (guint i = 0; i < w->events->len; i++)
                if (g_str_has_prefix(w->events->pdata[i], prefix))
                        return w->events->pdata[i];
        return NULL;
}

/* Runs the loop for a real while in which something must not happen. */
static void let_pass(guint ms)
{
        gboolean over = FALSE;
        g_timeout_add(ms, on_deadline, &over);
        while (!over)
                g_main_context_iteration(NULL, TRUE);
}

/* ---- acting ---- */
static void start_with(World *w, guint id, const char *program, gint64 watchdog_us,
                       const char *const *arguments)
{
        const char *const environment[] = {"COLOUR=blue", "KANTAN_BATTERY=liar", NULL};
        RunnerStart s = {.battery = "calc",
                         .replicant = id,
                         .program = program,
                         .arguments = arguments,
                         .watchdog_us = watchdog_us,
                         .environment = environment};
        w->runner->start(w->runner, &s);
}

static void run_one(World *w, guint id, gint64 watchdog_us, const char *const *arguments)
{
        guint before = count(w->events, "FORKED");
        start_with(w, id, w->fake, watchdog_us, arguments);
        await_count(w->events, "FORKED", before + 1);
        w->runner->release(w->runner, "calc", id);
}
#define RUN(w, id, ...) run_one(w, id, 0, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void stop_one(World *w, guint id, gint64 timeout_us)
{
        g_autofree char *prefix = g_strdup_printf("EXITED calc/%u ", id);
        w->runner->stop(w->runner, "calc", id, timeout_us);
        await(w, prefix);
}

/* ---- start, ready, stop ---- */
static void test_life(World *w, gconstpointer unused)
{
        start_with(w, 1, w->fake, 0, NULL);
        g_assert_cmpuint(w->events->len, ==, 0); /* never from inside the call */
        await(w, "FORKED calc/1");
        ProcStat st;
        g_assert_true(proc_read_stat(w->pid, &st));
        g_assert_cmpuint(st.start_ticks, ==, w->ticks);
        g_assert_cmpint(st.pgid, ==, w->pid);
        let_pass(50);
        g_assert_cmpuint(w->events->len, ==, 1); /* held: nothing runs */
        w->runner->release(w->runner, "calc", 1);
        await(w, "READY calc/1");
        stop_one(w, 1, 10 * SEC);
        g_assert_nonnull(event_find(w, "EXITED calc/1 0 0"));
        g_assert_nonnull(event_find(w, "STOPPING calc/1"));
        g_assert_cmpint(kill(w->pid, 0), ==, -1);
        g_assert_cmpuint(w->events->len, ==, 4);
}

static void test_stop_of_none(World *w, gconstpointer unused)
{
        w->runner->stop(w->runner, "calc", 9, SEC);
        g_assert_cmpuint(w->events->len, ==, 0);
        await(w, "EXITED calc/9 -1 -1");
}

static void test_stop_while_held(World *w, gconstpointer unused)
{
        start_with(w, 1, w->fake, 0, NULL);
        await(w, "FORKED calc/1");
        stop_one(w, 1, 10 * SEC);
        g_assert_nonnull(event_find(w, "EXITED calc/1 -1 15"));
        w->runner->release(w->runner, "calc", 1); /* too late: no matter */
        let_pass(20);
        g_assert_null(event_find(w, "READY"));
}

static void test_start_twice(World *w, gconstpointer unused)
{
        RUN(w, 1);
        start_with(w, 1, w->fake, 0, NULL);
        await(w, "START_FAILED calc/1: calc/1 runs already");
        stop_one(w, 1, 10 * SEC);
}

static void test_cannot_run(World *w, gconstpointer unused)
{
        start_with(w, 1, "/nowhere/calcd", 0, NULL);
        start_with(w, 2, "/etc/passwd", 0, NULL);
        await_count(w->events, "FORKED", 2);
        w->runner->release(w->runner, "calc", 1);
        w->runner->release(w->runner, "calc", 2);
        await(w, "EXITED calc/1 127 0: cannot run /nowhere/calcd: No such file or directory");
        await(w, "EXITED calc/2 127 0: cannot run /etc/passwd: Permission denied");
        g_assert_cmpuint(w->events->len, ==, 4);
}

static void test_unknown_user(World *w, gconstpointer unused)
{
        RunnerStart s = {.battery = "calc", .replicant = 1, .program = w->fake, .user = "nobody_at_all"};
        w->runner->start(w->runner, &s);
        await(w, "START_FAILED calc/1: user 'nobody_at_all': no such user");
}

static void test_exit_at_once(World *w, gconstpointer unused)
{
        RUN(w, 1, "--exit=3");
        await(w, "EXITED calc/1 3 0: exited with status 3");
        RUN(w, 2, "--die=9");
        await(w, "EXITED calc/2 -1 9: killed by signal 9");
        g_assert_nonnull(event_find(w, "READY calc/2")); /* told before its end */
}

static void test_ignores_term(World *w, gconstpointer unused)
{
        RUN(w, 1, "--ignore-term");
        await(w, "READY calc/1");
        w->runner->stop(w->runner, "calc", 1, 3600 * SEC);
        let_pass(50);
        g_assert_null(event_find(w, "EXITED"));
        stop_one(w, 1, 10000); /* the second one shortens it */
        g_assert_nonnull(event_find(w, "EXITED calc/1 -1 9"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/runner-direct/" name, World, NULL, set_up, func, tear_down)
        ADD("life", test_life);
        ADD("stop-of-none", test_stop_of_none);
        ADD("stop-while-held", test_stop_while_held);
        ADD("start-twice", test_start_twice);
        ADD("cannot-run", test_cannot_run);
        ADD("unknown-user", test_unknown_user);
        ADD("exit-at-once", test_exit_at_once);
        ADD("ignores-term", test_ignores_term);
        return g_test_run();
}
