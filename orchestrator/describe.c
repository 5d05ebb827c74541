/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words and JSON for people: plans with reasons, why a battery is in its state, what would change that. */
#include "orchestrator/manager-priv.h"

#include <json-glib/json-glib.h>

#define INHIBITORS_TOLD 64 /* in a plan, which is one record's part; ListInhibitors has all */

static void member_string(JsonBuilder *j, const char *name, const char *value)
{
        json_builder_set_member_name(j, name);
        json_builder_add_string_value(j, value);
}

static void member_int(JsonBuilder *j, const char *name, gint64 value)
{
        json_builder_set_member_name(j, name);
        json_builder_add_int_value(j, value);
}

static void add_inhibitors(Manager *m, JsonBuilder *j, const char *battery)
{
        json_builder_set_member_name(j, "inhibitors");
        json_builder_begin_array(j);
        guint told = 0;
        for (guint k = 0; k < m->inhibitors->len && told < INHIBITORS_TOLD; k++) {
                const Inhibitor *i = m->inhibitors->pdata[k];
                if (!g_str_equal(i->battery, "*") && !g_str_equal(i->battery, battery))
                        continue;
                told++;
                json_builder_begin_object(j);
                member_string(j, "who", i->who);
                member_string(j, "why", i->why);
                member_string(j, "mode", i->mode);
                json_builder_end_object(j);
        }
        json_builder_end_array(j);
}

static void add_steps(JsonBuilder *j, const Plan *p)
{
        json_builder_set_member_name(j, "steps");
        json_builder_begin_array(j);
        for (guint i = 0; i < p->steps->len; i++) {
                const PlanStep *s = &g_array_index(p->steps, PlanStep, i);
                json_builder_begin_object(j);
                member_int(j, "replicant", s->replicant);
                member_string(j, "act", step_act_to_string(s->act));
                member_string(j, "reason", s->reason);
                member_int(j, "phase", s->phase);
                json_builder_end_object(j);
        }
        json_builder_end_array(j);
}

char *describe_plan(Manager *m, const Update *u, const Plan *p)
{
        g_autoptr(JsonBuilder) j = json_builder_new();
        Battery *b = battery_of(m, u->battery);
        json_builder_begin_object(j);
        member_string(j, "battery", u->battery);
        member_string(j, "strategy", strategy_to_string(p->strategy));
        member_string(j, "why", p->why ? p->why : "");
        member_string(j, "from", u->from);
        member_string(j, "to", u->to);
        member_int(j, "least_active", p->least_active);
        member_int(j, "floor", p->floor);
        member_int(j, "desired", p->desired);
        member_int(j, "at_once", p->width);
        json_builder_set_member_name(j, "warn_s");
        json_builder_add_double_value(j, (double)b->config->warn_us / G_USEC_PER_SEC);
        add_inhibitors(m, j, u->battery);
        json_builder_set_member_name(j, "refusal");
        if (p->refusal == REFUSAL_NONE)
                json_builder_add_null_value(j);
        else
                json_builder_add_string_value(j, refusal_to_string(p->refusal));
        json_builder_set_member_name(j, "refused");
        if (p->refusal == REFUSAL_NONE)
                json_builder_add_null_value(j);
        else
                json_builder_add_string_value(j, p->why);
        add_steps(j, p);
        json_builder_end_object(j);
        g_autoptr(JsonNode) root = json_builder_get_root(j);
        return json_to_string(root, FALSE);
}

char *describe_plans(GPtrArray *plans, Refusal code, const char *why)
{
        GString *s = g_string_new("{\"updates\":[");
        for (guint i = 0; i < plans->len; i++)
                g_string_append_printf(s, "%s%s", i ? "," : "", (const char *)plans->pdata[i]);
        g_string_append(s, "]}");
        return g_string_free(s, FALSE);
}

/* ---- why, and what next ---- */

static void append_replicants(GString *s, Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                const Replicant *r = b->replicants->pdata[i];
                ReplicantState state = replicant_get_state(r);
                if (state == REPLICANT_ACTIVE || state == REPLICANT_PASSIVE)
                        continue;
                g_string_append_printf(s, "%sreplicant %u is %s", s->len ? "; " : "", r->id,
                                       replicant_state_to_string(state));
                if (r->drained)
                        g_string_append(s, " (a person drained it)");
                else if (!g_str_equal(r->health, "good") && !g_str_equal(r->health, "unknown"))
                        g_string_append_printf(s, " (%s)", r->health);
        }
}

char *manager_battery_reason(Manager *m, Battery *b)
{
        GString *s = g_string_new(NULL);
        const Update *u = battery_current_update(m, b);
        if (journal_trouble(m->journal))
                g_string_append_printf(s, "the journal cannot be written (%s)", journal_trouble(m->journal));
        if (u)
                g_string_append_printf(s, "%supdate %" G_GUINT64_FORMAT " from %s to %s is %s%s%s",
                                       s->len ? "; " : "", u->id, *u->from ? u->from : "nothing",
                                       *u->to ? u->to : "nothing", update_state_to_string(u->state),
                                       *u->reason ? ": " : "", u->reason);
        if (!u && !b->wanted)
                g_string_append_printf(s, "%snobody wants it to run", s->len ? "; " : "");
        if (b->wanted)
                append_replicants(s, b);
        if (b->file_gone)
                g_string_append_printf(s, "%sits battery file is gone", s->len ? "; " : "");
        if (s->len == 0)
                g_string_append(s, "all replicants are where they should be");
        return g_string_free(s, FALSE);
}

static char *next_of_update(Manager *m, Battery *b, const Update *u)
{
        Inhibitor *i;
        switch (u->state) {
        case UPDATE_WARNED:
                if (inhibit_find(m, u->battery, "delay", &i))
                        return g_strdup_printf(
                                "it goes on when %s lets go (%s), or after InhibitDelayMaxSec=", i->who,
                                i->why);
                return g_strdup("it goes on when the warning's lead time is over (WarnSec=)");
        case UPDATE_REPLACING:
                return g_strdup("the package manager's end (its post or abort hook, or its death)");
        case UPDATE_PAUSED:
                return g_strdup_printf("`nyota resume %" G_GUINT64_FORMAT
                                       "` goes on, `nyota rollback %" G_GUINT64_FORMAT "` goes back",
                                       u->id, u->id);
        case UPDATE_RUNNING:
        case UPDATE_ROLLING_BACK:
                if (update_next_step(m, u) == ROLL_FLOOR)
                        return g_strdup_printf(
                                "it waits for room at the floor (%u active, %u must stay): those "
                                "that are down must serve again first",
                                battery_active(b), battery_config_floor(b->config));
                G_GNUC_FALLTHROUGH;
        case UPDATE_PENDING:
        case UPDATE_HELD:
        case UPDATE_PLANNED:
                return g_strdup_printf("it goes on by itself; `nyota cancel %" G_GUINT64_FORMAT "` ends it",
                                       u->id);
        case UPDATE_DONE:
        case UPDATE_ROLLED_BACK:
        case UPDATE_FAILED:
        case UPDATE_CANCELLED:
        case UPDATE_VETOED:
        case _UPDATE_STATE_MAX:
        case _UPDATE_STATE_INVALID:
                break;
        }
        return g_strdup("");
}

static gboolean some_given_up(const Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++)
                if (((const Replicant *)b->replicants->pdata[i])->failed)
                        return TRUE;
        return FALSE;
}

char *manager_battery_next(Manager *m, Battery *b)
{
        const char *name = b->config->name;
        const Update *u = battery_current_update(m, b);
        if (u)
                return next_of_update(m, b, u);
        switch (battery_get_state(b)) {
        case BATTERY_STOPPED:
                return g_strdup_printf("`nyota start %s`", name);
        case BATTERY_FAILED:
        case BATTERY_DEGRADED:
                if (!some_given_up(b))
                        return g_strdup("those that are down are started again by themselves");
                return g_strdup_printf(
                        "`nyota start %s` tries those again that are given up, `nyota rollback %s` "
                        "goes back to the version before",
                        name, name);
        case BATTERY_STARTING:
        case BATTERY_STOPPING:
                return g_strdup("it goes on by itself");
        case BATTERY_RUNNING:
        case BATTERY_UPDATING:
        case _BATTERY_STATE_MAX:
        case _BATTERY_STATE_INVALID:
                break;
        }
        return g_strdup("");
}

char **manager_versions_in_use(Manager *m)
{
        g_autoptr(GPtrArray) list = g_ptr_array_new();
        GHashTableIter it, versions;
        gpointer v, package, version;
        g_hash_table_iter_init(&it, m->batteries);
        while (g_hash_table_iter_next(&it, NULL, &v)) {
                GHashTable *maps[] = {((Battery *)v)->versions, ((Battery *)v)->previous};
                for (guint i = 0; i < G_N_ELEMENTS(maps); i++) {
                        g_hash_table_iter_init(&versions, maps[i]);
                        while (g_hash_table_iter_next(&versions, &package, &version))
                                g_ptr_array_add(list,
                                                g_strdup_printf("%s/%s", (char *)package, (char *)version));
                }
        }
        g_hash_table_iter_init(&it, m->updates);
        while (g_hash_table_iter_next(&it, NULL, &v)) {
                const Update *u = v;
                for (guint i = 0; !update_is_final(u) && i < u->targets->len; i++) {
                        const Target *t = u->targets->pdata[i];
                        g_ptr_array_add(list, g_strdup_printf("%s/%s", t->package, t->from));
                        g_ptr_array_add(list, g_strdup_printf("%s/%s", t->package, t->to));
                }
        }
        g_ptr_array_add(list, NULL);
        return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}
