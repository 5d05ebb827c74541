/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transactions: from package changes to updates, through the phases unpack, plan, warn, stop to the
 * verdict; then, when the package manager is done, each update's turn in order. One function,
 * transact_advance(), looks where a transaction stands and does what is next; it is called whenever
 * something moved, and after a restart. */
#include "orchestrator/manager-priv.h"

static void do_verdict(gpointer user, GVariant *args)
{
        Manager *m = user;
        guint64 id;
        gboolean granted;
        const char *reason;
        g_variant_get(args, "(tb&s)", &id, &granted, &reason);
        Transaction *t = manager_transaction(m, id);
        if (t && m->publisher)
                m->publisher->verdict(t, granted, reason, m->publisher_user);
}

static void transact_set_state(Manager *m, Transaction *t, TransactionState state, const char *reason)
{
        t->state = state;
        if (reason) {
                g_free(t->reason);
                t->reason = g_utf8_make_valid(reason, -1);
        }
        transaction_save(m, t);
        if (state == TRANSACTION_GRANTED || state == TRANSACTION_REFUSED)
                outbox_after(m->outbox, do_verdict, m,
                             g_variant_new("(tbs)", t->id, state == TRANSACTION_GRANTED, t->reason));
        if (state == TRANSACTION_REFUSED || state == TRANSACTION_CLOSED) {
                m->owner->unwatch(m->owner, t->id);
                manager_trim(m);
        }
}

/* ---- answers to who asked for packages ---- */

static Waiter *take_waiter(Manager *m, const Transaction *t)
{
        for (guint i = 0; i < m->waiters->len; i++)
                if (((const Waiter *)m->waiters->pdata[i])->transaction == t->id)
                        return g_ptr_array_steal_index(m->waiters, i);
        return NULL;
}

static void answer_request(Manager *m, Transaction *t, Refusal code, const char *why)
{
        g_autofree Waiter *w = take_waiter(m, t);
        if (!w)
                return;
        GVariant *result = NULL;
        if (t->plan_only) {
                g_autoptr(GPtrArray) plans = g_ptr_array_new();
                for (guint i = 0; i < t->updates->len; i++)
                        g_ptr_array_add(plans, transact_update(m, t, i)->plan);
                g_autofree char *json = describe_plans(plans, code, why);
                result = g_variant_new("(s)", json);
                if (plans->len)
                        code = REFUSAL_NONE; /* a plan that says why not is an answer */
        } else if (code == REFUSAL_NONE) {
                GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("at"));
                for (guint i = 0; i < t->updates->len; i++)
                        g_variant_builder_add(&b, "t", g_array_index(t->updates, guint64, i));
                result = g_variant_new("(at)", &b);
        }
        if (code != REFUSAL_NONE && result) {
                g_variant_unref(g_variant_ref_sink(result));
                result = NULL;
        }
        manager_answer(m, w->answer, w->user, code, why, result);
}

static void forget_plan(Manager *m, Transaction *t)
{
        for (guint i = 0; i < t->updates->len; i++)
                g_hash_table_remove(m->updates, &g_array_index(t->updates, guint64, i));
        g_hash_table_remove(m->transactions, &t->id);
}

void transact_refuse(Manager *m, Transaction *t, Refusal code, const char *why)
{
        answer_request(m, t, code, why);
        if (t->plan_only) {
                forget_plan(m, t);
                return;
        }
        t->refusal = code;
        transact_set_state(m, t, TRANSACTION_REFUSED, why);
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (!u || update_is_final(u))
                        continue;
                if (u->state == UPDATE_REPLACING)
                        update_go_back(m, u, UPDATE_CANCELLED, why);
                else
                        update_feed(m, u, UPDATE_EVENT_CANCEL, why);
        }
}

/* ---- phases 3 to 5: warn, stop, grant ---- */

static gboolean all_are(Manager *m, const Transaction *t, gboolean (*test)(Manager *, const Update *))
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (u && !test(m, u))
                        return FALSE;
        }
        return TRUE;
}

static gboolean is_planned_or_later(Manager *m, const Update *u)
{
        return u->state >= UPDATE_PLANNED;
}

static gboolean is_clear(Manager *m, const Update *u)
{
        return u->clear || update_is_final(u);
}

static gboolean is_over(Manager *m, const Update *u)
{
        return update_is_final(u);
}

static gboolean is_down_or_rolling(Manager *m, const Update *u)
{
        return update_is_final(u) || u->strategy != STRATEGY_FULL_STOP || u->steps->len == 0 ||
               ((const Step *)u->steps->pdata[0])->act == STEP_SWITCH || update_is_stopped(m, u);
}

static void feed_all(Manager *m, Transaction *t, UpdateEvent event)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (u && !update_is_final(u))
                        update_feed(m, u, event, NULL);
        }
}

/* Those who depend stop first: U waits for every update of T whose battery comes After= it. */
static gboolean may_stop(Manager *m, const Transaction *t, const Update *u)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *v = transact_update(m, t, i);
                if (!v || v == u)
                        continue;
                Battery *b = battery_of(m, v->battery);
                if (b && g_strv_contains((const char *const *)b->config->after, u->battery) &&
                    !is_down_or_rolling(m, v))
                        return FALSE;
        }
        return TRUE;
}

static gboolean stop_all(Manager *m, Transaction *t)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (u && u->state == UPDATE_REPLACING && !is_down_or_rolling(m, u) && may_stop(m, t, u))
                        update_begin_stops(m, u);
        }
        return all_are(m, t, is_down_or_rolling);
}

static gboolean find_and_plan(Manager *m, Transaction *t)
{
        g_autofree char *why = NULL;
        Refusal r = transact_find_batteries(m, t, &why);
        if (r != REFUSAL_NONE) {
                transact_refuse(m, t, r, why);
                return FALSE;
        }
        if (t->waiting || !transact_plan_all(m, t))
                return FALSE;
        answer_request(m, t, REFUSAL_NONE, NULL);
        if (t->plan_only) {
                forget_plan(m, t);
                return FALSE;
        }
        transaction_save(m, t);
        return TRUE;
}

static void prepare(Manager *m, Transaction *t)
{
        if (!transact_unpack_all(m, t) || !find_and_plan(m, t))
                return;
        if (all_are(m, t, is_planned_or_later))
                feed_all(m, t, UPDATE_EVENT_WARN);
        if (t->state != TRANSACTION_PREPARING || !all_are(m, t, is_clear))
                return;
        feed_all(m, t, UPDATE_EVENT_CLEAR);
        if (t->state != TRANSACTION_PREPARING || !stop_all(m, t))
                return;
        transact_set_state(m, t, TRANSACTION_GRANTED, "");
        if (t->person)
                transact_finish(m, t, TRUE, NULL);
}

/* ---- after the package manager ---- */

/* An update runs when those of its transaction that it comes After= are done. One of those, or one that it
 * Requires=, that has ended otherwise is returned in *RET_FAILED. */
gboolean transact_update_may_run(Manager *m, const Update *u, const Update **ret_failed)
{
        const Transaction *t = g_hash_table_lookup(m->transactions, &u->transaction);
        const BatteryConfig *c = battery_of(m, u->battery)->config;
        *ret_failed = NULL;
        for (guint i = 0; t && i < t->updates->len; i++) {
                const Update *v = transact_update(m, t, i);
                if (!v || v == u || v->state == UPDATE_DONE)
                        continue;
                gboolean after = g_strv_contains((const char *const *)c->after, v->battery);
                gboolean failed = update_is_final(v) &&
                                  (after || g_strv_contains((const char *const *)c->requires, v->battery));
                if (failed)
                        *ret_failed = v;
                if (failed || after)
                        return FALSE;
        }
        return TRUE;
}

static void run_or_cancel(Manager *m, Update *u)
{
        const Update *failed;
        if (transact_update_may_run(m, u, &failed)) {
                update_feed(m, u, UPDATE_EVENT_FILES, NULL);
                update_advance(m, u);
        } else if (failed) {
                g_autofree char *why =
                        g_strdup_printf("battery %s, which it needs first, was not updated (%s)",
                                        failed->battery, update_state_to_string(failed->state));
                update_go_back(m, u, UPDATE_CANCELLED, why);
        }
}

static void finish_updates(Manager *m, Transaction *t)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (u && u->state == UPDATE_REPLACING)
                        run_or_cancel(m, u);
        }
        if (all_are(m, t, is_over) && t->state == TRANSACTION_FINISHING)
                transact_set_state(m, t, TRANSACTION_CLOSED, NULL);
}

static void do_set_current(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *package, *version;
        g_variant_get(args, "(&s&s)", &package, &version);
        m->installer->set_current(m->installer, 0, package, *version ? version : NULL);
}

static void set_current(Manager *m, const char *package, const char *version)
{
        outbox_after(m->outbox, do_set_current, m, g_variant_new("(ss)", package, version));
}

/* A version that a battery left, going back, is not the installed one any more, where no other battery has
 * come to run it. */
static void restore_current(Manager *m, const Update *u)
{
        for (guint i = 0; i < u->targets->len; i++) {
                const Target *target = g_ptr_array_index(u->targets, i);
                const char *left = u->undo ? target->from : target->to,
                           *back = u->undo ? target->to : target->from;
                gboolean needed = strchr(target->package, ':') != NULL;
                g_autoptr(GList) batteries = manager_batteries(m);
                for (GList *l = batteries; l && !needed; l = l->next) {
                        Battery *b = l->data;
                        needed = !g_str_equal(b->config->name, u->battery) &&
                                 g_strcmp0(g_hash_table_lookup(b->versions, target->package), left) == 0;
                }
                if (!needed)
                        set_current(m, target->package, back);
        }
}

/* U has taken its battery away from what is installed. */
static gboolean has_left_installed(const Update *u)
{
        if (u->undo)
                return u->state == UPDATE_DONE;
        return u->state == UPDATE_ROLLED_BACK || u->state == UPDATE_CANCELLED;
}

static void record_installed(Manager *m, Transaction *t)
{
        for (guint i = 0; t->success && transact_is_kantan(t) && i < t->changes->len; i++) {
                const PackageChange *c = g_ptr_array_index(t->changes, i);
                set_current(m, c->name, c->operation == OPERATION_REMOVE ? "" : c->new_version);
        }
        for (guint i = 0; t->success && i < t->updates->len; i++) {
                const Update *u = transact_update(m, t, i);
                if (u && has_left_installed(u))
                        restore_current(m, u);
        }
}

/* An update that is not over holds its battery, so nobody else has said anything of its packages since. */
void transact_record_again(Manager *m, Transaction *t)
{
        for (guint i = 0; t->success && transact_is_kantan(t) && i < t->updates->len; i++) {
                const Update *u = transact_update(m, t, i);
                for (guint k = 0; u && !update_is_final(u) && k < u->targets->len; k++) {
                        const Target *target = g_ptr_array_index(u->targets, k);
                        set_current(m, target->package, target->to);
                }
        }
}

void transact_finish(Manager *m, Transaction *t, gboolean success, const char *why)
{
        t->finished = TRUE;
        t->success = success;
        m->owner->unwatch(m->owner, t->id);
        if (!success && t->state == TRANSACTION_PREPARING) {
                transact_refuse(m, t, REFUSAL_TIMEOUT,
                                why ? why : "the package manager gave up before the verdict");
                return;
        }
        transact_set_state(m, t, TRANSACTION_FINISHING, why);
        record_installed(m, t);
        for (guint i = 0; !success && i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (u && u->state == UPDATE_REPLACING)
                        update_go_back(m, u, UPDATE_CANCELLED,
                                       why ? why : "the package manager reported failure");
        }
        transact_advance(m, t);
}

/* Moves what can be moved. Called from below itself, it only notes that there is more to look at. */
void transact_advance(Manager *m, Transaction *t)
{
        guint64 id = t->id;
        t->again = TRUE;
        if (t->advancing)
                return;
        t->advancing = TRUE;
        while (t && t->again) {
                t->again = FALSE;
                if (t->state == TRANSACTION_PREPARING)
                        prepare(m, t);
                else if (t->state == TRANSACTION_FINISHING)
                        finish_updates(m, t);
                t = g_hash_table_lookup(m->transactions, &id); /* a plan that was only shown is gone */
        }
        if (t)
                t->advancing = FALSE;
}

/* ---- what moves a transaction ---- */

/* A failing update takes back those that require it. */
static void take_back_dependants(Manager *m, Transaction *t, const Update *failed)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                Battery *b = u && u != failed ? battery_of(m, u->battery) : NULL;
                if (!b || !g_strv_contains((const char *const *)b->config->requires, failed->battery))
                        continue;
                g_autofree char *why =
                        g_strdup_printf("battery %s, which it requires, was not updated", failed->battery);
                if (!update_is_final(u))
                        update_go_back(m, u, UPDATE_ROLLED_BACK, why);
                else if (u->state == UPDATE_DONE)
                        transact_take_back_done(m, u, why);
        }
}

void transact_update_moved(Manager *m, Update *u)
{
        Transaction *t = g_hash_table_lookup(m->transactions, &u->transaction);
        if (!t)
                return;
        if (t->state == TRANSACTION_PREPARING && update_is_final(u)) { /* vetoed, cancelled or taken back */
                transact_refuse(m, t, REFUSAL_VETOED, u->reason);
        } else if (update_is_final(u) && t->state == TRANSACTION_FINISHING && t->success) {
                /* Without success nothing was installed, and all go back together for the same reason. */
                if (has_left_installed(u))
                        restore_current(m, u);
                if (u->state != UPDATE_DONE)
                        take_back_dependants(m, t, u);
        }
        transact_advance(m, t);
        if (update_is_final(u))
                transact_retry_waiting(m);
}

void transact_retry_waiting(Manager *m)
{
        g_autoptr(GList) list = manager_transactions(m);
        for (GList *l = list; l; l = l->next) {
                Transaction *t = l->data;
                if (t->state == TRANSACTION_PREPARING && t->waiting)
                        transact_advance(m, t);
        }
}

void transact_on_owner_gone(Manager *m, guint64 cookie)
{
        Transaction *t = manager_transaction(m, cookie);
        if (t && !t->finished && (t->state == TRANSACTION_PREPARING || t->state == TRANSACTION_GRANTED))
                transact_finish(m, t, FALSE, "the package manager died");
}

void manager_name_gone(Manager *m, const char *name)
{
        g_autoptr(GList) list = manager_transactions(m);
        for (GList *l = list; l; l = l->next) {
                Transaction *t = l->data;
                if (t->owner_pid == 0 && !t->person && g_str_equal(t->owner_name, name))
                        transact_on_owner_gone(m, t->id);
        }
}
