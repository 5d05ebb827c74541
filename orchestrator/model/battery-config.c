/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Defaults and derived numbers of a battery's configuration. */
#include "orchestrator/model/battery-config.h"

#include <string.h>

#define SEC G_USEC_PER_SEC
#define NAME_MAX_LENGTH 48 /* fits units, keys and paths unescaped */

static const char *const strategy_table[] = {"auto", "rolling", "full-stop"};
STRTAB_DEFINE(strategy, Strategy, strategy_table, _STRATEGY_MAX)
static const char *const on_failure_table[] = {"rollback", "pause", "continue"};
STRTAB_DEFINE(on_failure, OnFailure, on_failure_table, _ON_FAILURE_MAX)
static const char *const runner_kind_table[] = {"direct", "systemd"};
STRTAB_DEFINE(runner_kind, RunnerKind, runner_kind_table, _RUNNER_KIND_MAX)

BatteryConfig *battery_config_new(const char *name)
{
        BatteryConfig *c = g_new0(BatteryConfig, 1);
        c->name = g_strdup(name);
        c->description = g_strdup("");
        c->packages = g_new0(char *, 1);
        c->arguments = g_new0(char *, 1);
        c->after = g_new0(char *, 1);
        c->requires = g_new0(char *, 1);
        c->replicants = 1;
        c->runner = RUNNER_DIRECT;
        c->strategy = STRATEGY_AUTO;
        c->warn_us = 10 * SEC;
        c->inhibit_delay_max_us = 60 * SEC;
        c->max_unavailable.value = 1;
        c->rollback_max_unavailable.value = 1;
        c->canary_soak_us = 300 * SEC;
        c->soak_us = 5 * SEC;
        c->drain_timeout_us = 30 * SEC;
        c->stop_timeout_us = 30 * SEC;
        c->ready_timeout_us = 30 * SEC;
        c->progress_deadline_us = 600 * SEC;
        c->coalesce_us = 5 * SEC;
        c->on_failure = ON_FAILURE_ROLLBACK;
        c->heartbeat_us = SEC;
        c->heartbeat_misses = 3;
        return c;
}

void battery_config_free(BatteryConfig *c)
{
        if (!c)
                return;
        g_free(c->name);
        g_free(c->description);
        g_strfreev(c->packages);
        g_free(c->program);
        g_strfreev(c->arguments);
        g_free(c->bus_name);
        g_free(c->unit);
        g_free(c->user);
        g_strfreev(c->after);
        g_strfreev(c->requires);
        g_strfreev(c->drain);
        g_strfreev(c->admit);
        g_strfreev(c->check);
        g_free(c);
}

static char *expand_word(const BatteryConfig *c, const char *word, guint replicant, const char *root)
{
        GString *s = g_string_new(NULL);
        for (const char *p = word; *p; p++) {
                gboolean placeholder = *p == '%' && p[1] && strchr("ibr%", p[1]);
                if (!placeholder)
                        g_string_append_c(s, *p);
                else if (*++p == 'i')
                        g_string_append_printf(s, "%u", replicant);
                else if (*p == 'r')
                        g_string_append(s, root ? root : "");
                else
                        g_string_append(s, *p == 'b' ? c->name : "%");
        }
        return g_string_free(s, FALSE);
}

char **battery_config_expand(const BatteryConfig *c, char *const *argv, guint replicant, const char *root)
{
        GPtrArray *words = g_ptr_array_new();
        for (; *argv; argv++)
                g_ptr_array_add(words, expand_word(c, *argv, replicant, root));
        g_ptr_array_add(words, NULL);
        return (char **)g_ptr_array_free(words, FALSE);
}

guint amount_of(Amount amount, guint total, guint at_least)
{
        if (!amount.percent)
                return amount.value;
        return MAX((guint)((guint64)total * amount.value / 100), at_least);
}

guint battery_config_desired(const BatteryConfig *c)
{
        return c->replicants - MIN(c->passive, c->replicants);
}

guint battery_config_max_unavailable(const BatteryConfig *c)
{
        return MAX(amount_of(c->max_unavailable, battery_config_desired(c), 1), 1);
}

guint battery_config_rollback_max_unavailable(const BatteryConfig *c)
{
        return MAX(amount_of(c->rollback_max_unavailable, battery_config_desired(c), 1), 1);
}

guint battery_config_floor(const BatteryConfig *c)
{
        guint desired = battery_config_desired(c);
        if (c->min_active_set)
                return amount_of(c->min_active, desired, 1);
        guint away = battery_config_max_unavailable(c);
        return desired > away ? desired - away : 0;
}

gboolean battery_name_valid(const char *name)
{
        if (!name || !g_ascii_islower(name[0]) || strlen(name) > NAME_MAX_LENGTH)
                return FALSE;
        for (const char *p = name; *p; p++)
                if (!g_ascii_islower(*p) && !g_ascii_isdigit(*p) && *p != '_')
                        return FALSE;
        return TRUE;
}
