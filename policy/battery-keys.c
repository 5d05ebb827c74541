/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table of all keys; a reader for each kind of value; the checks between keys. A key whose feature does
 * not exist yet is refused with what to use instead: nobody shall rely on what is silently ignored. */
#include "policy/battery-keys.h"

#include "policy/key-table.h"
#include "policy/value.h"

#include <gio/gio.h>
#include <stddef.h>
#include <string.h>

#define MISSES_MAX 1000 /* heartbeats: at one a second a quarter of an hour, long after any use */
#define ALWAYS 0        /* least time of waits that may be left out */
#define POSITIVE G_TIME_SPAN_MILLISECOND /* least time of those that would fail at once */

/* ---- readers: NULL or what was expected ---- */

static char *read_strategy(const KeyRow *row, const char *value, gpointer field)
{
        Strategy s = strategy_from_string(value);
        if (s == _STRATEGY_INVALID)
                return g_strdup("auto, rolling or full-stop");
        *(Strategy *)field = s;
        return NULL;
}

static char *read_on_failure(const KeyRow *row, const char *value, gpointer field)
{
        OnFailure o = on_failure_from_string(value);
        if (o == _ON_FAILURE_INVALID)
                return g_strdup("rollback, pause or continue");
        *(OnFailure *)field = o;
        return NULL;
}

static char *read_amount(const KeyRow *row, const char *value, gpointer field)
{
        return value_amount(value, row->min, field);
}

static char *read_path(const KeyRow *row, const char *value, gpointer field)
{
        char *expected = value_path(value);
        return expected ? expected : key_read_text(row, value, field);
}

static char *read_user(const KeyRow *row, const char *value, gpointer field)
{
        char *expected = value_user(value);
        return expected ? expected : key_read_text(row, value, field);
}

static char *read_bus_name(const KeyRow *row, const char *value, gpointer field)
{
        char *expected = value_bus_name(value);
        return expected ? expected : key_read_text(row, value, field);
}

static char *read_exec(const KeyRow *row, const char *value, gpointer field)
{
        return value_exec(value, field);
}

/* A list each of whose items CHECK accepts; FIELD may be NULL. */
static char *read_list(const char *value, char *(*check)(const char *item), gpointer field)
{
        g_auto(GStrv) items = NULL;
        char *expected = value_list(value, &items);
        for (char **item = items; !expected && item && *item; item++)
                expected = check(*item);
        if (!expected && field) {
                g_strfreev(*(char ***)field);
                *(char ***)field = g_steal_pointer(&items);
        }
        return expected;
}

static char *read_packages(const KeyRow *row, const char *value, gpointer field)
{
        return read_list(value, value_package, field);
}

static char *read_arguments(const KeyRow *row, const char *value, gpointer field)
{
        return read_list(value, value_placeholders, field);
}

static char *check_battery(const char *item)
{
        return battery_name_valid(item)
                       ? NULL
                       : g_strdup("names of batteries ([a-z][a-z0-9_]{0,47}), separated by ';'");
}

static char *read_batteries(const KeyRow *row, const char *value, gpointer field)
{
        return read_list(value, check_battery, field);
}

/* ---- what does not exist yet ---- */

static char *read_runner(const KeyRow *row, const char *value, gpointer field)
{
        RunnerKind kind = runner_kind_from_string(value);
        if (kind == RUNNER_SYSTEMD)
                return g_strdup("direct; systemd is not available yet in this version, use Runner=direct "
                                "with Program=");
        if (kind == _RUNNER_KIND_INVALID)
                return g_strdup("direct");
        *(RunnerKind *)field = kind;
        return NULL;
}

static char *read_unit(const KeyRow *row, const char *value, gpointer field)
{
        return g_strdup(
                "no unit; Unit= is not available yet in this version, use Runner=direct with Program=");
}

static char *read_max_surge(const KeyRow *row, const char *value, gpointer field)
{
        Amount surge;
        char *expected = value_amount(value, 0, &surge);
        if (!expected && surge.value > 0)
                return g_strdup("0; surge is not available yet in this version, use MaxUnavailable= and "
                                "one more in Replicants=");
        return expected;
}

static char *read_window(const KeyRow *row, const char *value, gpointer field)
{
        return g_strdup("no window; Window= is not available yet in this version, use a timer that runs the "
                        "package manager, or hold the package");
}

static char *read_approval(const KeyRow *row, const char *value, gpointer field)
{
        gboolean on = FALSE;
        char *expected = value_boolean(value, &on);
        if (!expected && on)
                return g_strdup("no; approval is not available yet in this version, use a block inhibitor "
                                "(nyota inhibit --mode=block)");
        return expected;
}

static char *read_when_held(const KeyRow *row, const char *value, gpointer field)
{
        if (g_str_equal(value, "defer"))
                return g_strdup("refuse; defer is not available yet in this version, use WhenHeld=refuse");
        return g_str_equal(value, "refuse") ? NULL : g_strdup("refuse");
}

/* ---- a controller's keys: their form is checked, they have no effect ---- */

static char *read_routing(const KeyRow *row, const char *value, gpointer field)
{
        if (g_str_equal(value, "pan") || g_str_equal(value, "single") ||
            (g_str_has_prefix(value, "custom:") && value[strlen("custom:")]))
                return NULL;
        return g_strdup("pan, single or custom:RULE");
}

static char *read_disagreement(const KeyRow *row, const char *value, gpointer field)
{
        return g_str_equal(value, "majority") ? NULL : g_strdup("majority");
}

static char *check_method(const char *item)
{
        return g_dbus_is_interface_name(item) ? NULL
                                              : g_strdup("names of methods such as org.example.Calc.Get");
}

static char *read_methods(const KeyRow *row, const char *value, gpointer field)
{
        return read_list(value, check_method, field);
}

static char *read_database(const KeyRow *row, const char *value, gpointer field)
{
        char *expected = value_path(value);
        if (!expected && *value != '/')
                return g_strdup("an absolute path");
        return expected ? expected : value_placeholders(value);
}

static char *check_table(const char *item)
{
        gboolean good = g_ascii_isalpha(*item) || *item == '_';
        for (const char *p = item; *p; p++)
                good = good && (g_ascii_isalnum(*p) || *p == '_');
        return good ? NULL : g_strdup("names of tables ([A-Za-z_][A-Za-z0-9_]*), separated by ';'");
}

static char *read_tables(const KeyRow *row, const char *value, gpointer field)
{
        return read_list(value, check_table, field);
}

/* ---- the table ---- */

#define AT(field) offsetof(BatteryConfig, field)
#define TIME(section, key, field, least)                                                                     \
        {                                                                                                    \
                section, key, key_read_time, field, least, VALUE_TIME_MAX                                    \
        }

static const KeyRow rows[] = {
        {"Battery", "Description", key_read_text, AT(description)},
        {"Battery", "Packages", read_packages, AT(packages)},
        {"Battery", "Program", read_path, AT(program)},
        {"Battery", "Arguments", read_arguments, AT(arguments)},
        {"Battery", "BusName", read_bus_name, AT(bus_name)},
        {"Battery", "Replicants", key_read_count, AT(replicants), 0, VALUE_COUNT_MAX},
        {"Battery", "Passive", key_read_count, AT(passive), 0, VALUE_COUNT_MAX},
        {"Battery", "Runner", read_runner, AT(runner)},
        {"Battery", "Unit", read_unit, KEY_NOWHERE},
        {"Battery", "User", read_user, AT(user)},
        {"Battery", "Stateless", key_read_boolean, AT(stateless)},
        {"Battery", "After", read_batteries, AT(after)},
        {"Battery", "Requires", read_batteries, AT(requires)},

        {"Update", "Strategy", read_strategy, AT(strategy)},
        TIME("Update", "WarnSec", AT(warn_us), ALWAYS),
        TIME("Update", "InhibitDelayMaxSec", AT(inhibit_delay_max_us), ALWAYS),
        {"Update", "MaxUnavailable", read_amount, AT(max_unavailable), 1},
        {"Update", "MinActive", read_amount, AT(min_active), 0},
        {"Update", "MaxSurge", read_max_surge, KEY_NOWHERE},
        {"Update", "Canary", read_amount, AT(canary), 0},
        TIME("Update", "CanarySoakSec", AT(canary_soak_us), ALWAYS),
        TIME("Update", "SoakSec", AT(soak_us), ALWAYS),
        TIME("Update", "DrainTimeoutSec", AT(drain_timeout_us), POSITIVE),
        TIME("Update", "StopTimeoutSec", AT(stop_timeout_us), ALWAYS), /* 0: killed at once */
        TIME("Update", "ReadyTimeoutSec", AT(ready_timeout_us), POSITIVE),
        TIME("Update", "ProgressDeadlineSec", AT(progress_deadline_us), POSITIVE),
        {"Update", "OnFailure", read_on_failure, AT(on_failure)},
        {"Update", "MaxFailures", read_amount, AT(max_failures), 0},
        {"Update", "RollbackMaxUnavailable", read_amount, AT(rollback_max_unavailable), 1},
        TIME("Update", "CoalesceSec", AT(coalesce_us), ALWAYS),
        {"Update", "Window", read_window, KEY_NOWHERE},
        {"Update", "WhenHeld", read_when_held, KEY_NOWHERE},
        {"Update", "Approval", read_approval, KEY_NOWHERE},
        {"Update", "Drain", read_exec, AT(drain)},
        {"Update", "Admit", read_exec, AT(admit)},

        TIME("Health", "HeartbeatSec", AT(heartbeat_us), POSITIVE),
        {"Health", "HeartbeatMisses", key_read_count, AT(heartbeat_misses), 1, MISSES_MAX},
        {"Health", "Check", read_exec, AT(check)},
        TIME("Health", "WatchdogSec", AT(watchdog_us), ALWAYS),

        {"Routing", "Default", read_routing, KEY_NOWHERE},
        {"Routing", "OnDisagreement", read_disagreement, KEY_NOWHERE},
        TIME("Routing", "CallTimeoutSec", KEY_NOWHERE, POSITIVE),
        TIME("Routing", "HoldSec", KEY_NOWHERE, ALWAYS),
        {"Routing", "Idempotent", read_methods, KEY_NOWHERE},
        {"Routing", "PassiveFollows", key_read_boolean, KEY_NOWHERE},
        {"Routing", NULL, read_routing, KEY_NOWHERE}, /* INTERFACE.METHOD= */

        {"Sync", "Database", read_database, KEY_NOWHERE},
        {"Sync", "Factors", read_tables, KEY_NOWHERE},
        TIME("Sync", "CompareSec", KEY_NOWHERE, POSITIVE),
};

/* ---- between keys ---- */

typedef struct Check {
        BatteryConfig *config;
        const char *main_file;
        const KeyfileEntry *winners[G_N_ELEMENTS(rows)];
        ProblemSink *sink;
} Check;

/* The entry that gave KEY its value; NULL if it has its default. */
static const KeyfileEntry *given(const Check *k, const char *key)
{
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
                if (rows[i].key && g_str_equal(rows[i].key, key))
                        return k->winners[i];
        return NULL;
}

/* Tells it where KEY, else where OTHER (may be NULL) was given. */
static void complain(const Check *k, const char *key, const char *other, const char *text)
{
        const KeyfileEntry *e = given(k, key);
        if (!e && other)
                e = given(k, other);
        problem_report(k->sink, PROBLEM_ERROR, e ? e->file : k->main_file, e ? e->line : 0,
                       "%s=: expected %s", key, text);
}

static void check_counts(const Check *k)
{
        const BatteryConfig *c = k->config;
        guint desired = battery_config_desired(c);
        if (c->passive > c->replicants) {
                g_autofree char *text = g_strdup_printf(
                        "at most Replicants=%u (which include the passive ones)", c->replicants);
                complain(k, "Passive", "Replicants", text);
        } else if (c->min_active_set && battery_config_floor(c) > desired) {
                g_autofree char *text = g_strdup_printf("at most %u (Replicants - Passive)", desired);
                complain(k, "MinActive", NULL, text);
        }
}

static void check_program(const Check *k)
{
        const BatteryConfig *c = k->config;
        if (!c->program)
                complain(k, "Program", NULL, "a path, in [Battery]: every battery needs one");
        else if (*c->program != '/' && !c->packages[0])
                complain(k, "Program", NULL, "an absolute path, for Packages= names no package to look into");
        else if (*c->program != '/' && strchr(c->packages[0], ':'))
                complain(k, "Program", NULL,
                         "an absolute path, for only Kantan packages have installations and the first of "
                         "Packages= is another manager's");
}

static void check_others(const Check *k, const char *key, char *const *names)
{
        for (gsize i = 0; names[i]; i++) {
                if (g_str_equal(names[i], k->config->name))
                        complain(k, key, NULL, "other batteries, not this one itself");
                if (g_strv_contains((const char *const *)names + i + 1, names[i]))
                        complain(k, key, NULL, "each name once");
        }
}

static void warn_without_controller(GPtrArray *entries, const char *section, ProblemSink *sink)
{
        for (gsize i = 0; i < entries->len; i++) {
                const KeyfileEntry *e = g_ptr_array_index(entries, i);
                if (g_str_equal(e->section, section)) {
                        problem_report(
                                sink, PROBLEM_WARNING, e->file, e->section_line,
                                "[%s] has no effect: it expects a controller, which is not available yet "
                                "in this version",
                                section);
                        return;
                }
        }
}

/* A method is named in full; the table only knows that there is a '.' in the key. */
static void check_routed_methods(GPtrArray *entries, ProblemSink *sink)
{
        for (gsize i = 0; i < entries->len; i++) {
                const KeyfileEntry *e = g_ptr_array_index(entries, i);
                if (g_str_equal(e->section, "Routing") && strchr(e->key, '.') &&
                    !g_dbus_is_interface_name(e->key))
                        problem_report(
                                sink, PROBLEM_ERROR, e->file, e->line,
                                "expected a method's full name such as org.example.Calc.Get before '='");
        }
}

BatteryConfig *battery_keys_read(const char *name, const char *main_file, GPtrArray *entries,
                                 ProblemSink *sink)
{
        g_autoptr(BatteryConfig) c = battery_config_new(name);
        g_autoptr(BatteryConfig) scratch = battery_config_new(name);
        Check k = {.config = c, .main_file = main_file, .sink = sink};
        warn_without_controller(entries, "Routing", sink);
        warn_without_controller(entries, "Sync", sink);
        key_table_read(rows, G_N_ELEMENTS(rows), entries, c, scratch, k.winners, sink);
        check_routed_methods(entries, sink);
        c->min_active_set = given(&k, "MinActive") != NULL;
        if (sink->count[PROBLEM_ERROR] == 0) { /* wrong values would make these mislead */
                check_counts(&k);
                check_program(&k);
                check_others(&k, "After", c->after);
                check_others(&k, "Requires", c->requires);
        }
        return g_steal_pointer(&c);
}
