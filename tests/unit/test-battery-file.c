/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Battery files: every key with good, bad and empty values; what holds between keys; precedence over
 * directories and drop-ins; hostile names and files. And the daemon's own file. */
#include "policy/battery-file.h"

#include "policy/daemon-file.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "/etc/kantan/batteries/calc.battery"

/* ---- a configuration as text, so that a case says which line changes and that no other does ---- */

static void dump_list(GString *s, const char *key, char *const *list)
{
        g_autofree char *joined = list ? g_strjoinv("|", (char **)list) : g_strdup("none");
        g_string_append_printf(s, "%s=%s\n", key, joined);
}

static void dump_text(GString *s, const char *key, const char *text)
{
        g_string_append_printf(s, "%s=%s\n", key, text ? text : "none");
}

static void dump_number(GString *s, const char *key, gint64 n)
{
        g_string_append_printf(s, "%s=%" G_GINT64_FORMAT "\n", key, n);
}

static void dump_amount(GString *s, const char *key, Amount a)
{
        g_string_append_printf(s, "%s=%u%s\n", key, a.value, a.percent ? "%" : "");
}

static char *dump(const BatteryConfig *c)
{
        GString *s = g_string_new(NULL);
        dump_text(s, "Description", c->description);
        dump_list(s, "Packages", c->packages);
        dump_text(s, "Program", c->program);
        dump_list(s, "Arguments", c->arguments);
        dump_text(s, "BusName", c->bus_name);
        dump_number(s, "Replicants", c->replicants);
        dump_number(s, "Passive", c->passive);
        dump_text(s, "Runner", runner_kind_to_string(c->runner));
        dump_text(s, "User", c->user);
        dump_number(s, "Stateless", c->stateless);
        dump_list(s, "After", c->after);
        dump_list(s, "Requires", c->requires);
        dump_text(s, "Strategy", strategy_to_string(c->strategy));
        dump_number(s, "WarnSec", c->warn_us);
        dump_number(s, "InhibitDelayMaxSec", c->inhibit_delay_max_us);
        dump_amount(s, "MaxUnavailable", c->max_unavailable);
        dump_amount(s, "RollbackMaxUnavailable", c->rollback_max_unavailable);
        dump_amount(s, "Canary", c->canary);
        dump_amount(s, "MaxFailures", c->max_failures);
        if (c->min_active_set)
                dump_amount(s, "MinActive", c->min_active);
        else
                dump_text(s, "MinActive", NULL);
        dump_number(s, "CanarySoakSec", c->canary_soak_us);
        dump_number(s, "SoakSec", c->soak_us);
        dump_number(s, "DrainTimeoutSec", c->drain_timeout_us);
        dump_number(s, "StopTimeoutSec", c->stop_timeout_us);
        dump_number(s, "ReadyTimeoutSec", c->ready_timeout_us);
        dump_number(s, "ProgressDeadlineSec", c->progress_deadline_us);
        dump_number(s, "CoalesceSec", c->coalesce_us);
        dump_text(s, "OnFailure", on_failure_to_string(c->on_failure));
        dump_list(s, "Drain", c->drain);
        dump_list(s, "Admit", c->admit);
        dump_list(s, "Check", c->check);
        dump_number(s, "WatchdogSec", c->watchdog_us);
        dump_number(s, "HeartbeatSec", c->heartbeat_us);
        dump_number(s, "HeartbeatMisses", c->heartbeat_misses);
        return g_string_free(s, FALSE);
}

/* TEXT with the line "KEY=…" replaced by "KEY=VALUE". */
static char *with_line(const char *text, const char *key, const char *value)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        g_autofree char *prefix = g_strdup_printf("%s=", key);
        gboolean found = FALSE;
        for (char **line = lines; *line; line++)
                if (g_str_has_prefix(*line, prefix)) {
                        found = TRUE;
                        g_free(*line);
                        *line = g_strconcat(prefix, value, NULL);
                }
        g_assert_true(found);
        return g_strjoinv("\n", lines);
}

/* ---- helpers ---- */

static GPtrArray *problems_new(void)
{
        return g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
}

static BatteryConfig *parse(GPtrArray *problems, const char *lower, const char *upper)
{
        BatteryLayer layers[] = {{FILE_NAME, lower, strlen(lower)}, {"upper.conf", upper, strlen(upper)}};
        return battery_file_parse("calc", layers, G_N_ELEMENTS(layers), problems);
}

/* Exactly one problem, this one. */
static void check_problem(GPtrArray *problems, ProblemLevel level, const char *file, guint line,
                          const char *said)
{
        for (gsize i = 0; i < problems->len && problems->len != 1; i++) {
                g_autofree char *text = problem_to_string(g_ptr_array_index(problems, i));
                g_test_message("%s", text);
        }
        g_assert_cmpuint(problems->len, ==, 1);
        Problem *p = g_ptr_array_index(problems, 0);
        g_autofree char *text = problem_to_string(p);
        g_autofree char *begin =
                line ? g_strdup_printf("%s:%u: %s: ", file, line,
                                       level == PROBLEM_ERROR ? "error" : "warning")
                     : g_strdup_printf("%s: %s: ", file, level == PROBLEM_ERROR ? "error" : "warning");
        if (!g_str_has_prefix(text, begin) || !strstr(text, said))
                g_error("'%s' is not '%s…%s…'", text, begin, said);
        if (level == PROBLEM_ERROR && !strstr(p->text, "expected"))
                g_error("'%s' does not say what was expected", text);
}

static void check_config(const BatteryConfig *c, GPtrArray *problems, const char *key, const char *value)
{
        g_autoptr(BatteryConfig) fresh = battery_config_new("calc");
        fresh->program = g_strdup("/usr/bin/calcd");
        g_autofree char *defaults = dump(fresh);
        g_autofree char *expected = key ? with_line(defaults, key, value) : g_strdup(defaults);
        if (!c)
                g_error("%s: refused: %s", key, ((Problem *)g_ptr_array_index(problems, 0))->text);
        g_autofree char *text = dump(c);
        g_assert_cmpstr(text, ==, expected);
}

#define BASE "[Battery]\nProgram=/usr/bin/calcd\n" /* the case's section is line 3, its key line 4 */

/* ---- good values ---- */

static const struct {
        const char *section, *key, *value, *expected; /* EXPECTED NULL: accepted, kept nowhere */
} good[] = {
        {"Battery", "Description", "A calculator; = # kept", "A calculator; = # kept"},
        {"Battery", "Packages", "calc", "calc"},
        {"Battery", "Packages", " calc ; dpkg:calc-data;rpm:Calc_X; ", "calc|dpkg:calc-data|rpm:Calc_X"},
        {"Battery", "Packages", "pacman:calc;0ad;g++", "pacman:calc|0ad|g++"},
        {"Battery", "Program", "/opt/calc/bin/calcd", "/opt/calc/bin/calcd"},
        {"Battery", "Arguments", "--id=%i;--name; %b ;100%%", "--id=%i|--name|%b|100%%"},
        {"Battery", "BusName", "org.example.Calc", "org.example.Calc"},
        {"Battery", "Replicants", "3", "3"},
        {"Battery", "Replicants", "0", "0"},
        {"Battery", "Replicants", "1000", "1000"},
        {"Battery", "Passive", "1", "1"},
        {"Battery", "Runner", "direct", "direct"},
        {"Battery", "User", "calc", "calc"},
        {"Battery", "User", "_calc-1", "_calc-1"},
        {"Battery", "Stateless", "yes", "1"},
        {"Battery", "Stateless", "True", "1"},
        {"Battery", "Stateless", "off", "0"},
        {"Battery", "Stateless", "1", "1"},
        {"Battery", "After", "storage;database", "storage|database"},
        {"Battery", "Requires", "storage", "storage"},
        {"Update", "Strategy", "auto", "auto"},
        {"Update", "Strategy", "rolling", "rolling"},
        {"Update", "Strategy", "full-stop", "full-stop"},
        {"Update", "WarnSec", "0", "0"},
        {"Update", "WarnSec", "7", "7000000"},
        {"Update", "WarnSec", "20s", "20000000"},
        {"Update", "WarnSec", "5min", "300000000"},
        {"Update", "WarnSec", "1h 30min", "5400000000"},
        {"Update", "WarnSec", "1h30min", "5400000000"},
        {"Update", "WarnSec", "250ms", "250000"},
        {"Update", "WarnSec", "15us", "15"},
        {"Update", "WarnSec", "1d", "86400000000"},
        {"Update", "WarnSec", "30d", "2592000000000"},
        {"Update", "InhibitDelayMaxSec", "2min", "120000000"},
        {"Update", "MaxUnavailable", "2", "2"},
        {"Update", "MaxUnavailable", "25%", "25%"},
        {"Update", "MinActive", "1", "1"},
        {"Update", "MinActive", "0", "0"},
        {"Update", "MinActive", "100%", "100%"},
        {"Update", "MaxSurge", "0", NULL},
        {"Update", "MaxSurge", "0%", NULL},
        {"Update", "Canary", "1", "1"},
        {"Update", "Canary", "10%", "10%"},
        {"Update", "CanarySoakSec", "1min", "60000000"},
        {"Update", "SoakSec", "1s", "1000000"},
        {"Update", "DrainTimeoutSec", "1s", "1000000"},
        {"Update", "StopTimeoutSec", "0", "0"},
        {"Update", "StopTimeoutSec", "90", "90000000"},
        {"Update", "ReadyTimeoutSec", "90", "90000000"},
        {"Update", "ProgressDeadlineSec", "1h", "3600000000"},
        {"Update", "OnFailure", "rollback", "rollback"},
        {"Update", "OnFailure", "pause", "pause"},
        {"Update", "OnFailure", "continue", "continue"},
        {"Update", "MaxFailures", "2", "2"},
        {"Update", "RollbackMaxUnavailable", "50%", "50%"},
        {"Update", "CoalesceSec", "0", "0"},
        {"Update", "WhenHeld", "refuse", NULL},
        {"Update", "Approval", "no", NULL},
        {"Update", "Drain", "exec:/usr/lib/calc/drain %i", "/usr/lib/calc/drain|%i"},
        {"Update", "Admit", "exec:/bin/sh -c 'a \"b\" #c' \"d e\" f\\ g %b %%",
         "/bin/sh|-c|a \"b\" #c|d e|f g|%b|%%"},
        {"Health", "Check", "exec:/usr/lib/calc/check", "/usr/lib/calc/check"},
        {"Health", "WatchdogSec", "30s", "30000000"},
        {"Health", "WatchdogSec", "0", "0"},
        {"Health", "HeartbeatSec", "500ms", "500000"},
        {"Health", "HeartbeatMisses", "5", "5"},
};

static void test_good(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                g_autofree char *text =
                        g_strdup_printf(BASE "[%s]\n%s=%s\n%s", good[i].section, good[i].key, good[i].value,
                                        g_str_equal(good[i].key, "Passive") ? "Replicants=1\n" : "");
                g_autoptr(BatteryConfig) c = parse(problems, text, "");
                check_config(c, problems, good[i].expected ? good[i].key : NULL, good[i].expected);
                g_assert_cmpuint(problems->len, ==, 0);
        }
}

/* An empty value in a later file gives every key its default back; in the same file, too. */
static void test_empty(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                gboolean program = g_str_equal(good[i].key, "Program"); /* the one that has no default */
                g_autofree char *lower = g_strdup_printf("%s[%s]\n%s=%s\n", program ? "" : BASE,
                                                         good[i].section, good[i].key, good[i].value);
                g_autofree char *upper = g_strdup_printf("[%s]\n%s=\n", good[i].section, good[i].key);
                g_autofree char *both = g_strconcat(lower, upper, NULL);
                g_autoptr(BatteryConfig) c = parse(problems, lower, upper);
                g_autoptr(BatteryConfig) same = parse(problems, both, "");
                if (program) {
                        g_assert_null(c);
                        g_assert_null(same);
                        continue;
                }
                check_config(c, problems, NULL, NULL);
                check_config(same, problems, NULL, NULL);
                g_assert_cmpuint(problems->len, ==, 0);
        }
}

/* ---- bad values ---- */

static const struct {
        const char *section, *key, *value, *said;
} bad[] = {
        {"Battery", "Packages", "Calc", "names of Kantan packages"},
        {"Battery", "Packages", "calc;;x", "without empty items"},
        {"Battery", "Packages", "calc,x", "names of Kantan packages"},
        {"Battery", "Packages", "apt:calc", "dpkg:, pacman: or rpm:"},
        {"Battery", "Packages", "dpkg:", "dpkg:, pacman: or rpm:"},
        {"Battery", "Packages", "../calc", "names of Kantan packages"},
        {"Battery", "Program", "../calcd", "without '.', '..'"},
        {"Battery", "Program", "bin/../../calcd", "without '.', '..'"},
        {"Battery", "Program", "/usr/../calcd", "without '.', '..'"},
        {"Battery", "Program", "bin//calcd", "empty parts"},
        {"Battery", "Program", "./calcd", "without '.', '..'"},
        {"Battery", "Program", "/", "a path"},
        {"Battery", "Arguments", "--id=%n", "no other placeholders than %i"},
        {"Battery", "Arguments", "100%", "no other placeholders"},
        {"Battery", "Arguments", "a;;b", "without empty items"},
        {"Battery", "BusName", "calc", "a D-Bus name"},
        {"Battery", "BusName", ":1.2", "a D-Bus name"},
        {"Battery", "BusName", "org..Calc", "a D-Bus name"},
        {"Battery", "Replicants", "many", "a whole number from 0 to 1000, not 'many'"},
        {"Battery", "Replicants", "1001", "from 0 to 1000"},
        {"Battery", "Replicants", "-1", "from 0 to 1000"},
        {"Battery", "Replicants", "+1", "from 0 to 1000"},
        {"Battery", "Replicants", "0x3", "from 0 to 1000"},
        {"Battery", "Replicants", "3.0", "from 0 to 1000"},
        {"Battery", "Replicants", "18446744073709551617", "from 0 to 1000"},
        {"Battery", "Replicants", "3 # three", "(a comment needs a line of its own)"},
        {"Battery", "Passive", "x", "a whole number"},
        {"Battery", "Runner", "systemd",
         "direct; systemd is not available yet in this version, use Runner=direct"},
        {"Battery", "Runner", "docker", "expected direct, not 'docker'"},
        {"Battery", "Unit", "calcd@%i.service", "not available yet in this version, use Runner=direct"},
        {"Battery", "User", "1000", "a user's name"},
        {"Battery", "User", "a b", "a user's name"},
        {"Battery", "User", "root:root", "a user's name"},
        {"Battery", "User", "-calc", "a user's name"},
        {"Battery", "Stateless", "maybe", "yes or no"},
        {"Battery", "After", "Storage", "names of batteries"},
        {"Battery", "After", "calc", "other batteries, not this one"},
        {"Battery", "After", "a;b;a", "each name once"},
        {"Battery", "Requires", "storage, database", "names of batteries"},
        {"Battery", "Requires", "x;calc", "other batteries, not this one"},
        {"Update", "Strategy", "Rolling", "auto, rolling or full-stop"},
        {"Update", "Strategy", "surge", "auto, rolling or full-stop"},
        {"Update", "WarnSec", "infinity", "never infinite, not 'infinity'"},
        {"Update", "WarnSec", "10 s", "a time such as"},
        {"Update", "WarnSec", "1h 30", "a time such as"},
        {"Update", "WarnSec", "0s5", "a time such as"},
        {"Update", "WarnSec", "5m", "a time such as"},
        {"Update", "WarnSec", "1.5s", "a time such as"},
        {"Update", "WarnSec", "-5s", "a time such as"},
        {"Update", "WarnSec", "s", "a time such as"},
        {"Update", "WarnSec", "5s;", "a time such as"},
        {"Update", "WarnSec", "31d", "to 30d"},
        {"Update", "WarnSec", "9223372036854775807s", "a time such as"},
        {"Update", "WarnSec", "30d 30d", "a time such as"},
        {"Update", "InhibitDelayMaxSec", "soon", "a time such as"},
        {"Update", "MaxUnavailable", "0", "a number from 1 to 1000, or a percentage"},
        {"Update", "MaxUnavailable", "0%", "a number from 1"},
        {"Update", "MaxUnavailable", "101%", "a percentage"},
        {"Update", "MaxUnavailable", "25 %", "a percentage"},
        {"Update", "MaxUnavailable", "%", "a percentage"},
        {"Update", "MaxUnavailable", "1001", "to 1000"},
        {"Update", "MinActive", "all", "a number from 0"},
        {"Update", "MinActive", "2", "at most 1 (Replicants - Passive)"},
        {"Update", "MaxSurge", "1", "surge is not available yet in this version, use MaxUnavailable="},
        {"Update", "MaxSurge", "10%", "surge is not available yet"},
        {"Update", "MaxSurge", "x", "a number from 0"},
        {"Update", "Canary", "one", "a number from 0"},
        {"Update", "CanarySoakSec", "x", "a time such as"},
        {"Update", "SoakSec", "5 s", "a time such as"},
        {"Update", "DrainTimeoutSec", "0", "from 1ms"},
        {"Update", "StopTimeoutSec", "never", "a time such as"},
        {"Update", "ReadyTimeoutSec", "0", "from 1ms"},
        {"Update", "ProgressDeadlineSec", "0s", "from 1ms"},
        {"Update", "OnFailure", "ignore", "rollback, pause or continue"},
        {"Update", "MaxFailures", "-1", "a number from 0"},
        {"Update", "RollbackMaxUnavailable", "0", "a number from 1"},
        {"Update", "CoalesceSec", "x", "a time such as"},
        {"Update", "Window", "Sat,Sun 02:00-05:00 Europe/Berlin",
         "Window= is not available yet in this version, use"},
        {"Update", "WhenHeld", "defer", "defer is not available yet in this version, use WhenHeld=refuse"},
        {"Update", "WhenHeld", "wait", "expected refuse"},
        {"Update", "Approval", "yes", "approval is not available yet in this version, use a block inhibitor"},
        {"Update", "Approval", "perhaps", "yes or no"},
        {"Update", "Drain", "/usr/lib/calc/drain", "exec: and an absolute path"},
        {"Update", "Drain", "exec:", "after exec:"},
        {"Update", "Drain", "exec:drain %i", "an absolute path after exec:"},
        {"Update", "Drain", "exec:/bin/drain 'x", "closed quotes"},
        {"Update", "Drain", "exec:/bin/drain %n", "no other placeholders"},
        {"Update", "Drain", "exec:/bin/drain # now", "'#' in quotes"},
        {"Update", "Admit", "exec:%i", "an absolute path after exec:"},
        {"Health", "Check", "http://localhost:8080/health",
         "http: is not available yet in this version, use exec:"},
        {"Health", "Check", "tcp:8080", "exec: and an absolute path"},
        {"Health", "WatchdogSec", "infinity", "a time such as"},
        {"Health", "HeartbeatSec", "0", "from 1ms"},
        {"Health", "HeartbeatMisses", "0", "a whole number from 1 to 1000"},
};

static void test_bad(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                g_autofree char *text =
                        g_strdup_printf(BASE "[%s]\n%s=%s\n", bad[i].section, bad[i].key, bad[i].value);
                g_autofree char *begin = g_strdup_printf("error: %s=: expected ", bad[i].key);
                g_assert_null(parse(problems, text, ""));
                check_problem(problems, PROBLEM_ERROR, FILE_NAME, 4, bad[i].said);
                check_problem(problems, PROBLEM_ERROR, FILE_NAME, 4, begin);
        }
}

/* A wrong value stays wrong under a later right one of the same file, but another file may mend it. */
static void test_bad_overridden(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GPtrArray) same = problems_new(), mended = problems_new();
                g_autofree char *text =
                        g_strdup_printf(BASE "[%s]\n%s=%s\n", bad[i].section, bad[i].key, bad[i].value);
                g_autofree char *mend =
                        g_strdup_printf("[%s]\n%s=%s\n", bad[i].section, bad[i].key,
                                        g_str_equal(bad[i].key, "Program") ? "/usr/bin/calcd" : "");
                g_autofree char *both = g_strconcat(text, mend, NULL);
                g_autoptr(BatteryConfig) c = parse(mended, text, mend);
                check_config(c, mended, NULL, NULL);
                if (strstr(bad[i].said, "this one") || strstr(bad[i].said, "once") ||
                    strstr(bad[i].said, "at most 1 "))
                        continue; /* good in form: only what counts is compared with the rest */
                check_problem(mended, PROBLEM_WARNING, FILE_NAME, 4, bad[i].said);
                check_problem(mended, PROBLEM_WARNING, FILE_NAME, 4, "overridden by upper.conf:2");
                g_assert_null(parse(same, both, ""));
                check_problem(same, PROBLEM_ERROR, FILE_NAME, 4, bad[i].said);
        }
}

/* ---- the whole file ---- */

static const struct {
        const char *text;
        guint line;
        const char *said;
} wrong_files[] = {
        {"", 0, "Program=: expected a path"},
        {"[Battery]\nReplicants=2\n", 0, "Program=: expected a path"},
        {"[Battery]\nProgram=bin/calcd\n", 2, "names no package"},
        {"[Battery]\nPackages=dpkg:calc;calc\nProgram=bin/calcd\n", 3, "another manager's"},
        {"[Battery]\nProgram=/x\nReplicants=2\nPassive=3\n", 4, "at most Replicants=2"},
        {"[Battery]\nProgram=/x\nReplicants=0\n[Update]\nMinActive=50%\n", 5, "at most 0"},
        {"[Battery]\nProgram=/x\nReplicants=3\nPassive=1\n[Update]\nMinActive=3\n", 6, "at most 2"},
        {"[Battery]\nProgram\n", 2, "expected [Section], Key=Value"},
        {"[Battery]\nProgram=/x\xff\n", 2, "UTF-8"},
        {"[Battery]\nProgram=/x\n[Routing]\norg..Get=single\n", 4, "a method's full name"},
};

static void test_wrong_files(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(wrong_files); i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                g_assert_null(parse(problems, wrong_files[i].text, ""));
                if (strstr(wrong_files[i].text, "[Routing]")) /* its warning comes first */
                        g_ptr_array_remove_index(problems, 0);
                check_problem(problems, PROBLEM_ERROR, FILE_NAME, wrong_files[i].line, wrong_files[i].said);
        }
}

static void test_relative_program(void)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autoptr(BatteryConfig) c =
                parse(problems, "[Battery]\nPackages=calc;dpkg:data\nProgram=bin/calcd\n",
                      "[Battery]\nReplicants=3\n");
        g_assert_nonnull(c);
        g_assert_cmpuint(problems->len, ==, 0);
        g_assert_cmpstr(c->program, ==, "bin/calcd");
        g_assert_cmpuint(c->replicants, ==, 3);
}

static void check_warning(const char *section, guint line, const char *said)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autofree char *text = g_strconcat(BASE, section, NULL);
        g_autoptr(BatteryConfig) c = parse(problems, text, "");
        check_config(c, problems, NULL, NULL);
        check_problem(problems, PROBLEM_WARNING, FILE_NAME, line, said);
}

static void test_warnings(void)
{
        check_warning("Nonsense=3\n", 3, "unknown key 'Nonsense' in [Battery], ignored");
        check_warning("warnsec=3\n", 3, "expected WarnSec= in [Update]?");
        check_warning("Environment=A=1\n", 3, "unknown key 'Environment'");
        check_warning("[Updates]\nStrategy=rolling\nWarnSec=1\n", 3, "unknown section 'Updates'");
        check_warning("[Routing]\nDefault=pan\nOnDisagreement=majority\nCallTimeoutSec=25s\nHoldSec=0\n"
                      "Idempotent=org.example.Calc.Get;org.example.Calc.Look\nPassiveFollows=yes\n"
                      "org.example.Calc.Get=single\norg.example.Calc.Lookup=custom:hash:0\n",
                      3, "[Routing] has no effect");
        check_warning("[Sync]\nDatabase=/var/lib/calc/%i/state.db\nFactors=account;entry\nCompareSec=1h\n", 3,
                      "[Sync] has no effect");
}

static const struct {
        const char *section, *key, *value, *said;
} bad_unused[] = {
        {"Routing", "Default", "all", "pan, single or custom:RULE"},
        {"Routing", "Default", "custom:", "pan, single or custom:RULE"},
        {"Routing", "OnDisagreement", "shout", "majority"},
        {"Routing", "CallTimeoutSec", "0", "a time such as"},
        {"Routing", "HoldSec", "x", "a time such as"},
        {"Routing", "Idempotent", "Get", "names of methods"},
        {"Routing", "PassiveFollows", "x", "yes or no"},
        {"Routing", "org.example.Calc.Get", "one", "pan, single or custom:RULE"},
        {"Sync", "Database", "state.db", "an absolute path"},
        {"Sync", "Database", "/var/../x", "a path"},
        {"Sync", "Database", "/var/%x", "placeholders"},
        {"Sync", "Factors", "a;1b", "names of tables"},
        {"Sync", "CompareSec", "infinity", "a time such as"},
};

static void test_bad_unused(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(bad_unused); i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                g_autofree char *text = g_strdup_printf(BASE "[%s]\n%s=%s\n", bad_unused[i].section,
                                                        bad_unused[i].key, bad_unused[i].value);
                g_assert_null(parse(problems, text, ""));
                g_ptr_array_remove_index(problems, 0); /* that the section has no effect */
                check_problem(problems, PROBLEM_ERROR, FILE_NAME, 4, bad_unused[i].said);
        }
}

/* Foreign bytes are cut and made printable; a file full of mistakes does not fill memory. */
static void test_told_within_limits(void)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autoptr(GString) text = g_string_new(BASE "Replicants=");
        for (guint i = 0; i < 1000; i++)
                g_string_append(text, "\t\xc3\xa4");
        g_assert_null(parse(problems, text->str, ""));
        check_problem(problems, PROBLEM_ERROR, FILE_NAME, 3, "…'");
        g_assert_cmpuint(strlen(((Problem *)g_ptr_array_index(problems, 0))->text), <, 200);

        g_string_assign(text, BASE);
        for (guint i = 0; i < 9000; i++)
                g_string_append_printf(text, "K%u=1\n", i);
        g_string_append(text, "Replicants=x\n");
        g_ptr_array_set_size(problems, 0);
        g_assert_null(parse(problems, text->str, ""));
        g_assert_cmpuint(problems->len, ==, PROBLEMS_MAX + 1);
        Problem *last = g_ptr_array_index(problems, PROBLEMS_MAX);
        g_assert_cmpint(last->level, ==, PROBLEM_ERROR);

        Problem named = {PROBLEM_ERROR, (char *)"a\nb\xff", 0, (char *)"expected"};
        g_autofree char *line = problem_to_string(&named);
        g_assert_cmpstr(line, ==, "a\\u000ab\xef\xbf\xbd: error: expected");
        problem_free(NULL);
}

static void test_list_limit(void)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autoptr(GString) text = g_string_new(BASE "Arguments=0");
        for (guint i = 1; i < 64; i++)
                g_string_append_printf(text, ";%u", i);
        g_autoptr(BatteryConfig) c = parse(problems, text->str, "");
        g_assert_nonnull(c);
        g_assert_cmpuint(g_strv_length(c->arguments), ==, 64);
        g_string_append(text, ";64");
        g_assert_null(parse(problems, text->str, ""));
        check_problem(problems, PROBLEM_ERROR, FILE_NAME, 3, "at most 64 items");

        g_ptr_array_set_size(problems, 0);
        g_string_assign(text, BASE "[Health]\nCheck=exec:/x");
        for (guint i = 0; i < 64; i++)
                g_string_append(text, " y");
        g_assert_null(parse(problems, text->str, ""));
        check_problem(problems, PROBLEM_ERROR, FILE_NAME, 4, "at most 64 words");
}

/* ---- on disk ---- */

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

/* ---- orchestrator.conf ---- */

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

static void test_daemon_load(Tree *t, gconstpointer unused)
{
        g_autoptr(GPtrArray) problems = problems_new();
        g_autofree char *path = g_build_filename(t->config, "orchestrator.conf", NULL);
        DaemonConfig c;
        g_assert_true(daemon_file_load(t->config, &c, problems));
        g_assert_cmpuint(c.calls, ==, daemon_config_default().calls);
        g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
        g_assert_false(daemon_file_load(t->config, &c, problems));
        check_problem(problems, PROBLEM_ERROR, path, 0, "expected a regular file");
        g_assert_cmpint(g_rmdir(path), ==, 0);
        g_assert_true(g_file_set_contents(path, "[Limits]\nCalls=100\n", -1, NULL));
        g_assert_true(daemon_file_load(t->config, &c, problems));
        g_assert_cmpuint(c.calls, ==, 100);
}

static void add_tree(const char *path, void (*func)(Tree *, gconstpointer))
{
        g_test_add(path, Tree, NULL, tree_setup, func, tree_teardown);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/battery-file/good", test_good);
        g_test_add_func("/battery-file/empty", test_empty);
        g_test_add_func("/battery-file/bad", test_bad);
        g_test_add_func("/battery-file/bad-overridden", test_bad_overridden);
        g_test_add_func("/battery-file/wrong-files", test_wrong_files);
        g_test_add_func("/battery-file/relative-program", test_relative_program);
        g_test_add_func("/battery-file/warnings", test_warnings);
        g_test_add_func("/battery-file/bad-unused", test_bad_unused);
        g_test_add_func("/battery-file/told-within-limits", test_told_within_limits);
        g_test_add_func("/battery-file/list-limit", test_list_limit);
        add_tree("/battery-file/precedence", test_precedence);
        add_tree("/battery-file/load-refusals", test_load_refusals);
        add_tree("/battery-file/only-dropins", test_only_dropins);
        add_tree("/battery-file/dropin-limit", test_dropin_limit);
        add_tree("/battery-file/list", test_list);
        add_tree("/battery-file/list-limit-of-batteries", test_list_limit_of_batteries);
        g_test_add_func("/daemon-file/good", test_daemon_good);
        g_test_add_func("/daemon-file/bad", test_daemon_bad);
        add_tree("/daemon-file/load", test_daemon_load);
        return g_test_run();
}
