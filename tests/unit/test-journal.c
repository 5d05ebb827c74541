/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal's file: what is there after it was closed, who may open it, what it says of a damaged or
 * foreign one. Rows are test-journal-rows.c, full disks and killed processes test-journal-crash.c. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/journal-help.h"

static void test_reload(Place *p, gconstpointer unused)
{
        Journal *j = place_open(p);
        JournalBatch *b = journal_batch_new();
        struct stat st;

        g_assert_true(journal_batch_is_empty(b));
        journal_batch_put(b, "update", "10", "calc", g_variant_new_parsed("{'t': <uint64 5>, 's': <'ä\"'>}"));
        journal_batch_put(b, "update", "9", "calc", body(9));
        journal_batch_put(b, "update", "11", "", g_variant_new_parsed("@a{sv} {}"));
        journal_batch_put(b, "battery", "b", "b", body(1));
        journal_batch_put(b, "battery", "a", "a", body(2));
        journal_batch_event(b, 42, "x", -1, "calc", body(3));
        g_assert_false(journal_batch_is_empty(b));
        journal_write(j, b, NULL, NULL);
        b = journal_batch_new();
        journal_batch_delete(b, "update", "9");
        journal_batch_delete(b, "update", "no such thing");
        journal_write(j, b, NULL, NULL);
        g_assert_cmpuint(journal_last_sequence(j), ==, 42);
        journal_close(j); /* writes what is queued */

        g_assert_cmpint(stat(p->db, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
        j = place_open(p);
        ASSERT_TEXT(load_text(j, "update"), "10/calc/{'t': <uint64 5>, 's': <'ä\"'>} 11//@a{sv} {} ");
        ASSERT_TEXT(load_text(j, "battery"), "a/a/{'n': <2>} b/b/{'n': <1>} ");
        ASSERT_TEXT(load_text(j, "nothing"), "");
        g_assert_cmpuint(journal_last_sequence(j), ==, 42);
        journal_close(j);
}

/* ---- refusals ---- */

static char *open_error(Place *p, GIOErrorEnum code)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(journal_open(p->db, &error));
        g_assert_error(error, G_IO_ERROR, (int)code);
        return g_strdup(error->message);
}

static void test_second(Place *p, gconstpointer unused)
{
        Journal *j = place_open(p);
        g_autofree char *expected =
                g_strdup_printf("another kantan-orchestratord (pid %d) uses %s", (int)getpid(), p->dir);

        ASSERT_TEXT(open_error(p, G_IO_ERROR_BUSY), expected);
        journal_close(j);
        journal_close(place_open(p));
}

static void test_schema(Place *p, gconstpointer unused)
{
        g_autofree char *newer = NULL, *older = NULL, *other = NULL;

        journal_close(place_open(p));
        sql_run(p, "UPDATE meta SET schema=99");
        newer = open_error(p, G_IO_ERROR_NOT_SUPPORTED);
        g_assert_nonnull(strstr(newer, "has schema 99"));
        g_assert_nonnull(strstr(newer, "install a newer one"));
        sql_run(p, "UPDATE meta SET schema=-5");
        older = open_error(p, G_IO_ERROR_NOT_SUPPORTED);
        g_assert_nonnull(strstr(older, "has schema -5"));
        sql_run(p, "DROP TABLE meta");
        other = open_error(p, G_IO_ERROR_INVALID_DATA);
        g_assert_nonnull(strstr(other, "some other database"));
}

static void test_migration(Place *p, gconstpointer unused)
{
        Journal *j;

        sql_run(p, "CREATE TABLE record(kind TEXT NOT NULL, id TEXT NOT NULL, battery TEXT NOT NULL,"
                   " body TEXT NOT NULL, PRIMARY KEY(kind, id)) WITHOUT ROWID;"
                   "CREATE TABLE event(sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
                   " time_us INTEGER NOT NULL, battery TEXT NOT NULL, detail TEXT NOT NULL);"
                   "CREATE TABLE meta(schema INTEGER NOT NULL);"
                   "INSERT INTO meta VALUES(0);"
                   "INSERT INTO record VALUES('k', '1', 'b', '{\"n\": <7>}');"
                   "INSERT INTO event VALUES(5, 'k', 1, 'b', '{\"n\": <7>}');");
        for (guint i = 0; i < 2; i++) { /* the second time there is nothing to migrate */
                j = place_open(p);
                ASSERT_TEXT(load_text(j, "k"), "1/b/{'n': <7>} ");
                ASSERT_TEXT(since_text(j, 0, "b", 10), "5 ");
                g_assert_cmpuint(journal_last_sequence(j), ==, 5);
                journal_close(j);
        }
}

static void test_damaged(Place *p, gconstpointer unused)
{
        g_autofree char *garbage = NULL, *page = NULL;
        char zeros[512] = {0};
        int fd;

        journal_close(place_open(p));
        fd = open(p->db, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(pwrite(fd, zeros, sizeof zeros, 4096), ==, sizeof zeros); /* the root of a table */
        close(fd);
        page = open_error(p, G_IO_ERROR_INVALID_DATA);
        g_assert_nonnull(strstr(page, "is damaged"));
        g_assert_nonnull(strstr(page, "move it"));
        g_assert_nonnull(strstr(page, "docs/worst-day"));
        g_assert_true(g_file_set_contents(p->db, "this is not a database, only some text", -1, NULL));
        garbage = open_error(p, G_IO_ERROR_INVALID_DATA);
        g_assert_nonnull(strstr(garbage, "is damaged"));
}

static void test_bad_body(Place *p, gconstpointer unused)
{
        static const char *const bad[] = {"'{\"n\": <7>'", "'7'", "x'7bff7d'", "''"};
        Answer a = {0};
        Journal *j;

        for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autofree char *sql = g_strdup_printf(
                        "INSERT OR REPLACE INTO record VALUES('update', '17', 'b', %s)", bad[i]);
                g_autoptr(GString) text = g_string_new(NULL);
                g_autoptr(GError) error = NULL;

                journal_close(place_open(p));
                sql_run(p, sql);
                j = place_open(p);
                g_assert_false(journal_load(j, "update", load_append, text, &error));
                g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
                g_assert_nonnull(strstr(error->message, "update 17 "));
                journal_records(j, "update", NULL, 1, answer_take, &a);
                run_until(&a.count, i + 1);
                g_assert_nonnull(strstr(a.error, "update 17 "));
                answer_clear(&a);
                journal_close(j);
        }
}

static void test_body_limit(void)
{
        if (g_test_subprocess()) {
                g_autofree char *text = g_strnfill(JOURNAL_BODY_MAX, 'x');
                g_autoptr(JournalBatch) b = journal_batch_new();
                journal_batch_put(b, "k", "1", "b", g_variant_new_parsed("{'t': <%s>}", text));
                return;
        }
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*JOURNAL_BODY_MAX*");
}

static void test_batch_limit(void)
{
        if (g_test_subprocess()) {
                g_autoptr(JournalBatch) b = journal_batch_new();
                for (guint i = 0; i < JOURNAL_BATCH_MAX; i++)
                        journal_batch_delete(b, "k", "1");
                g_printerr("full\n");
                journal_batch_delete(b, "k", "1");
                return;
        }
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("full*JOURNAL_BATCH_MAX*");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        place_test("/journal/reload", test_reload);
        place_test("/journal/second", test_second);
        place_test("/journal/schema", test_schema);
        place_test("/journal/migration", test_migration);
        place_test("/journal/damaged", test_damaged);
        place_test("/journal/bad-body", test_bad_body);
        g_test_add_func("/journal/body-limit", test_body_limit);
        g_test_add_func("/journal/batch-limit", test_batch_limit);
        return g_test_run();
}
