/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the daemon's keys, and reading its one file. */
#include "policy/daemon-file.h"

#include "base/strtab.h"
#include "policy/key-table.h"

#include <stddef.h>
#include <string.h>

DaemonConfig daemon_config_default(void)
{
        return (DaemonConfig){
                .when_unreachable = UNREACHABLE_CLOSED,
                .hook_timeout_us = 15 * G_TIME_SPAN_MINUTE,
                .keep_versions = 2,
                .transactions = 64,
                .inhibitors = 256,
                .calls_per_sender = 64,
                .calls = 1024,
        };
}

static char *read_when_unreachable(const KeyRow *row, const char *value, gpointer field)
{
        static const char *const words[] = {"closed", "open"};
        int i = strtab_find(words, G_N_ELEMENTS(words), value);
        if (i < 0)
                return g_strdup("closed or open");
        *(WhenUnreachable *)field = i;
        return NULL;
}

static char *read_engine(const KeyRow *row, const char *value, gpointer field)
{
        if (g_str_has_prefix(value, "etcd:"))
                return g_strdup("local; etcd: is not available yet in this version, use Engine=local");
        return g_str_equal(value, "local") ? NULL : g_strdup("local");
}

static char *read_not_yet(const KeyRow *row, const char *value, gpointer field)
{
        return g_strdup_printf("no %s=; it is not available yet in this version, take the line out",
                               row->key);
}

#define AT(field) offsetof(DaemonConfig, field)

/* The upper bounds keep a slip of the finger from undoing the limit: a descriptor each for inhibitors (of
 * the usual 524288), some KiB each for the others. */
static const KeyRow rows[] = {
        {"Hooks", "WhenUnreachable", read_when_unreachable, AT(when_unreachable)},
        {"Hooks", "HookTimeoutSec", key_read_time, AT(hook_timeout_us), G_TIME_SPAN_SECOND, G_TIME_SPAN_DAY},
        {"Store", "KeepVersions", key_read_count, AT(keep_versions), 1, 1000},
        {"Store", "RescueMaxBytes", read_not_yet, KEY_NOWHERE},
        {"Policy", "Source", read_not_yet, KEY_NOWHERE},
        {"Policy", "RequireSigned", read_not_yet, KEY_NOWHERE},
        {"Policy", "AllowOverride", read_not_yet, KEY_NOWHERE},
        {"Register", "Engine", read_engine, KEY_NOWHERE},
        {"Limits", "Transactions", key_read_count, AT(transactions), 1, 10000},
        {"Limits", "Inhibitors", key_read_count, AT(inhibitors), 1, 10000},
        {"Limits", "CallsPerSender", key_read_count, AT(calls_per_sender), 1, 10000},
        {"Limits", "Calls", key_read_count, AT(calls), 1, 100000},
};

/* Takes K; NULL with ERROR: what was wrong with the file at LINE. */
static gboolean read_keyfile(Keyfile *k, const char *file, guint line, const GError *error, DaemonConfig *ret,
                             GPtrArray *problems)
{
        g_autoptr(Keyfile) owned = k;
        const KeyfileEntry *winners[G_N_ELEMENTS(rows)];
        DaemonConfig config = daemon_config_default(), scratch = config;
        ProblemSink sink = {.problems = problems};
        *ret = config;
        if (!owned)
                problem_report(&sink, PROBLEM_ERROR, file, line, "%s", error->message);
        else
                key_table_read(rows, G_N_ELEMENTS(rows), owned->entries, &config, &scratch, winners, &sink);
        if (sink.count[PROBLEM_ERROR] == 0 && config.calls < config.calls_per_sender) {
                const KeyfileEntry *e = winners[G_N_ELEMENTS(rows) - 1];
                problem_report(&sink, PROBLEM_ERROR, file, e ? e->line : 0,
                               "Calls=: expected at least CallsPerSender=%u", config.calls_per_sender);
        }
        if (sink.count[PROBLEM_ERROR] > 0)
                return FALSE;
        *ret = config;
        return TRUE;
}

gboolean daemon_file_parse(const char *file, const char *bytes, gsize length, DaemonConfig *ret,
                           GPtrArray *problems)
{
        guint line;
        g_autoptr(GError) error = NULL;
        Keyfile *k = keyfile_parse(file, bytes, length, &line, &error);
        return read_keyfile(k, file, line, error, ret, problems);
}

gboolean daemon_file_load(const char *config_dir, DaemonConfig *ret, GPtrArray *problems)
{
        guint line;
        g_autoptr(GError) error = NULL;
        g_autofree char *file = g_build_filename(config_dir, "orchestrator.conf", NULL);
        Keyfile *k = keyfile_load(file, &line, &error);
        if (!k && g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
                *ret = daemon_config_default();
                return TRUE;
        }
        return read_keyfile(k, file, line, error, ret, problems);
}
