/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Going back: forward steps are given up, every replicant that was touched gets a step of its own back to
 * what it ran before, and the update ends in what it was to end in. */
#include "orchestrator/manager-priv.h"

static gboolean needs_going_back(Manager *m, const Update *u, const Replicant *r)
{
        gboolean touched = FALSE;
        for (guint i = 0; i < u->steps->len; i++) {
                const Step *s = g_ptr_array_index(u->steps, i);
                touched |= !s->back && s->replicant == r->id && s->phase != G_MAXUINT;
        }
        return touched && !(r->admitted && g_str_equal(r->version, u->from));
}

static void add_back_step(Manager *m, Update *u, Battery *b, Replicant *r)
{
        StepAct act = !b->wanted ? STEP_SWITCH : update_is_first(u) ? STEP_STOP : STEP_REPLACE;
        Step *s = step_new(u->id, u->battery, r->id, act, "going back");
        s->back = TRUE;
        s->index = u->steps->len;
        g_ptr_array_add(u->steps, s);
        step_save(m, s);
}

static gboolean has_back_steps(const Update *u)
{
        for (guint i = 0; i < u->steps->len; i++)
                if (((const Step *)g_ptr_array_index(u->steps, i))->back)
                        return TRUE;
        return FALSE;
}

/* Forward steps are given up; one in the middle of a switch ends it first, or two switches would race. */
static void give_up_forward(Manager *m, Update *u)
{
        for (guint i = 0; i < u->steps->len; i++) {
                Step *s = g_ptr_array_index(u->steps, i);
                if (!s->back && !step_is_final(s) && !step_is_switching(s)) {
                        gboolean untouched = s->state == STEP_WAITING;
                        if (untouched)
                                s->phase = G_MAXUINT;
                        step_interrupt(m, s, untouched ? "not begun: going back" : "given up: going back");
                }
        }
}

/* Those that serve nobody first: they make the room that the floor wants for the others. */
static void plan_going_back(Manager *m, Update *u)
{
        Battery *b = battery_of(m, u->battery);
        for (guint active = 0; active < 2; active++)
                for (guint i = 0; i < b->replicants->len; i++) {
                        Replicant *r = b->replicants->pdata[i];
                        if ((replicant_get_state(r) == REPLICANT_ACTIVE) != active ||
                            !needs_going_back(m, u, r))
                                continue;
                        r->failed = FALSE;
                        add_back_step(m, u, b, r);
                }
}

void update_go_back(Manager *m, Update *u, UpdateState goal, const char *why)
{
        u->goal = goal;
        update_feed(m, u, UPDATE_EVENT_BACK, why);
        if (u->state == UPDATE_ROLLING_BACK) {
                update_save(m, u);
                update_advance(m, u);
        }
}

/* What could not be brought back at once is tried again as any crashed one is: with back-off, up to the
 * limit. What kept it down may pass, and nobody else would look. */
static void hand_over_failed(Manager *m, Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = g_ptr_array_index(b->replicants, i);
                if (r->failed && !r->step)
                        supervise_try_again(m, r);
        }
        supervise(m, b);
}

void update_end_back(Manager *m, Update *u)
{
        gboolean failed = FALSE;
        for (guint i = 0; i < u->steps->len; i++) {
                const Step *s = g_ptr_array_index(u->steps, i);
                failed |= s->back && s->state == STEP_FAILED;
        }
        if (failed) {
                g_autofree char *why =
                        g_strdup_printf("%s; going back failed too, see `nyota log`", u->reason);
                update_feed(m, u, UPDATE_EVENT_FAIL, why);
                hand_over_failed(m, battery_of(m, u->battery));
        } else if (u->goal == UPDATE_CANCELLED) {
                update_feed(m, u, UPDATE_EVENT_CANCEL, NULL);
        } else {
                update_feed(m, u, UPDATE_EVENT_BACK_DONE, NULL);
        }
}

static gboolean has_forward_steps_open(const Update *u)
{
        for (guint i = 0; i < u->steps->len; i++) {
                const Step *s = g_ptr_array_index(u->steps, i);
                if (!s->back && !step_is_final(s))
                        return TRUE;
        }
        return FALSE;
}

void update_prepare_back(Manager *m, Update *u)
{
        give_up_forward(m, u);
        if (!has_forward_steps_open(u) && !has_back_steps(u))
                plan_going_back(m, u);
}
