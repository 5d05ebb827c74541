/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast the journal writes on the disk of the directory given (default: the current one): single
 * batches, each waiting for the one before, with their latency; then many handed over at once, which
 * are written together. One line each. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "orchestrator/run/journal.h"

#define SINGLE 2000
#define TOGETHER 20000

static void done_count(gpointer user)
{
        ++*(guint *)user;
}

static JournalBatch *batch_typical(guint64 n)
{
        JournalBatch *b = journal_batch_new();
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, n % 100);

        journal_batch_put(b, "update", id, "calc",
                          g_variant_new_parsed("{'state': <'running'>, 'pid': <%u>}", (guint)n));
        journal_batch_event(b, n, "update-changed", g_get_real_time(), "calc",
                            g_variant_new_parsed("{'update': <%t>, 'state': <'running'>}", n));
        return b;
}

static void run_until(const guint *done, guint n)
{
        while (*done < n)
                g_main_context_iteration(NULL, TRUE);
}

static int compare_us(gconstpointer a, gconstpointer b)
{
        gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

        return (x > y) - (x < y);
}

static void bench_single(Journal *j, guint64 *sequence)
{
        g_autofree gint64 *took_us = g_new(gint64, SINGLE);
        gint64 begin_us = g_get_monotonic_time();
        guint done = 0;

        for (guint i = 0; i < SINGLE; i++) {
                gint64 at_us = g_get_monotonic_time();
                journal_write(j, batch_typical(++*sequence), done_count, &done);
                run_until(&done, i + 1);
                took_us[i] = g_get_monotonic_time() - at_us;
        }
        printf("single: %.0f writes/s\n", SINGLE * 1e6 / (double)(g_get_monotonic_time() - begin_us));
        qsort(took_us, SINGLE, sizeof *took_us, compare_us);
        printf("single: p50 %" G_GINT64_FORMAT " us\n", took_us[SINGLE / 2]);
        printf("single: p99 %" G_GINT64_FORMAT " us\n", took_us[SINGLE * 99 / 100]);
}

static void bench_together(Journal *j, guint64 *sequence)
{
        gint64 begin_us = g_get_monotonic_time();
        guint done = 0;

        for (guint i = 0; i < TOGETHER; i++)
                journal_write(j, batch_typical(++*sequence), done_count, &done);
        run_until(&done, TOGETHER);
        printf("together: %.0f writes/s\n", TOGETHER * 1e6 / (double)(g_get_monotonic_time() - begin_us));
}

int main(int argc, char **argv)
{
        static const char *const names[] = {"journal.db", "journal.lock"};
        g_autofree char *dir = g_build_filename(argc > 1 ? argv[1] : ".", "bench-journal-XXXXXX", NULL);
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        guint64 sequence = 0;
        Journal *j;

        if (!g_mkdtemp(dir)) {
                perror(dir);
                return 1;
        }
        path = g_build_filename(dir, "journal.db", NULL);
        j = journal_open(path, &error);
        if (!j) {
                fprintf(stderr, "%s\n", error->message);
                return 1;
        }
        bench_single(j, &sequence);
        bench_together(j, &sequence);
        journal_close(j);
        for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *name = g_build_filename(dir, names[i], NULL);
                g_unlink(name);
        }
        g_rmdir(dir);
        return 0;
}
