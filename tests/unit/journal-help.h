/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the journal's tests share: a directory for each, a main loop that runs until something was
 * counted, answers as text. */
#pragma once

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <unistd.h>

#include "orchestrator/run/journal.h"

#define DEADLINE_US (20 * G_USEC_PER_SEC)

typedef struct Place {
        char *dir, *db;
} Place;

static inline void place_make(Place *p, gconstpointer unused)
{
        g_autoptr(GError) error = NULL;

        p->dir = g_dir_make_tmp("kantan-journal-XXXXXX", &error);
        g_assert_no_error(error);
        p->db = g_build_filename(p->dir, "journal.db", NULL);
}

static inline void place_remove(Place *p, gconstpointer unused)
{
        static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"};

        for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *name = g_build_filename(p->dir, names[i], NULL);
                g_unlink(name);
        }
        g_assert_cmpint(g_rmdir(p->dir), ==, 0); /* and nothing else was left there */
        g_free(p->db);
        g_free(p->dir);
}

static inline Journal *place_open(Place *p)
{
        g_autoptr(GError) error = NULL;
        Journal *j = journal_open(p->db, &error);

        g_assert_no_error(error);
        g_assert_nonnull(j);
        return j;
}

static inline void run_until(const guint *count, guint n)
{
        gint64 deadline = g_get_monotonic_time() + DEADLINE_US;

        while (*count < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                if (!g_main_context_iteration(NULL, FALSE))
                        g_main_context_iteration(NULL, TRUE);
        }
}

static inline void run_once(guint *count)
{
        guint before = *count;

        run_until(count, before + 1);
}

static inline void count_done(gpointer user)
{
        ++*(guint *)user;
}

static inline void write_and_wait(Journal *j, JournalBatch *b)
{
        guint done = 0;

        journal_write(j, b, count_done, &done);
        run_once(&done);
}

static inline GVariant *body(gint32 n)
{
        return g_variant_new_parsed("{'n': <%i>}", n);
}

static inline JournalBatch *batch_put(const char *kind, const char *id, const char *battery, gint32 n)
{
        JournalBatch *b = journal_batch_new();

        journal_batch_put(b, kind, id, battery, body(n));
        return b;
}

/* Rows that a person with the sqlite3 shell would change. */
static inline void sql_run(Place *p, const char *sql)
{
        sqlite3 *db = NULL;

        g_assert_cmpint(sqlite3_open(p->db, &db), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
        sqlite3_close(db);
}

typedef struct Answer {
        GVariant *result;
        char *error;
        guint count;
} Answer;

static inline void answer_take(GVariant *result, const GError *error, gpointer user)
{
        Answer *a = user;

        g_assert_true((result != NULL) != (error != NULL));
        a->result = result ? g_variant_ref(result) : NULL;
        a->error = error ? g_strdup(error->message) : NULL;
        a->count++;
}

static inline void answer_clear(Answer *a)
{
        g_clear_pointer(&a->result, g_variant_unref);
        g_clear_pointer(&a->error, g_free);
}

static inline char *since_text(Journal *j, guint64 sequence, const char *battery, guint most)
{
        GString *text = g_string_new(NULL);
        Answer a = {0};
        GVariantIter rows;
        guint64 found;

        journal_since(j, sequence, battery, most, answer_take, &a);
        run_until(&a.count, 1);
        g_assert_null(a.error);
        g_assert_cmpstr(g_variant_get_type_string(a.result), ==, "a(tsxsa{sv})");
        g_variant_iter_init(&rows, a.result);
        while (g_variant_iter_loop(&rows, "(tsxsa{sv})", &found, NULL, NULL, NULL, NULL))
                g_string_append_printf(text, "%" G_GUINT64_FORMAT " ", found);
        answer_clear(&a);
        return g_string_free(text, FALSE);
}

static inline char *records_text(Journal *j, const char *kind, const char *battery, guint most)
{
        GString *text = g_string_new(NULL);
        Answer a = {0};
        GVariantIter rows;
        const char *id;

        journal_records(j, kind, battery, most, answer_take, &a);
        run_until(&a.count, 1);
        g_assert_null(a.error);
        g_assert_cmpstr(g_variant_get_type_string(a.result), ==, "a(sa{sv})");
        g_variant_iter_init(&rows, a.result);
        while (g_variant_iter_loop(&rows, "(&sa{sv})", &id, NULL))
                g_string_append_printf(text, "%s ", id);
        answer_clear(&a);
        return g_string_free(text, FALSE);
}

static inline void load_append(const char *id, const char *battery, GVariant *dict, gpointer user)
{
        g_autofree char *text = g_variant_print(dict, TRUE);

        g_string_append_printf(user, "%s/%s/%s ", id, battery, text);
}

static inline char *load_text(Journal *j, const char *kind)
{
        GString *text = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        g_assert_true(journal_load(j, kind, load_append, text, &error));
        g_assert_no_error(error);
        return g_string_free(text, FALSE);
}

#define ASSERT_TEXT(expression, expected)                                                                    \
        G_STMT_START                                                                                         \
        {                                                                                                    \
                g_autofree char *text_ = (expression);                                                       \
                g_assert_cmpstr(text_, ==, expected);                                                        \
        }                                                                                                    \
        G_STMT_END

typedef struct Told {
        guint count;
        char *text;
} Told;

static inline void trouble_told(const char *trouble, gpointer user)
{
        Told *t = user;

        t->count++;
        g_free(t->text);
        t->text = g_strdup(trouble);
}

static inline void place_test(const char *name, void (*func)(Place *, gconstpointer))
{
        g_test_add(name, Place, NULL, place_make, func, place_remove);
}
