/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the direct runner share: a runner on a directory of its own and the events that came,
 * one line of text each; waiting runs the main loop until a line came, or fails after a deadline. */
#pragma once

#include "base/proc.h"
#include "orchestrator/run/runner-direct.h"

#include <string.h>
#include <unistd.h>

#define SEC ((gint64)G_USEC_PER_SEC)
#define DEADLINE_US (45 * SEC) /* a loaded machine with sanitizers is slow; nothing waits this long */

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

static void set_up(World *w, gconstpointer lines)
{
        w->dir = g_dir_make_tmp("kantan-run-XXXXXX", NULL);
        w->fake = g_build_filename(g_getenv("BUILDDIR"), "tests", "fake", "fake-replicant", NULL);
        w->clock = clock_new_system();
        w->events = g_ptr_array_new_with_free_func(g_free);
        w->lines = (GPtrArray *)lines;
        g_ptr_array_set_size(w->lines, 0);
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
        g_free(w->dir);
        g_free(w->fake);
}

/* What replicants printed is what is logged at level message. */
static GLogWriterOutput on_log(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer lines)
{
        for (gsize i = 0; i < n; i++)
                if (g_str_equal(fields[i].key, "MESSAGE") && (level & G_LOG_LEVEL_MESSAGE))
                        g_ptr_array_add(lines, g_strdup(fields[i].value));
        return G_LOG_WRITER_HANDLED;
}

/* Where on_log() is to put lines: once in a program, for GLib takes but one writer. */
static GPtrArray *lines_new(void)
{
        GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
        g_log_set_writer_func(on_log, lines, NULL);
        return lines;
}

/* ---- waiting ---- */
G_GNUC_UNUSED static guint count(const GPtrArray *in, const char *prefix)
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

