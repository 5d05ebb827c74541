/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal's rows: written in order, each batch whole or not at all, read back within limits; and a
 * main loop that turns while the thread cannot write. */
#include <malloc.h>
#include <sys/stat.h>

#include "tests/unit/journal-help.h"

typedef struct Order {
        guint *count, expected;
} Order;

static void order_check(gpointer user)
{
        g_autofree Order *o = user;

        g_assert_cmpuint(*o->count, ==, o->expected);
        ++*o->count;
}

static void test_order(Place *p, gconstpointer unused)
{
        g_autoptr(Journal) j = place_open(p);
        guint count = 0;

        for (guint i = 0; i < 1000; i++) {
                Order *o = g_new(Order, 1);
                *o = (Order){&count, i};
                /* some are empty: they too wait for their turn */
                journal_write(j, i % 7 ? batch_put("replicant", "1", "b", (gint32)i) : journal_batch_new(),
                              order_check, o);
                g_assert_cmpuint(count, ==, 0); /* never from inside the call */
        }
        run_until(&count, 1000);
        ASSERT_TEXT(load_text(j, "replicant"), "1/b/{'n': <999>} ");
}

/* A trigger makes one batch of a group fail: the others are written, that one is not, not even in part. */
static void test_atomic(Place *p, gconstpointer unused)
{
        guint before = 0, failing = 0;
        Told told = {0};
        JournalBatch *b;
        Journal *j;

        journal_close(place_open(p));
        sql_run(p, "CREATE TRIGGER t BEFORE INSERT ON record WHEN NEW.id='bad'"
                   " BEGIN SELECT raise(ABORT, 'no bad ones'); END");
        j = place_open(p);
        journal_on_trouble(j, trouble_told, &told);
        journal_write(j, batch_put("k", "1", "b", 1), count_done, &before);
        journal_write(j, batch_put("k", "2", "b", 2), count_done, &before);
        b = batch_put("k", "3", "b", 3);
        journal_batch_put(b, "k", "bad", "b", body(4));
        journal_write(j, b, count_done, &failing);
        journal_write(j, batch_put("k", "5", "b", 5), count_done, &failing);
        run_until(&before, 2);
        ASSERT_TEXT(records_text(j, "k", NULL, 10), "2 1 ");
        g_assert_cmpstr(journal_trouble(j), ==, "no bad ones");
        g_assert_cmpuint(told.count, ==, 1); /* the good ones were never in trouble */
        sql_run(p, "DROP TRIGGER t");
        run_until(&failing, 2);
        g_assert_null(journal_trouble(j));
        ASSERT_TEXT(records_text(j, "k", NULL, 10), "5 3 2 1 bad ");
        journal_close(j);
}

/* ---- reads ---- */

static void events_write(Journal *j, guint n)
{
        JournalBatch *b = journal_batch_new();

        for (guint i = 1; i <= n; i++)
                journal_batch_event(b, i, "kind", (gint64)i * 10, i % 2 ? "odd" : "even", body((gint32)i));
        write_and_wait(j, b);
}

static void test_since(Place *p, gconstpointer unused)
{
        g_autoptr(Journal) j = place_open(p);
        Answer a = {0};

        events_write(j, 1200);
        ASSERT_TEXT(since_text(j, 0, NULL, 3), "1 2 3 ");
        ASSERT_TEXT(since_text(j, 1198, NULL, 30), "1199 1200 ");
        ASSERT_TEXT(since_text(j, 3, "odd", 2), "5 7 ");
        ASSERT_TEXT(since_text(j, 0, "none", 10), "");
        ASSERT_TEXT(since_text(j, G_MAXUINT64, NULL, 10), "");
        ASSERT_TEXT(since_text(j, 0, NULL, 0), "");
        journal_since(j, 0, NULL, G_MAXUINT, answer_take, &a);
        run_until(&a.count, 1);
        g_assert_cmpuint(g_variant_n_children(a.result), ==, JOURNAL_READ_MAX);
        answer_clear(&a);
}

static void test_records(Place *p, gconstpointer unused)
{
        g_autoptr(Journal) j = place_open(p);
        JournalBatch *b = journal_batch_new();

        journal_batch_put(b, "update", "9", "a", body(9));
        journal_batch_put(b, "update", "10", "b", body(10));
        journal_batch_put(b, "update", "100", "a", body(100));
        journal_batch_put(b, "update", "11", "a", body(11));
        journal_batch_put(b, "other", "12", "a", body(12));
        write_and_wait(j, b);
        ASSERT_TEXT(records_text(j, "update", NULL, 10), "100 11 10 9 ");
        ASSERT_TEXT(records_text(j, "update", "a", 2), "100 11 ");
        ASSERT_TEXT(records_text(j, "update", "", 2), "");
}

/* An answer also ends at 8 MiB of text, for it must fit a bus message. The row that crosses it is in it. */
static void test_read_bytes(Place *p, gconstpointer unused)
{
        g_autoptr(Journal) j = place_open(p);
        g_autofree char *long_text = g_strnfill(JOURNAL_BODY_MAX - 100, 'x');
        Answer a = {0};

        for (guint i = 1; i <= 12; i++) {
                JournalBatch *b = journal_batch_new();
                journal_batch_event(b, i, "kind", 0, "b", g_variant_new_parsed("{'t': <%s>}", long_text));
                journal_write(j, b, NULL, NULL);
        }
        write_and_wait(j, journal_batch_new());
        journal_since(j, 0, NULL, 1000, answer_take, &a);
        run_until(&a.count, 1);
        g_assert_cmpuint(g_variant_n_children(a.result), ==, 8 * 1024 * 1024 / JOURNAL_BODY_MAX + 1);
        answer_clear(&a);
}

static void test_trim(Place *p, gconstpointer unused)
{
        Journal *j = place_open(p);
        JournalBatch *b = journal_batch_new();

        for (guint i = 1; i <= 12; i++) {
                g_autofree char *id = g_strdup_printf("%u", i);
                journal_batch_put(b, "update", id, i % 3 ? "a" : "b", body((gint32)i));
                journal_batch_put(b, "kept", id, "a", body((gint32)i));
        }
        write_and_wait(j, b);
        events_write(j, 20);
        journal_trim(j, 3, "update", 2);
        ASSERT_TEXT(since_text(j, 0, NULL, 100), "18 19 20 ");
        ASSERT_TEXT(records_text(j, "update", NULL, 100), "12 11 10 9 ");
        ASSERT_TEXT(records_text(j, "kept", NULL, 100), "12 11 10 9 8 7 6 5 4 3 2 1 ");
        journal_trim(j, 0, NULL, 0);
        ASSERT_TEXT(since_text(j, 0, NULL, 100), "");
        journal_close(j);
        j = place_open(p);
        g_assert_cmpuint(journal_last_sequence(j), ==, 20); /* a number is never given out twice */
        journal_close(j);
}

/* ---- much, and stuck ---- */

static void test_many(Place *p, gconstpointer unused)
{
        g_autofree char *wal = g_strconcat(p->db, "-wal", NULL);
        Journal *j = place_open(p);
        guint done = 0;
        size_t before = 0;
        struct stat st;

        for (guint i = 0; i < 10000; i++) {
                journal_write(j, batch_put("k", i % 2 ? "1" : "2", "b", (gint32)i), count_done, &done);
                if (i % 100 == 99)
                        run_until(&done, i + 1);
                if (i == 999)
                        before = mallinfo2().uordblks;
        }
        /* Nothing is kept of 9,000 writes; SQLite's page cache may still grow by its 2 MB. */
        g_assert_cmpuint(mallinfo2().uordblks, <, before + 3 * 1000 * 1000);
        g_assert_cmpint(stat(wal, &st), ==, 0);
        g_assert_cmpint(st.st_size, <, 4 * 1024 * 1024);
        g_assert_cmpint(stat(p->db, &st), ==, 0);
        g_assert_cmpint(st.st_size, <, 1024 * 1024);
        journal_close(j);
}

static gboolean count_tick(gpointer user)
{
        ++*(guint *)user;
        return G_SOURCE_CONTINUE;
}

/* Another process (a person's shell) holds the database: the thread blocks, the loop does not. */
static void test_stuck(Place *p, gconstpointer unused)
{
        Journal *j = place_open(p);
        guint ticks = 0, done = 0, timer;
        Told told = {0};
        sqlite3 *other;

        journal_on_trouble(j, trouble_told, &told);
        write_and_wait(j, batch_put("k", "1", "b", 1));
        g_assert_cmpint(sqlite3_open(p->db, &other), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
        journal_write(j, batch_put("k", "2", "b", 2), count_done, &done);
        timer = g_timeout_add(5, count_tick, &ticks);
        run_until(&told.count, 1);
        g_assert_cmpstr(told.text, ==, "database is locked");
        g_assert_cmpstr(journal_trouble(j), ==, "database is locked");
        g_assert_cmpuint(ticks, >, 5); /* of about 40 while the thread waited its 200 ms */
        ASSERT_TEXT(records_text(j, "k", NULL, 10), "1 ");
        g_assert_cmpuint(done, ==, 0);
        g_assert_cmpint(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), ==, SQLITE_OK);
        sqlite3_close(other);
        run_until(&done, 1); /* by itself, within the second */
        g_assert_cmpuint(told.count, ==, 2);
        g_assert_null(told.text);
        g_source_remove(timer);
        journal_close(j);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        place_test("/journal-rows/order", test_order);
        place_test("/journal-rows/atomic", test_atomic);
        place_test("/journal-rows/since", test_since);
        place_test("/journal-rows/records", test_records);
        place_test("/journal-rows/read-bytes", test_read_bytes);
        place_test("/journal-rows/trim", test_trim);
        place_test("/journal-rows/many", test_many);
        place_test("/journal-rows/stuck", test_stuck);
        return g_test_run();
}
