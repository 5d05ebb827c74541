/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An update's course: who writes its state, what each state begins, which step goes next, when it has
 * failed and what then, and its one verdict. */
#include "orchestrator/manager-priv.h"
#include "orchestrator/model/version.h"

#define FAILURES_TOLD 16 /* in a reason, which is one record's part and a person's to read */

static const BatteryConfig *config_of(Manager *m, const Update *u)
{
        return battery_of(m, u->battery)->config;
}

static GVariant *detail_of(const Update *u)
{
        g_autofree char *path = update_path(u->id);
        return dict_make("update", g_variant_new_object_path(path), "strategy",
                         g_variant_new_string(strategy_to_string(u->strategy)), "from",
                         g_variant_new_string(u->from), "to", g_variant_new_string(u->to), NULL);
}

static GVariant *detail_with(const Update *u, const char *key, GVariant *value)
{
        g_autoptr(GVariant) base = g_variant_ref_sink(detail_of(u));
        GVariantDict d;
        g_variant_dict_init(&d, base);
        g_variant_dict_insert_value(&d, key, value);
        return g_variant_dict_end(&d);
}

/* ---- state entries ---- */

static void on_warned(gpointer user)
{
        Update *u = user;
        u->timer = 0;
        update_check_objections(u->runner, u);
}

static void on_deadline(gpointer user);

/* A soak is no standstill: the deadline counts from the end of the last one. */
static void arm_deadline(Manager *m, Update *u)
{
        clock_cancel(m->clock, &u->deadline_timer);
        if (u->state == UPDATE_RUNNING || u->state == UPDATE_ROLLING_BACK)
                u->deadline_timer = clock_at(m->clock,
                                             MAX(clock_boot_us(m->clock), u->soak_end_us) +
                                                     config_of(m, u)->progress_deadline_us,
                                             on_deadline, u);
}

void update_note_soak(Manager *m, Update *u, gint64 soak_us)
{
        u->soak_end_us = MAX(u->soak_end_us, clock_boot_us(m->clock) + soak_us);
        arm_deadline(m, u);
}

void update_arm(Manager *m, Update *u)
{
        gint64 now = clock_boot_us(m->clock);
        u->runner = m;
        if (u->state == UPDATE_WARNED && !u->clear) {
                gint64 left = MAX(u->warn_end_us - clock_real_us(m->clock), 0);
                left = MIN(left, config_of(m, u)->warn_us); /* the wall clock may have been set back */
                u->delay_end_us = now + left + config_of(m, u)->inhibit_delay_max_us;
                u->timer = clock_at(m->clock, now + left, on_warned, u);
        }
        arm_deadline(m, u);
}

static void enter_warned(Manager *m, Update *u)
{
        /* Where nothing runs nobody needs time to get ready. */
        gint64 lead = battery_alive(battery_of(m, u->battery)) ? config_of(m, u)->warn_us : 0;
        u->warn_end_us = clock_real_us(m->clock) + lead;
        manager_tell(m, EVENT_UPDATE_WARNING, u->battery,
                     detail_with(u, "deadline", g_variant_new_int64(u->warn_end_us)));
        update_arm(m, u);
}

static void enter_running(Manager *m, Update *u)
{
        if (u->started_us == 0) {
                u->started_us = clock_real_us(m->clock);
                manager_tell(m, EVENT_UPDATE_STARTED, u->battery, detail_of(u));
        }
        arm_deadline(m, u);
}

/* What the battery is to run from now on, and what is not to come back by itself. An update that failed
 * while it went back has not made its version the battery's: what starts again is to be the old one. */
static void settle_versions(Update *u, Battery *b, UpdateState before)
{
        gboolean gone_back = u->state == UPDATE_ROLLED_BACK || before == UPDATE_ROLLING_BACK;
        gboolean taken = u->state == UPDATE_DONE || (u->state == UPDATE_FAILED && !gone_back);
        gboolean pinned = u->switched && gone_back && u->state != UPDATE_CANCELLED;
        for (guint i = 0; i < u->targets->len; i++) {
                const Target *t = g_ptr_array_index(u->targets, i);
                if (taken) {
                        if (!g_str_equal(t->from, t->to))
                                g_hash_table_insert(b->previous, g_strdup(t->package), g_strdup(t->from));
                        if (*t->to)
                                g_hash_table_insert(b->versions, g_strdup(t->package), g_strdup(t->to));
                        else
                                g_hash_table_remove(b->versions, t->package);
                        const char *pin = g_hash_table_lookup(b->pins, t->package);
                        if (pin && (u->person || version_compare(t->to, pin) > 0))
                                g_hash_table_remove(b->pins, t->package);
                        if (u->undo && u->state == UPDATE_DONE)
                                g_hash_table_insert(b->pins, g_strdup(t->package), g_strdup(t->from));
                } else if (pinned && !g_str_equal(t->from, t->to)) { /* a restart has no version to blame */
                        g_hash_table_insert(b->pins, g_strdup(t->package), g_strdup(t->to));
                }
        }
        if (u->state == UPDATE_DONE && update_is_removal(u))
                b->wanted = FALSE;
        if (taken) {
                g_free(b->version);
                b->version = g_strdup(u->to);
        }
}

static void tell_finished(Manager *m, Update *u)
{
        g_autofree char *path = update_path(u->id);
        double seconds =
                (double)(u->finished_us - (u->started_us ? u->started_us : u->created_us)) / G_USEC_PER_SEC;
        if (u->state == UPDATE_ROLLED_BACK)
                manager_tell(m, EVENT_UPDATE_ROLLED_BACK, u->battery,
                             detail_with(u, "reason", g_variant_new_string(u->reason)));
        manager_tell(m, EVENT_UPDATE_FINISHED, u->battery,
                     dict_make("update", g_variant_new_object_path(path), "strategy",
                               g_variant_new_string(strategy_to_string(u->strategy)), "from",
                               g_variant_new_string(u->from), "to", g_variant_new_string(u->to), "state",
                               g_variant_new_string(update_state_to_string(u->state)), "reason",
                               g_variant_new_string(u->reason), "seconds", g_variant_new_double(seconds),
                               "least_active", g_variant_new_uint32(u->least_active), NULL));
}

static void do_finished(gpointer user, GVariant *args)
{
        Manager *m = user;
        guint64 id;
        g_variant_get(args, "(t)", &id);
        Update *u = manager_update(m, id);
        if (u && m->publisher)
                m->publisher->finished(u, m->publisher_user);
}

static void answer_waiters(Manager *m, Update *u)
{
        for (guint i = m->waiters->len; i > 0; i--) {
                Waiter *w = m->waiters->pdata[i - 1];
                if (w->update != u->id)
                        continue;
                g_ptr_array_remove_index(m->waiters, i - 1);
                Refusal code = u->state == UPDATE_DONE     ? REFUSAL_NONE
                               : u->state == UPDATE_VETOED ? REFUSAL_VETOED
                                                           : REFUSAL_NO_REPLICANT;
                manager_answer(m, w->answer, w->user, code, u->reason, NULL);
                g_free(w);
        }
}

static void enter_final(Manager *m, Update *u, UpdateState before)
{
        Battery *b = battery_of(m, u->battery);
        u->finished_us = clock_real_us(m->clock);
        clock_cancel(m->clock, &u->timer);
        clock_cancel(m->clock, &u->deadline_timer);
        if (b->update == u->id) {
                b->update = 0;
                b->update_runs = FALSE;
        }
        settle_versions(u, b, before);
        reload_apply_next(m, b);
        battery_save(m, b);
        if (u->started_us || u->state == UPDATE_VETOED || u->warn_end_us)
                tell_finished(m, u);
        outbox_after(m->outbox, do_finished, m, g_variant_new("(t)", u->id));
        answer_waiters(m, u);
}

static void update_set_state(Manager *m, Update *u, UpdateState state, const char *why)
{
        Battery *b = battery_of(m, u->battery);
        UpdateState before = u->state;
        g_assert(before != state);
        clock_cancel(m->clock, &u->timer);
        u->state = state;
        u->runner = m;
        if (why) {
                g_free(u->reason);
                u->reason = g_utf8_make_valid(why, -1);
        }
        b->update_runs = !update_is_final(u) && state >= UPDATE_WARNED;
        if (state == UPDATE_WARNED)
                enter_warned(m, u);
        else if (state == UPDATE_RUNNING)
                enter_running(m, u);
        else if (update_is_final(u))
                enter_final(m, u, before);
        arm_deadline(m, u);
        update_save(m, u);
        update_track_active(m, b);
        if (state == UPDATE_PAUSED || update_is_final(u))
                supervise_soon(m, u->battery);
        transact_update_moved(m, u);
}

void update_feed(Manager *m, Update *u, UpdateEvent event, const char *why)
{
        UpdateState next = update_next(u->state, event);
        if (next != _UPDATE_STATE_INVALID && next != u->state)
                update_set_state(m, u, next, why);
}

/* ---- warning and objections ---- */

void update_check_objections(Manager *m, Update *u)
{
        Inhibitor *i;
        gint64 now = clock_boot_us(m->clock);
        if (u->state != UPDATE_WARNED || u->clear || u->timer)
                return;
        if (inhibit_find(m, u->battery, "block", &i)) {
                g_autofree char *why = g_strdup_printf("vetoed by %s: %s", i->who, i->why);
                update_feed(m, u, UPDATE_EVENT_VETO, why);
        } else if (inhibit_find(m, u->battery, "delay", &i) && now < u->delay_end_us) {
                u->timer = clock_at(m->clock, u->delay_end_us, on_warned, u);
        } else {
                u->clear = TRUE;
                update_save(m, u);
                transact_update_moved(m, u);
        }
}

/* ---- steps ---- */

void update_track_active(Manager *m, Battery *b)
{
        Update *u = battery_current_update(m, b);
        if (!u || u->state < UPDATE_REPLACING)
                return;
        guint active = battery_active(b);
        if (active < u->least_active) {
                u->least_active = active;
                update_save(m, u);
        }
}

/* Whatever supervision was about to do with R is given up. */
void update_take_in_hand(Manager *m, Replicant *r, Step *s)
{
        if (r->step && r->step->update == 0) {
                Step *old = r->step;
                step_interrupt(m, old, "an update takes over");
                step_free(old);
        }
        clock_cancel(m->clock, &r->backoff_timer);
        r->failures = 0;
        step_begin(m, s);
}

static RollView roll_view(Manager *m, const Update *u)
{
        Battery *b = battery_of(m, u->battery);
        gboolean back = u->state == UPDATE_ROLLING_BACK;
        guint width = back ? battery_config_rollback_max_unavailable(b->config)
                           : battery_config_max_unavailable(b->config);
        RollView v = {.active = battery_active(b),
                      .floor = battery_config_floor(b->config),
                      .width = width,
                      .override = u->override,
                      .canary_open = TRUE};
        if (u->strategy == STRATEGY_FULL_STOP)
                v.width = G_MAXUINT, v.override = TRUE;
        for (guint i = 0; i < u->steps->len && !back; i++) {
                const Step *s = g_ptr_array_index(u->steps, i);
                v.canary_open &= !s->canary || step_is_final(s);
        }
        return v;
}

/* Whether STEP's replicant may be taken in hand: supervision's own acts come to their end first. */
static gboolean step_can_begin(Battery *b, const Step *s)
{
        Replicant *r = battery_replicant(b, s->replicant);
        return r && !(r->step && r->step->update == 0 && r->step->state < STEP_STARTING);
}

int update_next_step(Manager *m, const Update *u)
{
        Battery *b = battery_of(m, u->battery);
        gboolean back = u->state == UPDATE_ROLLING_BACK;
        g_autofree RollStep *view = g_new0(RollStep, u->steps->len + 1);
        if (u->state != UPDATE_RUNNING && !back)
                return ROLL_NONE;
        for (guint i = 0; i < u->steps->len; i++) {
                const Step *s = g_ptr_array_index(u->steps, i);
                const Replicant *r = battery_replicant(b, s->replicant);
                view[i].waiting = s->state == STEP_WAITING && s->back == back && step_can_begin(b, s);
                view[i].running = step_is_running(s) && s->act != STEP_SWITCH;
                view[i].canary = s->canary || back;
                view[i].active = r && replicant_get_state(r) == REPLICANT_ACTIVE && s->act != STEP_SWITCH;
        }
        RollView v = roll_view(m, u);
        return roll_next(view, u->steps->len, &v);
}

/* Begins what may begin. Beginning one may end it at once (nothing to do), so look again each time. */
static void begin_steps(Manager *m, Update *u)
{
        int next;
        while ((next = update_next_step(m, u)) >= 0) {
                Step *s = g_ptr_array_index(u->steps, next);
                update_take_in_hand(m, battery_replicant(battery_of(m, u->battery), s->replicant), s);
        }
}

static gboolean has_open_steps(const Update *u)
{
        for (guint i = 0; i < u->steps->len; i++)
                if (!step_is_final(g_ptr_array_index(u->steps, i)))
                        return TRUE;
        return FALSE;
}

/* Those that failed, in words; the steps themselves tell of those beyond. */
static GString *failures(const Update *u)
{
        GString *failed = g_string_new(NULL);
        guint n = 0;
        for (guint i = 0; i < u->steps->len; i++) {
                const Step *s = g_ptr_array_index(u->steps, i);
                if (s->state == STEP_FAILED && ++n <= FAILURES_TOLD)
                        g_string_append_printf(failed, "%sreplicant %u: %s", failed->len ? "; " : "",
                                               s->replicant, s->reason);
        }
        if (n > FAILURES_TOLD)
                g_string_append_printf(failed, "; and %u more", n - FAILURES_TOLD);
        return failed;
}

static void end_running(Manager *m, Update *u)
{
        GString *failed = failures(u);
        const BatteryConfig *c = config_of(m, u);
        guint tolerated = amount_of(c->max_failures, battery_config_desired(c), 0);
        if (u->failures > tolerated)
                update_feed(m, u, UPDATE_EVENT_FAIL, failed->str);
        else
                update_feed(m, u, UPDATE_EVENT_DONE,
                            failed->len ? failed->str : "all replicants run the new version");
        g_string_free(failed, TRUE);
}

void update_advance(Manager *m, Update *u)
{
        u->again = TRUE;
        if (u->advancing)
                return; /* we are below ourselves; the one above looks again */
        u->advancing = TRUE;
        while (u->again) {
                u->again = FALSE;
                if (u->state == UPDATE_ROLLING_BACK)
                        update_prepare_back(m, u);
                update_open_gates(m, u);
                if (u->state == UPDATE_RUNNING || u->state == UPDATE_ROLLING_BACK)
                        begin_steps(m, u);
                update_open_gates(m, u);
        }
        u->advancing = FALSE;
        if (has_open_steps(u))
                return;
        if (u->state == UPDATE_RUNNING)
                end_running(m, u);
        else if (u->state == UPDATE_ROLLING_BACK)
                update_end_back(m, u);
}

/* ---- failures ---- */

static void on_failure(Manager *m, Update *u, const char *why)
{
        switch (config_of(m, u)->on_failure) {
        case ON_FAILURE_ROLLBACK:
                if (!update_is_first(u) || u->strategy == STRATEGY_FULL_STOP)
                        update_go_back(m, u, UPDATE_ROLLED_BACK, why);
                else
                        update_feed(m, u, UPDATE_EVENT_PAUSE, why);
                break;
        case ON_FAILURE_PAUSE:
                update_feed(m, u, UPDATE_EVENT_PAUSE, why);
                break;
        case ON_FAILURE_CONTINUE:
        case _ON_FAILURE_MAX:
        case _ON_FAILURE_INVALID:
                break;
        }
}

/* What has not begun in all this time never will (the floor has no room, say): the update ends without it.
 * What runs has limits of its own. */
static void give_up_waiting(Manager *m, Update *u, const char *why)
{
        for (guint i = 0; i < u->steps->len; i++) {
                Step *s = g_ptr_array_index(u->steps, i);
                if (s->state != STEP_WAITING)
                        continue;
                step_interrupt(m, s, why);
                u->failures += !s->back;
        }
        update_save(m, u);
        arm_deadline(m, u);
        update_advance(m, u);
}

static void on_deadline(gpointer user)
{
        Update *u = user;
        Manager *m = u->runner;
        u->deadline_timer = 0;
        g_autofree char *why =
                g_strdup_printf("no progress for %" G_GINT64_FORMAT " s (ProgressDeadlineSec=)",
                                config_of(m, u)->progress_deadline_us / G_USEC_PER_SEC);
        if (u->state == UPDATE_ROLLING_BACK || config_of(m, u)->on_failure == ON_FAILURE_CONTINUE)
                give_up_waiting(m, u, why);
        else
                on_failure(m, u, why);
}

void update_step_finished(Manager *m, Update *u, Step *s)
{
        const BatteryConfig *c = config_of(m, u);
        arm_deadline(m, u);
        if (s->state == STEP_FAILED && !s->back &&
            (u->state == UPDATE_RUNNING || u->state == UPDATE_PAUSED)) {
                u->failures++;
                update_save(m, u);
                /* Paused or not: what is to go back does not wait for a person. */
                if (u->failures > amount_of(c->max_failures, battery_config_desired(c), 0)) {
                        g_autofree char *why = g_strdup_printf("replicant %u: %s", s->replicant, s->reason);
                        on_failure(m, u, why);
                }
        }
        if (u->state == UPDATE_RUNNING || u->state == UPDATE_ROLLING_BACK)
                update_advance(m, u);
        else if (u->state == UPDATE_REPLACING)
                transact_update_moved(m, u);
}
