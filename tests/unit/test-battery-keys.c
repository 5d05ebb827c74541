/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of battery files: each with good, bad and empty values, what holds between them, what is told;
 * the manual knows them all. */
#include "policy/battery-file.h"

#include "tests/unit/problem-check.h"

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

static BatteryConfig *parse(GPtrArray *problems, const char *lower, const char *upper)
{
        BatteryLayer layers[] = {{FILE_NAME, lower, strlen(lower)}, {"upper.conf", upper, strlen(upper)}};
        return battery_file_parse("calc", layers, G_N_ELEMENTS(layers), problems);
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
        {"Update", "Drain", "exec:drain %i", "an absolute path, or %r/ and a path, after exec:"},
        {"Update", "Drain", "exec:/bin/drain 'x", "closed quotes"},
        {"Update", "Drain", "exec:/bin/drain %n", "no other placeholders"},
        {"Update", "Drain", "exec:/bin/drain # now", "'#' in quotes"},
        {"Update", "Admit", "exec:%i", "an absolute path, or %r/ and a path, after exec:"},
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

/* ---- the manual ---- */

/* The examples that people copy are good, and every key of the cases above is explained. */
static void test_manual(void)
{
        const char *srcdir = g_getenv("SRCDIR");
        g_autofree char *path = g_build_filename(srcdir ? srcdir : ".", "docs", "battery-files.md", NULL);
        g_autofree char *text = NULL;
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_auto(GStrv) parts = g_strsplit(text, "```ini\n", -1);
        g_assert_cmpuint(g_strv_length(parts), ==, 3);
        for (guint i = 1; parts[i]; i++) {
                g_autoptr(GPtrArray) problems = problems_new();
                char *end = strstr(parts[i], "```");
                g_assert_nonnull(end);
                *end = '\0';
                g_autoptr(BatteryConfig) c = parse(problems, parts[i], "");
                g_assert_nonnull(c);
                g_assert_cmpuint(problems->len, ==, 0);
        }
        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autofree char *key = g_strdup_printf("`%s=`", bad[i].key);
                if (!strstr(text, key))
                        g_error("the manual does not explain %s", key);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/battery-keys/good", test_good);
        g_test_add_func("/battery-keys/empty", test_empty);
        g_test_add_func("/battery-keys/bad", test_bad);
        g_test_add_func("/battery-keys/bad-overridden", test_bad_overridden);
        g_test_add_func("/battery-keys/wrong-files", test_wrong_files);
        g_test_add_func("/battery-keys/relative-program", test_relative_program);
        g_test_add_func("/battery-keys/warnings", test_warnings);
        g_test_add_func("/battery-keys/bad-unused", test_bad_unused);
        g_test_add_func("/battery-keys/told-within-limits", test_told_within_limits);
        g_test_add_func("/battery-keys/list-limit", test_list_limit);
        g_test_add_func("/battery-keys/manual", test_manual);
        return g_test_run();
}
