/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The planner: chooses the strategy, orders the replicants, predicts the least number of active ones,
 * refuses what cannot keep the floor. Never turns a roll silently into a full stop. */
#include "orchestrator/plan/plan.h"

static void plan_step_clear(gpointer p)
{
        g_free(((PlanStep *)p)->reason);
}

void plan_free(Plan *p)
{
        if (!p)
                return;
        g_array_unref(p->steps);
        g_free(p->why);
        g_free(p);
}

static guint count_active(const PlanInput *in)
{
        guint n = 0;
        for (guint i = 0; i < in->n; i++)
                n += in->replicants[i].state == REPLICANT_ACTIVE;
        return n;
}

/* A version that is unknown before and after is no removal: a battery without a package is restarted. */
static gboolean is_removal(const PlanInput *in)
{
        return *in->from && !*in->to;
}

static void choose_strategy(const PlanInput *in, Plan *p)
{
        Strategy asked = in->strategy != STRATEGY_AUTO ? in->strategy : in->config->strategy;
        const char *whose = in->strategy != STRATEGY_AUTO ? "asked for" : "Strategy= of the battery file";
        if (is_removal(in)) {
                p->strategy = STRATEGY_FULL_STOP;
                p->why = g_strdup("the package is removed");
        } else if (asked != STRATEGY_AUTO) {
                p->strategy = asked;
                p->why = g_strdup(whose);
        } else if (in->restart || g_strcmp0(in->from_compatibility, in->to_compatibility) == 0) {
                p->strategy = STRATEGY_ROLLING;
                p->why = g_strdup_printf("compatibility version %s stays",
                                         in->to_compatibility ? in->to_compatibility : "unknown");
        } else {
                p->strategy = STRATEGY_FULL_STOP;
                p->why = g_strdup_printf("compatibility version changes from %s to %s",
                                         in->from_compatibility ? in->from_compatibility : "none",
                                         in->to_compatibility ? in->to_compatibility : "none");
        }
}

static gboolean is_concerned(const PlanInput *in, const PlanReplicant *r)
{
        if (in->only)
                return r->id == in->only;
        gboolean in_place = r->state == REPLICANT_ACTIVE || r->state == REPLICANT_PASSIVE;
        return in->restart || !in_place || !g_str_equal(r->version, in->to);
}

/* Passive ones first (nobody misses them), then those that serve nobody anyway, then the active ones with
 * the fewest calls in flight; ties by id. */
static int order_rank(const PlanReplicant *r)
{
        return r->role == ROLE_PASSIVE ? 0 : r->state != REPLICANT_ACTIVE ? 1 : 2;
}

static int order_compare(gconstpointer a, gconstpointer b)
{
        const PlanReplicant *x = *(PlanReplicant *const *)a, *y = *(PlanReplicant *const *)b;
        if (order_rank(x) != order_rank(y))
                return order_rank(x) - order_rank(y);
        if (x->in_flight != y->in_flight)
                return x->in_flight < y->in_flight ? -1 : 1;
        return x->id < y->id ? -1 : 1;
}

static GPtrArray *ordered(const PlanInput *in)
{
        GPtrArray *list = g_ptr_array_new();
        for (guint i = 0; i < in->n; i++)
                if (is_concerned(in, &in->replicants[i]))
                        g_ptr_array_add(list, (gpointer)&in->replicants[i]);
        g_ptr_array_sort(list, order_compare);
        return list;
}

static const char *order_reason(const PlanReplicant *r)
{
        static const char *const texts[] = {"passive: takes no calls, goes first",
                                            "serves nobody now: nothing is lost", "active"};
        return texts[order_rank(r)];
}

static void add_step(Plan *p, const PlanReplicant *r, StepAct act, guint phase, gboolean canary,
                     const char *reason)
{
        PlanStep s = {
                .replicant = r->id, .act = act, .canary = canary, .phase = phase, .reason = g_strdup(reason)};
        g_array_append_val(p->steps, s);
}

static void plan_stopped(Plan *p, GPtrArray *list)
{
        for (guint i = 0; i < list->len; i++)
                add_step(p, list->pdata[i], STEP_SWITCH, 1, FALSE, "the battery is stopped and stays so");
        p->least_active = 0;
}

static void plan_full_stop(const PlanInput *in, Plan *p, GPtrArray *list)
{
        StepAct act = is_removal(in) ? STEP_STOP : STEP_REPLACE;
        for (guint i = 0; i < list->len; i++)
                add_step(p, list->pdata[i], act, 1, FALSE,
                         act == STEP_STOP ? "its program is removed" : "full stop: all at once");
        p->least_active = 0;
}

/* Passive and idle ones go in a phase of their own width; active ones as wide as floor and MaxUnavailable
 * allow. */
static void plan_rolling(const PlanInput *in, Plan *p, GPtrArray *list)
{
        guint active = count_active(in), phase = 1, in_phase = 0, least = active, canaries = 0, gained = 0;
        guint canary = in->restart ? 0 : amount_of(in->config->canary, p->desired, 1);
        gboolean before_actives = TRUE;
        for (guint i = 0; i < list->len; i++) {
                const PlanReplicant *r = list->pdata[i];
                gboolean takes = r->state == REPLICANT_ACTIVE;
                gboolean is_canary = canaries < canary;
                gboolean after_canaries = canary && canaries == canary && i == canary;
                if (in_phase >= p->width || after_canaries || (takes && before_actives && in_phase)) {
                        phase++;
                        in_phase = 0;
                        active += gained; /* those that served nobody do from now on */
                        gained = 0;
                }
                before_actives &= !takes;
                in_phase++;
                canaries += is_canary;
                gained += !takes && r->role == ROLE_ACTIVE;
                if (takes)
                        least = MIN(least, active > in_phase ? active - in_phase : 0);
                g_autofree char *reason = is_canary ? g_strdup_printf("canary, %s", order_reason(r))
                                                    : g_strdup(order_reason(r));
                add_step(p, r, STEP_REPLACE, phase, is_canary, reason);
        }
        p->least_active = least;
}

/* Active ones that a roll would take away although the floor has no room: not even when all desired are
 * active, or not when those of the roll that do not serve now have come back (unless a person keeps them
 * out), or it would wait for ever. */
static gboolean floor_allows(const PlanInput *in, const Plan *p, GPtrArray *list)
{
        guint most = count_active(in);
        gboolean any = FALSE, takes = FALSE;
        for (guint i = 0; i < list->len; i++) {
                const PlanReplicant *r = list->pdata[i];
                gboolean serves = r->state == REPLICANT_ACTIVE;
                any |= r->role == ROLE_ACTIVE;
                takes |= serves;
                most += !serves && r->role == ROLE_ACTIVE && !r->drained;
        }
        return in->override || ((!any || p->floor < p->desired) && (!takes || p->floor < most));
}

static void refuse_floor(const PlanInput *in, Plan *p)
{
        p->refusal = REFUSAL_FLOOR_WOULD_BREAK;
        g_free(p->why);
        p->why = g_strdup_printf(
                "%s: a rolling update needs room for one replicant to be away, but %u of %u must "
                "stay active (MinActive=) and %u are; lower MinActive=, raise Replicants=, ask for "
                "--strategy=full-stop, or override",
                in->config->name, p->floor, p->desired, count_active(in));
}

Plan *plan_make(const PlanInput *in)
{
        Plan *p = g_new0(Plan, 1);
        g_autoptr(GPtrArray) list = ordered(in);
        p->steps = g_array_new(FALSE, TRUE, sizeof(PlanStep));
        g_array_set_clear_func(p->steps, plan_step_clear);
        p->desired = battery_config_desired(in->config);
        p->floor = battery_config_floor(in->config);
        p->width = battery_config_max_unavailable(in->config);
        choose_strategy(in, p);
        if (!in->override && p->strategy == STRATEGY_ROLLING && p->desired > p->floor)
                p->width = MIN(p->width, p->desired - p->floor);
        if (!in->wanted)
                plan_stopped(p, list);
        else if (p->strategy == STRATEGY_FULL_STOP)
                plan_full_stop(in, p, list);
        else if (floor_allows(in, p, list))
                plan_rolling(in, p, list);
        else
                refuse_floor(in, p);
        return p;
}

char *plan_to_text(const PlanInput *in, const Plan *p)
{
        GString *s = g_string_new(NULL);
        g_string_append_printf(s, "battery %s: %s -> %s\nbefore:\n", in->config->name,
                               *in->from ? in->from : "-", *in->to ? in->to : "-");
        for (guint i = 0; i < in->n; i++) {
                const PlanReplicant *r = &in->replicants[i];
                g_string_append_printf(s, "  %u %s %s %s\n", r->id, role_to_string(r->role),
                                       replicant_state_to_string(r->state), *r->version ? r->version : "-");
        }
        if (p->refusal != REFUSAL_NONE) {
                g_string_append_printf(s, "refused: %s: %s\n", refusal_to_string(p->refusal), p->why);
                return g_string_free(s, FALSE);
        }
        g_string_append_printf(
                s, "strategy: %s (%s)\ndesired %u, floor %u, at once %u, least active %u\nplan:\n",
                strategy_to_string(p->strategy), p->why, p->desired, p->floor, p->width, p->least_active);
        for (guint i = 0; i < p->steps->len; i++) {
                const PlanStep *st = &g_array_index(p->steps, PlanStep, i);
                g_string_append_printf(s, "  phase %u: %s %u (%s)\n", st->phase, step_act_to_string(st->act),
                                       st->replicant, st->reason);
        }
        g_string_append_printf(s, "after:\n");
        for (guint i = 0; i < in->n; i++)
                g_string_append_printf(s, "  %u %s\n", in->replicants[i].id, *in->to ? in->to : "-");
        return g_string_free(s, FALSE);
}
