/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Supervision: brings a battery's replicants towards what is wanted of it, one act at a time and outside
 * of updates: start, stop, start again with back-off after a crash, up to a limit. Also: the floor is
 * watched here, and who waits for a start or a stop is answered. */
#include "orchestrator/manager-priv.h"

void battery_make_replicants(Manager *m, Battery *b)
{
        for (guint id = 1; id <= b->config->replicants; id++) {
                Role role = id <= battery_config_desired(b->config) ? ROLE_ACTIVE : ROLE_PASSIVE;
                Replicant *r = battery_replicant(b, id);
                if (r) {
                        r->surplus = FALSE;
                        continue;
                }
                r = replicant_new(b->config->name, id, role);
                g_ptr_array_add(b->replicants, r);
                manager_added(m, OBJECT_REPLICANT, b->config->name, id);
        }
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = b->replicants->pdata[i];
                r->surplus = r->id > b->config->replicants;
        }
}

void battery_reset_failures(Manager *m, Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = b->replicants->pdata[i];
                r->failures = 0;
                clock_cancel(m->clock, &r->backoff_timer);
                if (r->failed) {
                        r->failed = FALSE;
                        replicant_save(m, r);
                }
        }
}

static void begin(Manager *m, Replicant *r, StepAct act, StepState at, const char *reason)
{
        Step *s = step_new(0, r->battery, r->id, act, reason);
        if (at == STEP_WAITING)
                step_begin(m, s);
        else
                step_begin_at(m, s, at);
}

static void on_backoff(gpointer user)
{
        Replicant *r = user;
        Manager *m = r->runner;
        r->backoff_timer = 0;
        Battery *b = battery_of(m, r->battery);
        if (b)
                supervise(m, b);
}

/* Counts a start that did not last; puts the next one off, or gives up. */
static void note_failure(Manager *m, Replicant *r)
{
        gint64 now = clock_boot_us(m->clock);
        if (r->healthy_since_us && now - r->healthy_since_us >= LASTING_US)
                r->failures = 0;
        r->healthy_since_us = 0;
        r->failures++;
        if (r->failures > START_LIMIT) {
                g_autofree char *last = g_steal_pointer(&r->health);
                r->health = g_strdup_printf("given up after %u starts in a row that did not last: %s",
                                            START_LIMIT, last);
                r->failed = TRUE;
                replicant_save(m, r);
                return;
        }
        gint64 wait = MIN(BACKOFF_FIRST_US << (r->failures - 1), BACKOFF_MOST_US);
        r->runner = m;
        clock_cancel(m->clock, &r->backoff_timer);
        r->backoff_timer = clock_at(m->clock, now + wait, on_backoff, r);
}

void supervise_try_again(Manager *m, Replicant *r)
{
        r->failed = FALSE;
        note_failure(m, r);
        replicant_save(m, r);
}

void supervise_fault(Manager *m, Battery *b, Replicant *r, const char *why)
{
        g_free(r->health);
        r->health = g_strdup(why);
        manager_tell(m, EVENT_REPLICANT_FAILED, r->battery,
                     dict_make("replicant", g_variant_new_uint32(r->id), "reason", g_variant_new_string(why),
                               NULL));
        if (b->wanted && !r->surplus)
                note_failure(m, r);
}

void supervise_step_finished(Manager *m, Battery *b, Replicant *r, StepAct act, gboolean ok, const char *why)
{
        if (act == STEP_START && !ok)
                note_failure(m, r);
}

/* In an update's hands: its step runs, or all of the battery's are down for a full stop, or what is left
 * of a failed one waits for a person. */
static gboolean is_taken(Manager *m, Battery *b, const Replicant *r)
{
        const Update *u = battery_current_update(m, b);
        if (r->step || r->failed)
                return TRUE;
        if (!u)
                return FALSE;
        if (u->state == UPDATE_ROLLING_BACK && update_has_back_step(u, r->id))
                return TRUE; /* what it is to leave is not started once more */
        if (u->strategy != STRATEGY_FULL_STOP)
                return FALSE;
        return u->state == UPDATE_REPLACING || u->state == UPDATE_RUNNING || u->state == UPDATE_ROLLING_BACK;
}

/* Who is to go need not get ready first. A link that is being switched is waited for. */
static void give_up_start(Manager *m, Replicant *r)
{
        Step *s = r->step;
        if (!s || s->update || s->act != STEP_START || s->state < STEP_STARTING)
                return;
        step_interrupt(m, s, "is not wanted any more");
        step_free(s);
}

static void converge(Manager *m, Battery *b, Replicant *r)
{
        gboolean up = b->wanted && !r->surplus;
        if (!up)
                give_up_start(m, r);
        if (r->step || (up && is_taken(m, b, r)))
                return;
        if (!up && (r->pid || r->forking))
                begin(m, r, STEP_STOP, STEP_WAITING, "is not wanted to run");
        else if (!up)
                return;
        else if (r->pid && r->ready && r->admitted)
                return;
        else if (r->pid && r->ready && r->failures == 0)
                begin(m, r, STEP_START, STEP_VERIFYING, "runs, and is to be verified");
        else if (r->pid)
                begin(m, r, STEP_STOP, STEP_WAITING, "runs, but not well");
        else if (r->backoff_timer == 0 &&
                 !r->forking) /* else a start that was given up is not answered yet */
                begin(m, r, STEP_START, STEP_WAITING, "is wanted to run");
}

/* ---- who waits ---- */

static gboolean start_settled(Battery *b, GString *failed)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = b->replicants->pdata[i];
                if (r->surplus)
                        continue;
                if (r->failed || r->failures > 0)
                        g_string_append_printf(failed, "%sreplicant %u: %s", failed->len ? "; " : "", r->id,
                                               r->health);
                else if (!r->admitted)
                        return FALSE;
        }
        return TRUE;
}

static void answer_waiter(Manager *m, guint index, Refusal code, const char *why)
{
        Waiter *w = g_ptr_array_steal_index(m->waiters, index);
        manager_answer(m, w->answer, w->user, code, why, NULL);
        g_free(w->battery);
        g_free(w);
}

static void answer_settled(Manager *m, Battery *b)
{
        for (guint i = m->waiters->len; i > 0; i--) {
                Waiter *w = m->waiters->pdata[i - 1];
                g_autoptr(GString) failed = g_string_new(NULL);
                if (!w->battery || !g_str_equal(w->battery, b->config->name))
                        continue;
                if (w->start != b->wanted)
                        answer_waiter(m, i - 1, REFUSAL_BUSY, "somebody asked for the opposite meanwhile");
                else if (!w->start && battery_is_at_rest(b))
                        answer_waiter(m, i - 1, REFUSAL_NONE, NULL);
                else if (w->start && start_settled(b, failed))
                        answer_waiter(m, i - 1, failed->len ? REFUSAL_NO_REPLICANT : REFUSAL_NONE,
                                      failed->str);
        }
}

/* ---- the floor ---- */

static gboolean breaking_is_declared(Manager *m, Battery *b)
{
        const Update *u = battery_current_update(m, b);
        return !b->wanted || (u && b->update_runs && (u->strategy == STRATEGY_FULL_STOP || u->override));
}

static void watch_floor(Manager *m, Battery *b)
{
        guint active = battery_active(b), floor = battery_config_floor(b->config);
        if (active < floor && b->told_active >= floor && !breaking_is_declared(m, b))
                manager_tell(m, EVENT_FLOOR_BROKEN, b->config->name,
                             dict_make("active", g_variant_new_uint32(active), "floor",
                                       g_variant_new_uint32(floor), "by",
                                       g_variant_new_string("a replicant's failure, not by us"), NULL));
        b->told_active = active;
}

static void drop_surplus(Manager *m, Battery *b)
{
        for (guint i = b->replicants->len; i > 0; i--) {
                Replicant *r = b->replicants->pdata[i - 1];
                if (!r->surplus || r->pid || r->forking || r->step)
                        continue;
                g_autofree char *id = replicant_record_id(r);
                outbox_delete(m->outbox, "replicant", id);
                if (m->publisher)
                        m->publisher->removed(OBJECT_REPLICANT, r, m->publisher_user);
                clock_cancel(m->clock, &r->backoff_timer);
                g_ptr_array_remove_index(b->replicants, i - 1);
        }
}

/* A surplus one goes only while the floor has room; the others follow when it has again. A full stop takes
 * all: it has no floor, and what is not in its plan must not live on beside the new version. */
static gboolean may_go(Manager *m, Battery *b, const Replicant *r)
{
        const Update *u = battery_current_update(m, b);
        if (u && u->strategy == STRATEGY_FULL_STOP && u->state >= UPDATE_REPLACING)
                return TRUE;
        return !b->wanted || replicant_get_state(r) != REPLICANT_ACTIVE ||
               battery_active(b) > battery_config_floor(b->config);
}

void supervise(Manager *m, Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = b->replicants->pdata[i];
                if (!r->surplus || may_go(m, b, r))
                        converge(m, b, r);
        }
        drop_surplus(m, b);
        answer_settled(m, b);
        reload_forget_when_stopped(m, b);
        watch_floor(m, b);
        Update *u = battery_current_update(m, b);
        if (u && (u->state == UPDATE_RUNNING || u->state == UPDATE_ROLLING_BACK))
                update_advance(m, u);
        else if (u && u->state == UPDATE_REPLACING)
                transact_update_moved(m, u);
}

static void do_supervise(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *name;
        g_variant_get(args, "(&s)", &name);
        Battery *b = battery_of(m, name);
        if (b)
                supervise(m, b);
}

void supervise_soon(Manager *m, const char *battery)
{
        outbox_after(m->outbox, do_supervise, m, g_variant_new("(s)", battery));
}
