/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stepper: what is done to one replicant, act by act. A step's state is written here and nowhere else;
 * run/update-step.c says which state follows; entering a state asks for its act through the outbox, so that
 * it is done only once the state is durable (acts.c). */
#include "orchestrator/manager-priv.h"

static void step_enter(Manager *m, Step *s);

static Replicant *replicant_of(Manager *m, const char *battery, guint id)
{
        Battery *b = battery_of(m, battery);
        return b ? battery_replicant(b, id) : NULL;
}

static const BatteryConfig *config_of(Manager *m, const Step *s)
{
        return battery_of(m, s->battery)->config;
}

static Update *update_of(Manager *m, const Step *s)
{
        return s->update ? manager_update(m, s->update) : NULL;
}

static GVariant *detail_of(const Step *s, const char *key, GVariant *value)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        dict_add(&b, "replicant", g_variant_new_uint32(s->replicant));
        if (s->update) {
                g_autofree char *path = update_path(s->update);
                dict_add(&b, "update", g_variant_new_object_path(path));
        }
        if (key)
                dict_add(&b, key, value);
        return g_variant_builder_end(&b);
}

static void on_ready_timeout(gpointer user)
{
        Step *s = user;
        Manager *m = s->runner;
        s->timer = 0;
        g_autofree char *why = g_strdup_printf("not ready within %" G_GINT64_FORMAT " s (ReadyTimeoutSec=)",
                                               config_of(m, s)->ready_timeout_us / G_USEC_PER_SEC);
        step_feed(m, s, STEP_EVENT_FAULT, why);
}

static void enter_draining(Manager *m, Step *s)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        if (r->pid == 0 || !r->admitted) {
                step_feed(m, s, STEP_EVENT_DRAINED, NULL);
                return;
        }
        manager_tell(m, EVENT_REPLICANT_DRAINING, s->battery, detail_of(s, NULL, NULL));
        if (config_of(m, s)->drain)
                act_command(m, s, config_of(m, s)->drain, config_of(m, s)->drain_timeout_us);
        else
                step_feed(m, s, STEP_EVENT_DRAINED, NULL);
}

static void enter_stopping(Manager *m, Step *s)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        if (r->admitted) {
                r->admitted = FALSE;
                replicant_save(m, r);
        }
        if (r->pid || r->forking)
                act_stop(m, r, config_of(m, s)->stop_timeout_us);
        else
                step_feed(m, s, STEP_EVENT_STOPPED, NULL);
}

static void enter_switching(Manager *m, Step *s)
{
        Update *u = update_of(m, s);
        s->gated = u && !update_gate_is_open(m, u, s);
        if (s->gated) { /* down, confirmed: that may have been what the transaction waits for */
                transact_update_moved(m, u);
                return;
        }
        s->outstanding = 0;
        if (u) {
                for (guint i = 0; i < u->targets->len; i++) {
                        const Target *t = g_ptr_array_index(u->targets, i);
                        act_switch(m, s, t->package, s->back ? t->from : t->to);
                }
                if (!s->back && !u->switched) {
                        u->switched = TRUE;
                        update_save(m, u);
                }
        } else {
                GHashTableIter it;
                gpointer k, v;
                g_hash_table_iter_init(&it, battery_of(m, s->battery)->versions);
                while (g_hash_table_iter_next(&it, &k, &v))
                        act_switch(m, s, k, v);
        }
        if (s->outstanding == 0)
                step_feed(m, s, STEP_EVENT_SWITCHED, NULL);
}

static void enter_starting(Manager *m, Step *s)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        r->forking = TRUE;
        r->failed = FALSE;
        act_start(m, r);
        s->timer = clock_at(m->clock, clock_boot_us(m->clock) + config_of(m, s)->ready_timeout_us,
                            on_ready_timeout, s);
}

static void enter_verifying(Manager *m, Step *s)
{
        const BatteryConfig *c = config_of(m, s);
        if (c->check)
                act_command(m, s, c->check, c->ready_timeout_us);
        else
                step_feed(m, s, STEP_EVENT_CHECKED, NULL);
}

/* Soaking has three parts: the time, the check once more, and the admit command. */
enum { SOAK_TIME, SOAK_CHECK, SOAK_ADMIT, SOAK_OVER };

static void soak_on(Manager *m, Step *s);

static void on_soaked(gpointer user)
{
        Step *s = user;
        Manager *m = s->runner;
        s->timer = 0;
        s->part = SOAK_CHECK;
        soak_on(m, s);
}

/* A part of the soak ended well: on to the next. */
void step_soak_on(Manager *m, Step *s)
{
        s->part++;
        soak_on(m, s);
}

void step_promote(Manager *m, Step *s)
{
        if (s->part != SOAK_TIME)
                return;
        clock_cancel(m->clock, &s->timer);
        s->part = SOAK_CHECK;
        soak_on(m, s);
}

static gint64 soak_time(Manager *m, const Step *s)
{
        const Update *u = update_of(m, s);
        if (s->act != STEP_REPLACE || s->back)
                return 0; /* going back hurries; a plain start has nothing new to watch */
        return s->canary && !u->promoted ? config_of(m, s)->canary_soak_us : config_of(m, s)->soak_us;
}

static void soak_on(Manager *m, Step *s)
{
        const BatteryConfig *c = config_of(m, s);
        gint64 time = soak_time(m, s);
        if (s->part == SOAK_TIME && time > 0) {
                s->timer = clock_at(m->clock, clock_boot_us(m->clock) + time, on_soaked, s);
                update_note_soak(m, update_of(m, s), time);
                return;
        }
        if (s->part <= SOAK_CHECK && time > 0 && c->check) {
                s->part = SOAK_CHECK;
                act_command(m, s, c->check, c->ready_timeout_us);
                return;
        }
        if (s->part <= SOAK_ADMIT && c->admit) {
                s->part = SOAK_ADMIT;
                act_command(m, s, c->admit, c->drain_timeout_us);
                return;
        }
        step_feed(m, s, STEP_EVENT_SOAKED, NULL);
}

/* ---- the end of a step ---- */

static void set_health(Replicant *r, const char *health)
{
        g_free(r->health);
        r->health = g_strdup(health);
}

static void step_over(Manager *m, Step *s, const char *why)
{
        Battery *b = battery_of(m, s->battery);
        Replicant *r = battery_replicant(b, s->replicant);
        gboolean ok = s->state == STEP_ADMITTED;
        StepAct act = s->act;
        if (ok && (act == STEP_REPLACE || act == STEP_START)) {
                r->admitted = TRUE;
                r->healthy_since_us = clock_boot_us(m->clock);
                set_health(r, "good");
                manager_tell(m, EVENT_REPLICANT_HEALTHY, s->battery,
                             detail_of(s, "version", g_variant_new_string(r->version)));
        } else if (!ok) {
                set_health(r, why);
                manager_tell(m, EVENT_REPLICANT_FAILED, s->battery,
                             detail_of(s, "reason", g_variant_new_string(why)));
        }
        if (r->step == s)
                r->step = NULL;
        replicant_save(m, r);
        if (s->update) {
                Update *u = update_of(m, s);
                r->failed = !ok;
                update_step_finished(m, u, s);
        } else {
                supervise_step_finished(m, b, r, act, ok, why);
                step_free(s); /* WHY is its own */
        }
        supervise(m, b);
}

static void cancel_waits(Manager *m, Step *s)
{
        clock_cancel(m->clock, &s->timer);
        if (s->cookie && s->state != STEP_SWITCHING)
                m->runner->command_cancel(m->runner, s->cookie);
        act_forget_cookie(m, s);
        s->part = 0;
        s->gated = FALSE;
}

static void step_set_state(Manager *m, Step *s, StepState state, const char *why)
{
        cancel_waits(m, s);
        s->state = state;
        if (state == STEP_FAILED) {
                g_free(s->reason);
                s->reason = g_strdup(why ? why : "failed");
        }
        step_save(m, s);
        manager_changed(m, OBJECT_REPLICANT, s->battery, s->replicant);
        manager_changed(m, OBJECT_BATTERY, s->battery, 0);
        update_track_active(m, battery_of(m, s->battery));
        step_enter(m, s);
}

static void step_enter(Manager *m, Step *s)
{
        switch (s->state) {
        case STEP_DRAINING:
                enter_draining(m, s);
                break;
        case STEP_STOPPING:
                enter_stopping(m, s);
                break;
        case STEP_SWITCHING:
                enter_switching(m, s);
                break;
        case STEP_STARTING:
                enter_starting(m, s);
                break;
        case STEP_VERIFYING:
                enter_verifying(m, s);
                break;
        case STEP_SYNCHRONISING: /* without a controller there is nobody to catch up with */
                step_feed(m, s, STEP_EVENT_SYNCHRONISED, NULL);
                break;
        case STEP_SOAKING:
                soak_on(m, s);
                break;
        case STEP_ADMITTED:
        case STEP_FAILED:
                step_over(m, s, s->reason);
                break;
        case STEP_WAITING:
        case _STEP_STATE_MAX:
        case _STEP_STATE_INVALID:
                g_assert_not_reached();
        }
}

void step_feed(Manager *m, Step *s, StepEvent event, const char *why)
{
        StepState next = step_next(s->act, s->state, event);
        if (next != _STEP_STATE_INVALID)
                step_set_state(m, s, next, why);
}

void step_begin_at(Manager *m, Step *s, StepState state)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        g_assert(!r->step || r->step == s);
        r->step = s;
        s->runner = m;
        step_set_state(m, s, state, NULL);
}

void step_begin(Manager *m, Step *s)
{
        step_begin_at(m, s, step_next(s->act, STEP_WAITING, STEP_EVENT_GO));
}

gboolean step_is_switching(const Step *s)
{
        return s->state == STEP_SWITCHING && !s->gated;
}

void step_open_gate(Manager *m, Step *s)
{
        if (s->state == STEP_SWITCHING && s->gated)
                enter_switching(m, s);
}

void step_interrupt(Manager *m, Step *s, const char *why)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        cancel_waits(m, s);
        if (r && r->step == s)
                r->step = NULL;
        s->state = STEP_FAILED;
        g_free(s->reason);
        s->reason = g_strdup(why);
        step_save(m, s);
}
