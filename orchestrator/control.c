/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a person asks of a battery, a replicant or an update: start, stop, restart, roll, go back, pause,
 * drain, set a role. Restarting and rolling without a package are transactions of our own, so that the one
 * way updates take is the only one. */
#include "orchestrator/manager-priv.h"

static void say(Manager *m, ManagerAnswer answer, gpointer user, Refusal code, const char *why)
{
        manager_answer(m, answer, user, code, why, NULL);
}

static Refusal check_idle(Manager *m, Battery *b, char **ret_why)
{
        if (manager_check_journal(m, ret_why) != REFUSAL_NONE)
                return REFUSAL_LIMITS_EXCEEDED;
        if (b->update)
                return refuse(ret_why, REFUSAL_BUSY,
                              "battery %s is being updated (update %" G_GUINT64_FORMAT
                              "): wait, or `nyota cancel %" G_GUINT64_FORMAT "`",
                              b->config->name, b->update, b->update);
        return REFUSAL_NONE;
}

/* ---- updates that begin here ---- */

typedef struct Order {
        Battery *battery;
        gboolean restart, override, undo;
        guint only;
} Order;

/* TARGETS are taken. The update is planned at once: its refusal is the caller's. */
static Refusal begin_update(Manager *m, const Caller *caller, const Order *order, GPtrArray *targets,
                            guint64 *ret_id, char **ret_why)
{
        Transaction *t = transaction_new(++m->last_transaction, "internal");
        g_free(t->initiator);
        t->initiator = manager_initiator(caller);
        t->uid = caller ? caller->uid : 0;
        t->person = TRUE;
        t->override = order->override;
        g_hash_table_insert(m->transactions, &t->id, t);
        Update *u = transact_add_update(m, t, order->battery);
        for (guint i = 0; i < targets->len; i++)
                g_ptr_array_add(u->targets, g_steal_pointer(&targets->pdata[i]));
        const Target *first = u->targets->len ? u->targets->pdata[0] : NULL;
        g_free(u->from);
        g_free(u->to);
        u->from = g_strdup(first ? first->from : order->battery->version);
        u->to = g_strdup(first ? first->to : order->battery->version);
        u->restart = order->restart;
        u->undo = order->undo;
        u->only = order->only;
        if (order->restart)
                u->strategy = STRATEGY_ROLLING;
        *ret_id = u->id;
        manager_added(m, OBJECT_TRANSACTION, "", t->id);
        transaction_save(m, t);
        guint64 id = t->id;
        transact_advance(m, t);
        t = manager_transaction(m, id);
        if (t && t->state == TRANSACTION_REFUSED)
                return refuse(ret_why, t->refusal, "%s", t->reason);
        return REFUSAL_NONE;
}

static GPtrArray *targets_new(void)
{
        return g_ptr_array_new_with_free_func((GDestroyNotify)target_free);
}

static const char *version_or_empty(GHashTable *map, const char *package)
{
        const char *v = g_hash_table_lookup(map, package);
        return v ? v : "";
}

static GPtrArray *targets_same(Battery *b)
{
        GPtrArray *list = targets_new();
        for (char **p = b->config->packages; *p; p++) {
                const char *v = version_or_empty(b->versions, *p);
                g_ptr_array_add(list, target_new(*p, v, v));
        }
        return list;
}

static GPtrArray *targets_previous(Battery *b)
{
        GPtrArray *list = targets_new();
        for (char **p = b->config->packages; *p; p++) {
                const char *v = version_or_empty(b->versions, *p), *old = version_or_empty(b->previous, *p);
                if (*old && !g_str_equal(v, old))
                        g_ptr_array_add(list, target_new(*p, v, old));
        }
        return list;
}

static GPtrArray *targets_installed(Manager *m, Battery *b)
{
        GPtrArray *list = targets_new();
        for (char **p = b->config->packages; *p; p++) {
                g_autofree char *now = strchr(*p, ':') ? NULL : m->installer->current_of(m->installer, *p);
                const char *v = version_or_empty(b->versions, *p);
                if (now && !g_str_equal(v, now))
                        g_ptr_array_add(list, target_new(*p, v, now));
        }
        return list;
}

static void wait_for_update(Manager *m, guint64 id, ManagerAnswer answer, gpointer user)
{
        const Update *u = manager_update(m, id);
        if (!u || update_is_final(u)) {
                gboolean ok = u && u->state == UPDATE_DONE;
                manager_answer(m, answer, user, ok ? REFUSAL_NONE : REFUSAL_NO_REPLICANT,
                               u ? u->reason : "it is over", NULL);
                return;
        }
        Waiter *w = g_new0(Waiter, 1);
        *w = (Waiter){.update = id, .answer = answer, .user = user};
        g_ptr_array_add(m->waiters, w);
}

static void restart(Manager *m, const Caller *caller, Battery *b, guint only, gboolean override,
                    ManagerAnswer answer, gpointer user)
{
        g_autofree char *why = NULL;
        g_autoptr(GPtrArray) targets = targets_same(b);
        guint64 id = 0;
        Order order = {.battery = b, .restart = TRUE, .only = only, .override = override};
        Refusal r = check_idle(m, b, &why);
        if (r == REFUSAL_NONE && !b->wanted)
                r = refuse(&why, REFUSAL_NO_REPLICANT, "battery %s is stopped: `nyota start %s`",
                           b->config->name, b->config->name);
        if (r == REFUSAL_NONE) {
                battery_reset_failures(m, b);
                r = begin_update(m, caller, &order, targets, &id, &why);
        }
        if (r != REFUSAL_NONE)
                say(m, answer, user, r, why);
        else
                wait_for_update(m, id, answer, user);
}

static void roll_to(Manager *m, const Caller *caller, Battery *b, GPtrArray *targets, gboolean undo,
                    const char *none, GVariant *options, ManagerAnswer answer, gpointer user)
{
        g_autofree char *why = NULL;
        guint64 id = 0;
        Order order = {.battery = b, .override = dict_b(options, "override", FALSE), .undo = undo};
        Refusal r = check_idle(m, b, &why);
        if (r == REFUSAL_NONE && targets->len == 0)
                r = refuse(&why, REFUSAL_NOT_FOUND, "%s", none);
        if (r == REFUSAL_NONE)
                r = begin_update(m, caller, &order, targets, &id, &why);
        manager_answer(m, answer, user, r, why, r == REFUSAL_NONE ? g_variant_new("(t)", id) : NULL);
}

void transact_take_back_done(Manager *m, Update *done, const char *why)
{
        Battery *b = battery_of(m, done->battery);
        g_autoptr(GPtrArray) targets = targets_previous(b);
        g_autofree char *refused = NULL;
        guint64 id = 0;
        Order order = {.battery = b};
        if (b->update || targets->len == 0)
                return;
        if (begin_update(m, NULL, &order, targets, &id, &refused) != REFUSAL_NONE)
                g_warning("%s: could not be taken back (%s): %s", done->battery, why, refused);
}

/* ---- batteries ---- */

static void start_or_stop(Manager *m, Battery *b, gboolean up, ManagerAnswer answer, gpointer user)
{
        g_autofree char *why = NULL;
        Refusal r = check_idle(m, b, &why);
        if (r != REFUSAL_NONE) {
                say(m, answer, user, r, why);
                return;
        }
        const char *package = battery_main_package(b);
        if (up && package && !g_hash_table_lookup(b->versions, package)) {
                why = g_strdup_printf("no version of %s is installed for battery %s: `nyota update FILE`",
                                      package, b->config->name);
                say(m, answer, user, REFUSAL_NO_REPLICANT, why);
                return;
        }
        b->wanted = up;
        battery_save(m, b);
        battery_reset_failures(m, b);
        Waiter *w = g_new0(Waiter, 1);
        *w = (Waiter){.battery = g_strdup(b->config->name), .start = up, .answer = answer, .user = user};
        g_ptr_array_add(m->waiters, w);
        supervise(m, b);
}

static void do_to_update(Manager *m, Battery *b, UpdateVerb verb, ManagerAnswer answer, gpointer user)
{
        if (b->update)
                manager_update_do(m, NULL, b->update, verb, answer, user);
        else
                say(m, answer, user, REFUSAL_NOT_FOUND, "no update of this battery is under way");
}

void manager_battery_do(Manager *m, const Caller *caller, const char *battery, BatteryVerb verb,
                        GVariant *options, ManagerAnswer answer, gpointer user)
{
        Battery *b = battery_of(m, battery);
        if (!b) {
                say(m, answer, user, REFUSAL_NOT_FOUND, "there is no such battery");
                return;
        }
        g_autoptr(GPtrArray) targets = NULL;
        switch (verb) {
        case VERB_START:
        case VERB_STOP:
                start_or_stop(m, b, verb == VERB_START, answer, user);
                break;
        case VERB_RESTART:
                restart(m, caller, b, 0, dict_b(options, "override", FALSE), answer, user);
                break;
        case VERB_PAUSE:
                do_to_update(m, b, VERB_U_PAUSE, answer, user);
                break;
        case VERB_RESUME:
                do_to_update(m, b, VERB_U_RESUME, answer, user);
                break;
        case VERB_UPDATE:
                targets = targets_installed(m, b);
                roll_to(m, caller, b, targets, FALSE, "it runs what is installed", options, answer, user);
                break;
        case VERB_ROLLBACK:
                targets = targets_previous(b);
                roll_to(m, caller, b, targets, TRUE, "no earlier version is known", options, answer, user);
                break;
        }
}

/* ---- replicants ---- */

static Refusal check_floor(Battery *b, const Replicant *r, GVariant *options, char **ret_why)
{
        guint active = battery_active(b), floor = battery_config_floor(b->config);
        if (replicant_get_state(r) != REPLICANT_ACTIVE || active > floor ||
            dict_b(options, "override", FALSE))
                return REFUSAL_NONE;
        return refuse(ret_why, REFUSAL_FLOOR_WOULD_BREAK,
                      "%u of battery %s are active and %u must stay so; override if you mean it", active,
                      b->config->name, floor);
}

static Refusal set_drained(Manager *m, Battery *b, Replicant *r, gboolean drained, GVariant *options,
                           char **ret_why)
{
        Refusal refusal = drained ? check_floor(b, r, options, ret_why) : REFUSAL_NONE;
        if (refusal != REFUSAL_NONE || r->drained == drained)
                return refusal;
        r->drained = drained;
        if (drained)
                manager_tell(m, EVENT_REPLICANT_DRAINING, r->battery,
                             dict_make("replicant", g_variant_new_uint32(r->id), NULL));
        replicant_save(m, r);
        update_track_active(m, b);
        return REFUSAL_NONE;
}

static Refusal set_role(Manager *m, Battery *b, Replicant *r, const char *word, GVariant *options,
                        char **ret_why)
{
        int role = role_from_string(word);
        if (role < 0)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "a role is active or passive");
        Refusal refusal = role == ROLE_PASSIVE ? check_floor(b, r, options, ret_why) : REFUSAL_NONE;
        if (refusal != REFUSAL_NONE || r->role == (Role)role)
                return refusal;
        r->role = role;
        manager_tell(m, EVENT_ROLE_CHANGED, r->battery,
                     dict_make("replicant", g_variant_new_uint32(r->id), "role", g_variant_new_string(word),
                               NULL));
        replicant_save(m, r);
        return REFUSAL_NONE;
}

void manager_replicant_do(Manager *m, const Caller *caller, const char *battery, guint replicant,
                          ReplicantVerb verb, const char *role, GVariant *options, ManagerAnswer answer,
                          gpointer user)
{
        Battery *b = battery_of(m, battery);
        Replicant *r = b ? battery_replicant(b, replicant) : NULL;
        g_autofree char *why = NULL;
        if (!r) {
                say(m, answer, user, REFUSAL_NOT_FOUND, "there is no such replicant");
                return;
        }
        if (verb == VERB_R_RESTART) {
                restart(m, caller, b, replicant, dict_b(options, "override", FALSE), answer, user);
                return;
        }
        /* Admitting only gives, and an update may be waiting for just that. */
        Refusal refusal = verb == VERB_R_ADMIT ? manager_check_journal(m, &why) : check_idle(m, b, &why);
        if (refusal == REFUSAL_NONE && verb == VERB_R_SET_ROLE)
                refusal = set_role(m, b, r, role, options, &why);
        else if (refusal == REFUSAL_NONE)
                refusal = set_drained(m, b, r, verb == VERB_R_DRAIN, options, &why);
        say(m, answer, user, refusal, why);
        supervise(m, b);
}

/* ---- updates ---- */

static Refusal wrong_state(const Update *u, const char *word, char **ret_why)
{
        return refuse(ret_why, REFUSAL_BUSY, "an update that is %s cannot be %s",
                      update_state_to_string(u->state), word);
}

static Refusal cancel(Manager *m, Update *u, char **ret_why)
{
        if (update_is_final(u))
                return wrong_state(u, "cancelled", ret_why);
        if (u->state >= UPDATE_REPLACING)
                update_go_back(m, u, UPDATE_CANCELLED, "cancelled by a person");
        else
                update_feed(m, u, UPDATE_EVENT_CANCEL, "cancelled by a person");
        return REFUSAL_NONE;
}

static Refusal promote(Manager *m, Update *u, char **ret_why)
{
        if (u->state != UPDATE_RUNNING)
                return wrong_state(u, "promoted", ret_why);
        u->promoted = TRUE;
        u->soak_end_us = 0; /* what is left of a canary's soak is no excuse any more */
        update_save(m, u);
        for (guint i = 0; i < u->steps->len; i++) {
                Step *s = u->steps->pdata[i];
                if (s->canary && s->state == STEP_SOAKING)
                        step_promote(m, s);
        }
        return REFUSAL_NONE;
}

static Refusal go_back(Manager *m, Update *u, char **ret_why)
{
        if (u->state != UPDATE_RUNNING && u->state != UPDATE_PAUSED && u->state != UPDATE_REPLACING)
                return wrong_state(u,
                                   update_is_final(u) ? "rolled back any more: use Rollback on its battery"
                                                      : "rolled back yet",
                                   ret_why);
        update_go_back(m, u, UPDATE_ROLLED_BACK, "rolled back by a person");
        return REFUSAL_NONE;
}

static Refusal update_do(Manager *m, Update *u, UpdateVerb verb, char **ret_why)
{
        switch (verb) {
        case VERB_U_PAUSE:
                if (u->state != UPDATE_RUNNING)
                        return wrong_state(u, "paused", ret_why);
                update_feed(m, u, UPDATE_EVENT_PAUSE, "paused by a person");
                return REFUSAL_NONE;
        case VERB_U_RESUME:
                if (u->state != UPDATE_PAUSED)
                        return wrong_state(u, "resumed", ret_why);
                update_feed(m, u, UPDATE_EVENT_RESUME, "resumed by a person");
                update_advance(m, u);
                return REFUSAL_NONE;
        case VERB_U_CANCEL:
                return cancel(m, u, ret_why);
        case VERB_U_PROMOTE:
                return promote(m, u, ret_why);
        case VERB_U_ROLLBACK:
                return go_back(m, u, ret_why);
        }
        g_assert_not_reached();
}

void manager_update_do(Manager *m, const Caller *caller, guint64 update, UpdateVerb verb,
                       ManagerAnswer answer, gpointer user)
{
        Update *u = manager_update(m, update);
        g_autofree char *why = NULL;
        if (!u) {
                say(m, answer, user, REFUSAL_NOT_FOUND, "there is no such update");
                return;
        }
        Refusal r = manager_check_journal(m, &why);
        if (r == REFUSAL_NONE)
                r = update_do(m, u, verb, &why);
        say(m, answer, user, r, why);
}
