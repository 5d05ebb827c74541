/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Battery files on disk: precedence over directories and drop-ins, listing, hostile names and files. */
#include "policy/battery-file.h"

#include "tests/unit/problem-check.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE "[Battery]\nProgram=/usr/bin/calcd\n"

typedef struct Tree {
        char *root, *vendor, *config;
} Tree;

static void tree_setup(Tree *t, gconstpointer unused)
{
        t->root = g_dir_make_tmp("battery-file-XXXXXX", NULL);
        g_assert_nonnull(t->root);
        t->vendor = g_build_filename(t->root, "vendor", NULL);
        t->config = g_build_filename(t->root, "config", NULL);
}

static void remove_tree(const char *path)
{
        GStatBuf st;
        g_assert_cmpint(g_lstat(path, &st), ==, 0);
        if (S_ISDIR(st.st_mode)) {
                const char *name;
                g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
                while ((name = g_dir_read_name(dir))) {
                        g_autofree char *child = g_build_filename(path, name, NULL);
                        remove_tree(child);
                }
        }
        g_assert_cmpint(g_remove(path), ==, 0);
}

static void tree_teardown(Tree *t, gconstpointer unused)
{
        remove_tree(t->root);
        g_free(t->root);
        g_free(t->vendor);
        g_free(t->config);
}

/* Returns the path. */
static char *put(const char *dir, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(dir, "batteries", name, NULL);
        g_autofree char *parent = g_path_get_dirname(path);
        g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        return g_steal_pointer(&path);
}

static void put_away(const char *dir, const char *name, const char *text)
{
        g_free(put(dir, name, text));
}

static void check_replicants(const Tree *t, guint expected)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autoptr(BatteryConfig) c = battery_file_load(t->vendor, t->config, "calc", problems);
        g_assert_nonnull(c);
        g_assert_cmpuint(problems->len, ==, 0);
        g_assert_cmpuint(c->replicants, ==, expected);
        g_assert_cmpstr(c->program, ==, "/usr/bin/calcd"); /* of the lowest layer: files add to each other */
}

/* Each next layer beats all before it. */
static void test_precedence(Tree *t, gconstpointer unused)
{
        put_away(t->vendor, "calc.battery", BASE "Replicants=1\n");
        check_replicants(t, 1);
        put_away(t->vendor, "calc.battery.d/50-x.conf", "[Battery]\nReplicants=2\n");
        check_replicants(t, 2);
        put_away(t->vendor, "calc.battery.d/60-x.conf", "[Battery]\nReplicants=3\n");
        check_replicants(t, 3);
        put_away(t->vendor, "calc.battery.d/10-x.conf", "[Battery]\nReplicants=99\n"); /* below 50 and 60 */
        check_replicants(t, 3);
        put_away(t->config, "calc.battery", "[Battery]\nReplicants=4\n");
        check_replicants(t, 4);
        put_away(t->config, "calc.battery.d/10-x.conf", "[Battery]\nReplicants=5\n");
        check_replicants(t, 5);
        put_away(t->config, "calc.battery.d/9-x.conf",
                 "[Battery]\nReplicants=6\n"); /* byte order: after 10 */
        check_replicants(t, 6);
        put_away(t->config, "calc.battery.d/99.conf", "[Battery]\nReplicants=\n");
        check_replicants(t, 1);
        put_away(t->config, "calc.battery.d/.hidden.conf", "[Battery]\nReplicants=7\n");
        put_away(t->config, "calc.battery.d/zz.conf~", "[Battery]\nReplicants=8\n");
        put_away(t->config, "calc.battery.d/zz.conf.bak", "nonsense\n");
        check_replicants(t, 1);
}

static void check_load_fails(const Tree *t, const char *name, const char *file, guint line, const char *said)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_assert_null(battery_file_load(t->vendor, t->config, name, problems));
        check_problem(problems, PROBLEM_ERROR, file, line, said);
}

static void test_load_refusals(Tree *t, gconstpointer unused)
{
        g_autofree char *config = g_build_filename(t->config, "batteries", "calc.battery", NULL);
        g_autofree char *invalid = g_build_filename(t->config, "batteries", "../calc.battery", NULL);
        check_load_fails(t, "calc", config, 0, "expected this file or ");
        check_load_fails(t, "../calc", invalid, 0, "expected a battery's name");
        put_away(t->vendor, "calc.battery", BASE);
        g_autofree char *dropin = put(t->config, "calc.battery.d/a.conf", "[Battery]\n\nReplicants=x\n");
        check_load_fails(t, "calc", dropin, 3, "a whole number");
        g_assert_cmpint(g_remove(dropin), ==, 0);
        g_assert_cmpint(symlink("/nowhere", dropin), ==, 0); /* a dangling link is not the same as no file */
        g_autoptr(GPtrArray) problems = problems_new();
        g_assert_null(battery_file_load(t->vendor, t->config, "calc", problems));
        g_assert_cmpint(g_remove(dropin), ==, 0);
        g_assert_cmpint(mkfifo(dropin, 0600), ==, 0);
        check_load_fails(t, "calc", dropin, 0, "expected a regular file");
        g_assert_cmpint(g_remove(dropin), ==, 0);
        g_assert_cmpint(symlink("/dev/null", config), ==, 0);
        check_load_fails(t, "calc", config, 0, "expected a regular file");
}

static void test_only_dropins(Tree *t, gconstpointer unused)
{
        g_autofree char *config = g_build_filename(t->config, "batteries", "calc.battery", NULL);
        put_away(t->config, "calc.battery.d/a.conf", BASE);
        check_load_fails(t, "calc", config, 0, "expected this file or ");
}

static void test_dropin_limit(Tree *t, gconstpointer unused)
{
        g_autofree char *dir = g_build_filename(t->config, "batteries", "calc.battery.d", NULL);
        put_away(t->config, "calc.battery", BASE);
        for (guint i = 0; i < BATTERY_DROPINS_MAX; i++) {
                g_autofree char *name = g_strdup_printf("calc.battery.d/%02u.conf", i);
                put_away(t->config, name, "[Battery]\nReplicants=2\n");
        }
        check_replicants(t, 2);
        put_away(t->config, "calc.battery.d/more.conf", "");
        check_load_fails(t, "calc", dir, 0, "expected at most 64 drop-ins");
}

static void test_list(Tree *t, gconstpointer unused)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_auto(GStrv) none = battery_files_list(t->vendor, t->config, problems);
        g_assert_cmpuint(g_strv_length(none), ==, 0);
        put_away(t->vendor, "calc.battery", "");
        put_away(t->vendor, "storage.battery", "");
        put_away(t->config, "calc.battery", "");
        put_away(t->config, "alpha.battery", "");
        put_away(t->config, "only.battery.d/x.conf", "");
        put_away(t->config, "README", "");
        g_auto(GStrv) some = battery_files_list(t->vendor, t->config, problems);
        g_autofree char *joined = g_strjoinv(" ", some);
        g_assert_cmpstr(joined, ==, "alpha calc storage");
        g_assert_cmpuint(problems->len, ==, 0);
        g_autofree char *invalid = put(t->config, "My-Calc.battery", "");
        g_auto(GStrv) again = battery_files_list(t->vendor, t->config, problems);
        g_assert_cmpuint(g_strv_length(again), ==, 3);
        check_problem(problems, PROBLEM_WARNING, invalid, 0, "expected a battery's name");
}

static void test_list_limit_of_batteries(Tree *t, gconstpointer unused)
{
        g_autoptr(GPtrArray) problems = problems_new();
        for (guint i = 0; i <= BATTERY_FILES_MAX; i++) {
                g_autofree char *name = g_strdup_printf("b%04u.battery", i);
                put_away(t->vendor, name, "");
        }
        g_auto(GStrv) names = battery_files_list(t->vendor, t->config, problems);
        g_assert_cmpuint(g_strv_length(names), ==, BATTERY_FILES_MAX);
        g_autofree char *last = g_build_filename(t->vendor, "batteries", "b1024.battery", NULL);
        check_problem(problems, PROBLEM_ERROR, last, 0, "expected at most 1024 batteries");
}

static void add_tree(const char *path, void (*func)(Tree *, gconstpointer))
{
        g_test_add(path, Tree, NULL, tree_setup, func, tree_teardown);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add_tree("/battery-file/precedence", test_precedence);
        add_tree("/battery-file/load-refusals", test_load_refusals);
        add_tree("/battery-file/only-dropins", test_only_dropins);
        add_tree("/battery-file/dropin-limit", test_dropin_limit);
        add_tree("/battery-file/list", test_list);
        add_tree("/battery-file/list-limit-of-batteries", test_list_limit_of_batteries);
        return g_test_run();
}
