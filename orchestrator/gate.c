/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate of an update, before switching: whether the files are there, and in a full stop whether every old
 * process is gone, confirmed. Also the stops that lead there. */
#include "orchestrator/manager-priv.h"

/* Replicants that the battery file does not want any more are in no plan; supervision stops them. */
static gboolean surplus_lives(const Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                const Replicant *r = g_ptr_array_index(b->replicants, i);
                if (r->surplus && (r->pid || r->forking))
                        return TRUE;
        }
        return FALSE;
}

/* Some of those is not being stopped yet. */
static gboolean surplus_is_idle(const Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                const Replicant *r = g_ptr_array_index(b->replicants, i);
                if (r->surplus && (r->pid || r->forking) && !r->step)
                        return TRUE;
        }
        return FALSE;
}

gboolean update_gate_is_open(Manager *m, const Update *u, const Step *s)
{
        if (u->state == UPDATE_REPLACING)
                return FALSE;
        if (u->strategy != STRATEGY_FULL_STOP || s->act == STEP_SWITCH)
                return TRUE;
        if (!s->back && u->state != UPDATE_RUNNING)
                return FALSE;
        if (surplus_lives(battery_of(m, u->battery)))
                return FALSE;
        for (guint i = 0; i < u->steps->len; i++) {
                const Step *other = g_ptr_array_index(u->steps, i);
                if (other->back == s->back && other->state < STEP_SWITCHING)
                        return FALSE; /* incompatible versions never run side by side */
        }
        return TRUE;
}

gboolean update_is_stopped(Manager *m, const Update *u)
{
        for (guint i = 0; i < u->steps->len; i++)
                if (((const Step *)g_ptr_array_index(u->steps, i))->state < STEP_SWITCHING)
                        return FALSE;
        return !surplus_lives(battery_of(m, u->battery));
}

void update_begin_stops(Manager *m, Update *u)
{
        for (guint i = 0; i < u->steps->len; i++) {
                Step *s = g_ptr_array_index(u->steps, i);
                Replicant *r = battery_replicant(battery_of(m, u->battery), s->replicant);
                if (s->state != STEP_WAITING || s->act == STEP_SWITCH || !r)
                        continue;
                update_take_in_hand(m, r, s);
        }
        if (surplus_is_idle(battery_of(m, u->battery)))
                supervise_soon(m, u->battery);
}

void update_open_gates(Manager *m, Update *u)
{
        for (guint i = 0; i < u->steps->len; i++) {
                Step *s = g_ptr_array_index(u->steps, i);
                if (s->gated && update_gate_is_open(m, u, s))
                        step_open_gate(m, s);
        }
}
