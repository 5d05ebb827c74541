/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The key file reader: entries with lines, every refusal with its line, the limits, hostile paths. */
#include "base/keyfile.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_entry(Keyfile *k, guint i, guint line, const char *section, const char *key,
                        const char *value)
{
        g_assert_cmpuint(i, <, k->entries->len);
        KeyfileEntry *e = g_ptr_array_index(k->entries, i);
        g_assert_cmpstr(e->file, ==, k->name);
        g_assert_cmpuint(e->line, ==, line);
        g_assert_cmpstr(e->section, ==, section);
        g_assert_cmpstr(e->key, ==, key);
        g_assert_cmpstr(e->value, ==, value);
}

static void test_entries(void)
{
        static const char text[] = "# comment\n"
                                   "; another\n"
                                   "\n"
                                   "[Battery]\r\n"
                                   "Replicants=3\r\n"
                                   "  Description =  a = b  # kept \n"
                                   "Empty=\n"
                                   "[Update]\n"
                                   "org.example.Calc.Get=single\n"
                                   "[Battery]\n"
                                   "Replicants=4"; /* no newline at the end */
        guint line = 99;
        g_autoptr(GError) error = NULL;
        g_autoptr(Keyfile) k = keyfile_parse("f.battery", text, sizeof text - 1, &line, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(line, ==, 0);
        g_assert_cmpuint(k->entries->len, ==, 5);
        check_entry(k, 0, 5, "Battery", "Replicants", "3");
        check_entry(k, 1, 6, "Battery", "Description", "a = b  # kept");
        check_entry(k, 2, 7, "Battery", "Empty", "");
        check_entry(k, 3, 9, "Update", "org.example.Calc.Get", "single");
        check_entry(k, 4, 11, "Battery", "Replicants", "4");
        g_assert_cmpuint(((KeyfileEntry *)g_ptr_array_index(k->entries, 0))->section_line, ==, 4);
        g_assert_cmpuint(((KeyfileEntry *)g_ptr_array_index(k->entries, 4))->section_line, ==, 10);
}

static void test_empty(void)
{
        static const char *const texts[] = {"",       "\n",        "\r\n\r\n",
                                            "# only", "[Battery]", "\xef\xbb\xbf[Battery]\n"};
        for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(Keyfile) k = keyfile_parse("f", texts[i], strlen(texts[i]), NULL, &error);
                g_assert_no_error(error);
                g_assert_cmpuint(k->entries->len, ==, 0);
        }
}

static const struct {
        const char *text;
        guint line;
        const char *expected;
} bad[] = {
        {"[Battery]\nnonsense\n", 2, "expected [Section], Key=Value or a comment"},
        {"[Battery\n", 1, "expected ']'"},
        {"[]\n", 1, "expected a section's name"},
        {"[\n", 1, "expected ']'"},
        {"[a b]\n", 1, "expected a section's name"},
        {"[Battery] # why\n", 1, "expected ']'"},
        {"Key=1\n", 1, "expected a [Section] before"},
        {"[B]\n=1\n", 2, "expected a key"},
        {"[B]\nKey[de]=1\n", 2, "expected a key"},
        {"[B]\na b=1\n", 2, "expected a key"},
        {"[B]\n\nK=a\x01z\n", 3, "control characters"},
        {"[B]\nK=a\rb\n", 2, "control characters"},
        {"[B]\nK=\xff\n", 2, "UTF-8"},
        {"[B]\n\n# \xc3\n", 3, "UTF-8"},
};

static void check_bad(const char *bytes, gsize length, guint line, const char *expected)
{
        guint at = 99;
        g_autoptr(GError) error = NULL;
        Keyfile *k = keyfile_parse("f", bytes, length, &at, &error);
        g_assert_null(k);
        g_assert_nonnull(error);
        g_assert_cmpuint(at, ==, line);
        if (!strstr(error->message, expected))
                g_error("'%s' does not say '%s'", error->message, expected);
}

static void test_bad(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
                check_bad(bad[i].text, strlen(bad[i].text), bad[i].line, bad[i].expected);
        check_bad("[B]\nK=\0z\n", 9, 2, "UTF-8"); /* NUL */
}

static void test_limits(void)
{
        g_autoptr(GString) s = g_string_new("[B]\nK=");
        g_autoptr(GError) error = NULL;
        while (s->len < 4 + KEYFILE_LINE_MAX)
                g_string_append_c(s, 'v');
        g_autoptr(Keyfile) k = keyfile_parse("f", s->str, s->len, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(k->entries->len, ==, 1);
        g_string_append_c(s, 'v');
        check_bad(s->str, s->len, 2, "8192 bytes");

        g_string_assign(s, "");
        for (guint i = 0; i < KEYFILE_LINES_MAX; i++)
                g_string_append_c(s, '\n');
        g_autoptr(Keyfile) lines = keyfile_parse("f", s->str, s->len, NULL, &error);
        g_assert_no_error(error);
        g_assert_nonnull(lines);
        g_string_append_c(s, '\n');
        check_bad(s->str, s->len, KEYFILE_LINES_MAX + 1, "10000 lines");

        g_string_set_size(s, KEYFILE_BYTES_MAX + 1);
        memset(s->str, '\n', s->len);
        check_bad(s->str, s->len, 0, "256 KiB");

        g_autofree char *name = g_strnfill(KEYFILE_NAME_MAX + 1, 'k');
        g_autofree char *text = g_strdup_printf("[B]\n%s=1\n", name);
        check_bad(text, strlen(text), 2, "expected a key");
}

static void check_load_fails(const char *path, GQuark domain, int code)
{
        g_autoptr(GError) error = NULL;
        g_assert_null(keyfile_load(path, NULL, &error));
        g_assert_error(error, domain, code);
}

static void test_load(void)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *dir = g_dir_make_tmp("keyfile-XXXXXX", &error);
        g_autofree char *path = g_build_filename(dir, "f.conf", NULL);
        g_autofree char *fifo = g_build_filename(dir, "fifo", NULL);
        g_autofree char *link = g_build_filename(dir, "link", NULL);
        g_autofree char *big = g_build_filename(dir, "big", NULL);
        g_assert_no_error(error);
        check_load_fails(path, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_assert_true(g_file_set_contents(path, "[B]\nK=v\n", -1, NULL));
        g_assert_cmpint(symlink("f.conf", link), ==, 0);
        g_autoptr(Keyfile) k = keyfile_load(link, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(k->name, ==, link);
        check_entry(k, 0, 2, "B", "K", "v");

        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        check_load_fails(fifo, KEYFILE_ERROR, KEYFILE_ERROR_NOT_REGULAR); /* and does not hang */
        check_load_fails(dir, KEYFILE_ERROR, KEYFILE_ERROR_NOT_REGULAR);
        check_load_fails("/dev/zero", KEYFILE_ERROR, KEYFILE_ERROR_NOT_REGULAR);
        g_assert_true(g_file_set_contents(big, "", 0, NULL));
        g_assert_cmpint(truncate(big, (off_t)1 << 40), ==, 0); /* sparse: must not be read whole */
        check_load_fails(big, KEYFILE_ERROR, KEYFILE_ERROR_LIMIT);

        g_unlink(big);
        g_unlink(fifo);
        g_unlink(link);
        g_unlink(path);
        g_rmdir(dir);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/keyfile/entries", test_entries);
        g_test_add_func("/keyfile/empty", test_empty);
        g_test_add_func("/keyfile/bad", test_bad);
        g_test_add_func("/keyfile/limits", test_limits);
        g_test_add_func("/keyfile/load", test_load);
        return g_test_run();
}
