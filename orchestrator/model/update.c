/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Updates and steps: vocabulary, construction, journal records. */
#include "orchestrator/model/update.h"

#include "base/dict.h"

static const char *const update_state_table[] = {
        "pending",      "held", "planned",     "warned", "replacing", "running", "paused",
        "rolling-back", "done", "rolled-back", "failed", "cancelled", "vetoed",
};
STRTAB_DEFINE(update_state, UpdateState, update_state_table, _UPDATE_STATE_MAX)
static const char *const step_state_table[] = {
        "waiting",   "draining",      "stopping", "switching", "starting",
        "verifying", "synchronising", "soaking",  "admitted",  "failed",
};
STRTAB_DEFINE(step_state, StepState, step_state_table, _STEP_STATE_MAX)
static const char *const step_act_table[] = {"replace", "start", "stop", "switch"};
STRTAB_DEFINE(step_act, StepAct, step_act_table, _STEP_ACT_MAX)

gboolean update_state_is_final(UpdateState s)
{
        return s >= UPDATE_DONE;
}

gboolean update_is_final(const Update *u)
{
        return update_state_is_final(u->state);
}

gboolean update_is_removal(const Update *u)
{
        return *u->from && !*u->to;
}

gboolean update_is_first(const Update *u)
{
        return !*u->from && *u->to;
}

Target *target_new(const char *package, const char *from, const char *to)
{
        Target *t = g_new0(Target, 1);
        t->package = g_strdup(package);
        t->from = g_strdup(from);
        t->to = g_strdup(to);
        return t;
}

void target_free(Target *t)
{
        if (!t)
                return;
        g_free(t->package);
        g_free(t->from);
        g_free(t->to);
        g_free(t);
}

Step *step_new(guint64 update, const char *battery, guint replicant, StepAct act, const char *reason)
{
        Step *s = g_new0(Step, 1);
        s->update = update;
        s->battery = g_strdup(battery);
        s->replicant = replicant;
        s->act = act;
        s->reason = g_strdup(reason);
        return s;
}

void step_free(Step *s)
{
        if (!s)
                return;
        g_free(s->battery);
        g_free(s->reason);
        g_free(s);
}

gboolean step_is_final(const Step *s)
{
        return s->state == STEP_ADMITTED || s->state == STEP_FAILED;
}

gboolean step_is_running(const Step *s)
{
        return s->state != STEP_WAITING && !step_is_final(s);
}

Update *update_new(guint64 id, guint64 transaction, const char *battery)
{
        Update *u = g_new0(Update, 1);
        u->id = id;
        u->transaction = transaction;
        u->battery = g_strdup(battery);
        u->from = g_strdup("");
        u->to = g_strdup("");
        u->reason = g_strdup("");
        u->told_reason = g_strdup("");
        u->initiator = g_strdup("");
        u->plan = g_strdup("{}");
        u->goal = UPDATE_ROLLED_BACK;
        u->targets = g_ptr_array_new_with_free_func((GDestroyNotify)target_free);
        u->steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
        return u;
}

void update_free(Update *u)
{
        if (!u)
                return;
        g_free(u->battery);
        g_free(u->from);
        g_free(u->to);
        g_free(u->reason);
        g_free(u->told_reason);
        g_free(u->initiator);
        g_free(u->plan);
        g_ptr_array_unref(u->targets);
        g_ptr_array_unref(u->steps);
        g_free(u);
}

Step *update_step_of(const Update *u, guint replicant)
{
        for (guint i = u->steps->len; i > 0; i--) {
                Step *s = g_ptr_array_index(u->steps, i - 1);
                if (s->replicant == replicant)
                        return s;
        }
        return NULL;
}

gboolean update_has_back_step(const Update *u, guint replicant)
{
        const Step *s = update_step_of(u, replicant);
        return s && s->back && !step_is_final(s);
}

guint update_steps_done(const Update *u)
{
        guint n = 0;
        for (guint i = 0; i < u->steps->len; i++)
                n += step_is_final(g_ptr_array_index(u->steps, i));
        return n;
}

static GVariant *targets_to_variant(const GPtrArray *targets)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sss)"));
        for (guint i = 0; i < targets->len; i++) {
                const Target *t = g_ptr_array_index(targets, i);
                g_variant_builder_add(&b, "(sss)", t->package, t->from, t->to);
        }
        return g_variant_builder_end(&b);
}

GVariant *update_to_record(const Update *u)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        dict_add(&b, "transaction", g_variant_new_uint64(u->transaction));
        dict_add(&b, "battery", g_variant_new_string(u->battery));
        dict_add(&b, "strategy", g_variant_new_string(strategy_to_string(u->strategy)));
        dict_add(&b, "state", g_variant_new_string(update_state_to_string(u->state)));
        dict_add(&b, "goal", g_variant_new_string(update_state_to_string(u->goal)));
        dict_add(&b, "from", g_variant_new_string(u->from));
        dict_add(&b, "to", g_variant_new_string(u->to));
        dict_add(&b, "targets", targets_to_variant(u->targets));
        dict_add(&b, "reason", g_variant_new_string(u->reason));
        dict_add(&b, "initiator", g_variant_new_string(u->initiator));
        dict_add(&b, "plan", g_variant_new_string(u->plan));
        dict_add(&b, "person", g_variant_new_boolean(u->person));
        dict_add(&b, "override", g_variant_new_boolean(u->override));
        dict_add(&b, "undo", g_variant_new_boolean(u->undo));
        dict_add(&b, "restart", g_variant_new_boolean(u->restart));
        dict_add(&b, "only", g_variant_new_uint32(u->only));
        dict_add(&b, "promoted", g_variant_new_boolean(u->promoted));
        dict_add(&b, "clear", g_variant_new_boolean(u->clear));
        dict_add(&b, "switched", g_variant_new_boolean(u->switched));
        dict_add(&b, "created", g_variant_new_int64(u->created_us));
        dict_add(&b, "started", g_variant_new_int64(u->started_us));
        dict_add(&b, "finished", g_variant_new_int64(u->finished_us));
        dict_add(&b, "warn_end", g_variant_new_int64(u->warn_end_us));
        dict_add(&b, "least_active", g_variant_new_uint32(u->least_active));
        dict_add(&b, "failures", g_variant_new_uint32(u->failures));
        return g_variant_builder_end(&b);
}

static void set_string(char **field, GVariant *body, const char *key)
{
        g_free(*field);
        *field = g_strdup(dict_str(body, key, ""));
}

static void read_targets(Update *u, GVariant *body)
{
        g_autoptr(GVariant) list = g_variant_lookup_value(body, "targets", G_VARIANT_TYPE("a(sss)"));
        const char *package, *from, *to;
        GVariantIter it;
        if (!list)
                return;
        g_variant_iter_init(&it, list);
        while (g_variant_iter_next(&it, "(&s&s&s)", &package, &from, &to))
                g_ptr_array_add(u->targets, target_new(package, from, to));
}

Update *update_from_record(const char *id, const char *battery, GVariant *body)
{
        guint64 number;
        int state = update_state_from_string(dict_str(body, "state", NULL));
        int strategy = strategy_from_string(dict_str(body, "strategy", NULL));
        int goal = update_state_from_string(dict_str(body, "goal", "rolled-back"));
        if (!g_ascii_string_to_unsigned(id, 10, 1, G_MAXUINT64, &number, NULL) || state < 0 || strategy < 0 ||
            goal < 0)
                return NULL;
        Update *u = update_new(number, dict_t(body, "transaction", 0), battery);
        u->state = u->told_state = state;
        u->strategy = strategy;
        u->goal = goal;
        set_string(&u->from, body, "from");
        set_string(&u->to, body, "to");
        set_string(&u->reason, body, "reason");
        set_string(&u->told_reason, body, "reason");
        set_string(&u->initiator, body, "initiator");
        set_string(&u->plan, body, "plan");
        read_targets(u, body);
        u->person = dict_b(body, "person", FALSE);
        u->override = dict_b(body, "override", FALSE);
        u->undo = dict_b(body, "undo", FALSE);
        u->restart = dict_b(body, "restart", FALSE);
        u->only = dict_u(body, "only", 0);
        u->promoted = dict_b(body, "promoted", FALSE);
        u->clear = dict_b(body, "clear", FALSE);
        u->switched = dict_b(body, "switched", FALSE);
        u->created_us = dict_x(body, "created", 0);
        u->started_us = dict_x(body, "started", 0);
        u->finished_us = dict_x(body, "finished", 0);
        u->warn_end_us = dict_x(body, "warn_end", 0);
        u->least_active = dict_u(body, "least_active", 0);
        u->failures = dict_u(body, "failures", 0);
        return u;
}

GVariant *step_to_record(const Step *s)
{
        return dict_make("replicant", g_variant_new_uint32(s->replicant), "act",
                         g_variant_new_string(step_act_to_string(s->act)), "state",
                         g_variant_new_string(step_state_to_string(s->state)), "back",
                         g_variant_new_boolean(s->back), "canary", g_variant_new_boolean(s->canary), "phase",
                         g_variant_new_uint32(s->phase), "reason", g_variant_new_string(s->reason), NULL);
}

gboolean update_add_step_record(Update *u, guint index, const char *battery, GVariant *body)
{
        int act = step_act_from_string(dict_str(body, "act", NULL));
        int state = step_state_from_string(dict_str(body, "state", NULL));
        guint replicant = dict_u(body, "replicant", 0);
        if (act < 0 || state < 0 || replicant == 0 || index > 10000)
                return FALSE;
        Step *s = step_new(u->id, battery, replicant, act, dict_str(body, "reason", ""));
        s->state = state;
        s->back = dict_b(body, "back", FALSE);
        s->canary = dict_b(body, "canary", FALSE);
        s->phase = dict_u(body, "phase", 0);
        s->index = index;
        if (index >= u->steps->len)
                g_ptr_array_set_size(u->steps, (int)index + 1);
        step_free(u->steps->pdata[index]);
        u->steps->pdata[index] = s;
        return TRUE;
}
