/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own file: every key good and bad, defaults, never partial. */
#include "policy/daemon-file.h"

#include "tests/unit/problem-check.h"

#include <glib/gstdio.h>

static gboolean daemon_parse(const char *text, DaemonConfig *ret, GPtrArray *problems)
{
        return daemon_file_parse("o.conf", text, strlen(text), ret, problems);
}

static void test_daemon_good(void)
{
        g_autoptr(GPtrArray) problems = problems_new();
        DaemonConfig c;
        g_assert_true(
                daemon_parse("[Hooks]\nWhenUnreachable=open\nHookTimeoutSec=5min\n[Store]\nKeepVersions=3\n"
                             "[Register]\nEngine=local\n[Limits]\nTransactions=5\nInhibitors=6\n"
                             "CallsPerSender=7\nCalls=8\n",
                             &c, problems));
        g_assert_cmpuint(problems->len, ==, 0);
        g_assert_cmpint(c.when_unreachable, ==, UNREACHABLE_OPEN);
        g_assert_cmpint(c.hook_timeout_us, ==, 300 * G_USEC_PER_SEC);
        g_assert_cmpuint(c.keep_versions, ==, 3);
        g_assert_cmpuint(c.transactions, ==, 5);
        g_assert_cmpuint(c.inhibitors, ==, 6);
        g_assert_cmpuint(c.calls_per_sender, ==, 7);
        g_assert_cmpuint(c.calls, ==, 8);
        g_assert_true(daemon_parse("[Hooks]\nWhenUnreachable=\n[Store]\nKeepVersions=\n", &c, problems));
        g_assert_cmpint(c.when_unreachable, ==, UNREACHABLE_CLOSED);
        g_assert_cmpint(c.hook_timeout_us, ==, 900 * G_USEC_PER_SEC);
        g_assert_cmpuint(c.keep_versions, ==, 2);
        g_assert_true(daemon_parse("[Hooks]\nWhenUnreachables=open\n", &c, problems));
        check_problem(problems, PROBLEM_WARNING, "o.conf", 2, "unknown key 'WhenUnreachables'");
}

static void test_daemon_bad(void)
{
        static const struct {
                const char *section, *line, *said;
        } cases[] = {
                {"Hooks", "WhenUnreachable=maybe", "closed or open"},
                {"Hooks", "HookTimeoutSec=0", "from 1s to 1d"},
                {"Hooks", "HookTimeoutSec=infinity", "a time such as"},
                {"Store", "KeepVersions=0", "from 1 to 1000"},
                {"Store", "RescueMaxBytes=1", "not available yet in this version"},
                {"Policy", "Source=https://example.org", "not available yet in this version"},
                {"Policy", "RequireSigned=yes", "not available yet in this version"},
                {"Policy", "AllowOverride=no", "not available yet in this version"},
                {"Register", "Engine=etcd:http://a;http://b", "etcd: is not available yet in this version"},
                {"Register", "Engine=x", "expected local"},
                {"Limits", "Transactions=0", "from 1 to 10000"},
                {"Limits", "Inhibitors=x", "from 1 to 10000"},
                {"Limits", "CallsPerSender=-1", "from 1 to 10000"},
                {"Limits", "Calls=100001", "from 1 to 100000"},
                {"Limits", "Calls=63", "at least CallsPerSender=64"},
                {"Limits", "nonsense", "Key=Value"},
        };
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                g_autofree char *text = g_strdup_printf("[%s]\n%s\n[Store]\nKeepVersions=5\n",
                                                        cases[i].section, cases[i].line);
                DaemonConfig c, defaults = daemon_config_default();
                g_assert_false(daemon_parse(text, &c, problems));
                check_problem(problems, PROBLEM_ERROR, "o.conf", 2, cases[i].said);
                g_assert_cmpuint(c.keep_versions, ==, defaults.keep_versions); /* never partial */
        }
}

static void test_daemon_load(void)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autofree char *dir = g_dir_make_tmp("daemon-file-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(dir, "orchestrator.conf", NULL);
        DaemonConfig c;
        g_assert_true(daemon_file_load(dir, &c, problems));
        g_assert_cmpuint(c.calls, ==, daemon_config_default().calls);
        g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
        g_assert_false(daemon_file_load(dir, &c, problems));
        check_problem(problems, PROBLEM_ERROR, path, 0, "expected a regular file");
        g_assert_cmpint(g_rmdir(path), ==, 0);
        g_assert_true(g_file_set_contents(path, "[Limits]\nCalls=100\n", -1, NULL));
        g_assert_true(daemon_file_load(dir, &c, problems));
        g_assert_cmpuint(c.calls, ==, 100);
        g_assert_cmpint(g_remove(path), ==, 0);
        g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/daemon-file/good", test_daemon_good);
        g_test_add_func("/daemon-file/bad", test_daemon_bad);
        g_test_add_func("/daemon-file/load", test_daemon_load);
        return g_test_run();
}
