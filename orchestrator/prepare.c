/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first phases of a transaction: its packages are unpacked beside, the batteries they touch found, an
 * update made for each, a plan for each update. Nothing is stopped here. */
#include "orchestrator/manager-priv.h"
#include "orchestrator/model/version.h"

#define CHANGE_BITS 14 /* a cookie of unpack(): transaction id, then the change's place */

Update *transact_update(Manager *m, const Transaction *t, guint i)
{
        return manager_update(m, g_array_index(t->updates, guint64, i));
}

static Update *update_for(Manager *m, const Transaction *t, const char *battery)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                if (u && g_str_equal(u->battery, battery))
                        return u;
        }
        return NULL;
}

/* ---- phase 1: unpack beside ---- */

static void do_unpack(gpointer user, GVariant *args)
{
        Manager *m = user;
        guint64 cookie;
        gint32 fd;
        const char *name;
        g_variant_get(args, "(ti&s)", &cookie, &fd, &name);
        m->installer->unpack(m->installer, cookie, fd, *name ? name : NULL);
}

gboolean transact_is_kantan(const Transaction *t)
{
        return g_str_equal(t->manager, "kantan");
}

static void ask_unpack(Manager *m, Transaction *t, guint index)
{
        PackageChange *c = g_ptr_array_index(t->changes, index);
        guint64 cookie = t->id << CHANGE_BITS | index;
        outbox_after(m->outbox, do_unpack, m, g_variant_new("(tis)", cookie, c->fd, c->archive));
        c->fd = -1;
        c->unpack = UNPACK_RUNNING;
}

gboolean transact_unpack_all(Manager *m, Transaction *t)
{
        gboolean all = TRUE;
        for (guint i = 0; i < t->changes->len; i++) {
                PackageChange *c = g_ptr_array_index(t->changes, i);
                gboolean has_archive = transact_is_kantan(t) && !g_str_equal(c->archive, "-");
                if (has_archive && c->unpack == UNPACK_NONE)
                        ask_unpack(m, t, i);
                all &= !has_archive || c->unpack == UNPACK_DONE;
        }
        return all;
}

static gboolean unpacked_as_announced(Transaction *t, PackageChange *c, const PortEvent *e, char **ret_why)
{
        if (g_str_equal(c->name, "-")) { /* a person named a file: the package says what it is */
                g_free(c->name);
                g_free(c->new_version);
                c->name = g_strdup(e->package);
                c->new_version = g_strdup(e->version);
                return TRUE;
        }
        if (g_str_equal(c->name, e->package) && g_str_equal(c->new_version, e->version))
                return TRUE;
        *ret_why = g_strdup_printf("the archive holds %s %s, not %s %s", e->package, e->version, c->name,
                                   c->new_version);
        return FALSE;
}

void transact_on_unpacked(Manager *m, const PortEvent *e)
{
        guint64 id = e->cookie >> CHANGE_BITS;
        guint index = e->cookie & ((1 << CHANGE_BITS) - 1);
        Transaction *t = g_hash_table_lookup(m->transactions, &id);
        g_autofree char *why = NULL;
        if (!t || index >= t->changes->len || t->state != TRANSACTION_PREPARING)
                return;
        PackageChange *c = g_ptr_array_index(t->changes, index);
        if (!e->ok) {
                transact_refuse(m, t, REFUSAL_BAD_PACKAGE, e->text);
                return;
        }
        if (!unpacked_as_announced(t, c, e, &why)) {
                transact_refuse(m, t, REFUSAL_BAD_PACKAGE, why);
                return;
        }
        c->unpack = UNPACK_DONE;
        transaction_save(m, t);
        transact_advance(m, t);
}

/* ---- phase 2: which batteries, which plan ---- */

Update *transact_add_update(Manager *m, Transaction *t, Battery *b)
{
        Update *u = update_new(++m->last_update, t->id, b->config->name);
        u->created_us = clock_real_us(m->clock);
        g_free(u->initiator);
        u->initiator = g_strdup(t->initiator);
        u->person = t->person;
        u->override = t->override;
        u->runner = m;
        u->least_active = battery_active(b);
        int strategy = strategy_from_string(t->strategy);
        u->strategy = strategy < 0 ? STRATEGY_AUTO : strategy;
        g_hash_table_insert(m->updates, &u->id, u);
        g_array_append_val(t->updates, u->id);
        if (!t->plan_only) {
                b->update = u->id;
                manager_added(m, OBJECT_UPDATE, "", u->id);
        }
        return u;
}

static const char *dash_to_empty(const char *s)
{
        return g_str_equal(s, "-") ? "" : s;
}

static void add_target(Manager *m, Transaction *t, Update *u, Battery *b, const char *qualified,
                       PackageChange *c)
{
        const char *have = g_hash_table_lookup(b->versions, qualified);
        const char *from = have ? have : transact_is_kantan(t) ? "" : dash_to_empty(c->old_version);
        const char *to = c->operation == OPERATION_REMOVE ? "" : dash_to_empty(c->new_version);
        for (guint i = 0; i < u->targets->len; i++) {
                Target *old = g_ptr_array_index(u->targets, i);
                if (g_str_equal(old->package, qualified))
                        g_ptr_array_remove_index(u->targets, i--);
        }
        g_ptr_array_add(u->targets, target_new(qualified, from, to));
        const Target *first = g_ptr_array_index(u->targets, 0);
        g_free(u->from);
        g_free(u->to);
        u->from = g_strdup(first->from);
        u->to = g_strdup(first->to);
}

static Refusal check_pin(Transaction *t, Battery *b, const char *qualified, const PackageChange *c,
                         char **ret_why)
{
        const char *pin = g_hash_table_lookup(b->pins, qualified);
        if (t->person || !pin || version_compare(pin, c->new_version) != 0)
                return REFUSAL_NONE;
        return refuse(ret_why, REFUSAL_HELD,
                      "%s %s was rolled back on battery %s and is pinned: wait for a newer version, or try "
                      "it again by "
                      "hand with `nyota update`",
                      c->name, c->new_version, b->config->name);
}

static gboolean has_target(const Update *u, const char *qualified, const PackageChange *c)
{
        const char *to = c->operation == OPERATION_REMOVE ? "" : dash_to_empty(c->new_version);
        for (guint i = 0; i < u->targets->len; i++) {
                const Target *t = g_ptr_array_index(u->targets, i);
                if (g_str_equal(t->package, qualified) && g_str_equal(t->to, to))
                        return TRUE;
        }
        return FALSE;
}

/* A later call of the same owner brings one more package to an update that has its plan: nothing is switched
 * yet, so it goes with the others, unless it would need another strategy. */
static Refusal join_target(Manager *m, Transaction *t, Update *u, Battery *b, const char *qualified,
                           PackageChange *c, char **ret_why)
{
        if (u->state >= UPDATE_RUNNING)
                return refuse(ret_why, REFUSAL_BUSY,
                              "update %" G_GUINT64_FORMAT " of battery %s runs already", u->id,
                              b->config->name);
        Strategy planned = u->strategy;
        add_target(m, t, u, b, qualified, c);
        u->strategy = STRATEGY_AUTO;
        g_autoptr(Plan) p = update_make_plan(m, u);
        u->strategy = planned;
        if (planned == STRATEGY_ROLLING && p->strategy != planned)
                return refuse(ret_why, REFUSAL_BUSY,
                              "%s %s needs a full stop, but a roll of battery %s is planned: name all "
                              "packages in one "
                              "call",
                              c->name, c->new_version, b->config->name);
        update_save(m, u);
        return REFUSAL_NONE;
}

static Refusal touch_battery(Manager *m, Transaction *t, Battery *b, const char *qualified, PackageChange *c,
                             char **ret_why)
{
        Update *u = update_for(m, t, b->config->name);
        if (!u && b->update && !t->plan_only) {
                if (t->person)
                        return refuse(ret_why, REFUSAL_BUSY,
                                      "battery %s is being updated already (update %" G_GUINT64_FORMAT
                                      "); `nyota watch %s` shows it, `nyota cancel` ends it",
                                      b->config->name, b->update, b->config->name);
                t->waiting = TRUE;
                return REFUSAL_NONE;
        }
        Refusal r = check_pin(t, b, qualified, c, ret_why);
        if (r != REFUSAL_NONE)
                return r;
        if (!u)
                u = transact_add_update(m, t, b);
        if (u->state == UPDATE_PENDING)
                add_target(m, t, u, b, qualified, c);
        else if (!has_target(u, qualified, c))
                return join_target(m, t, u, b, qualified, c, ret_why);
        return REFUSAL_NONE;
}

Refusal transact_find_batteries(Manager *m, Transaction *t, char **ret_why)
{
        t->waiting = FALSE;
        g_autoptr(GList) batteries = manager_batteries(m);
        for (guint i = 0; i < t->changes->len; i++) {
                PackageChange *c = g_ptr_array_index(t->changes, i);
                g_autofree char *qualified = package_change_qualified(t->manager, c->name);
                for (GList *l = batteries; l; l = l->next) {
                        if (!battery_has_package(l->data, qualified))
                                continue;
                        Refusal r = touch_battery(m, t, l->data, qualified, c, ret_why);
                        if (r != REFUSAL_NONE)
                                return r;
                }
        }
        return REFUSAL_NONE;
}

GArray *plan_snapshot(Battery *b)
{
        GArray *list = g_array_new(FALSE, TRUE, sizeof(PlanReplicant));
        for (guint i = 0; i < b->replicants->len; i++) {
                const Replicant *r = g_ptr_array_index(b->replicants, i);
                PlanReplicant p = {.id = r->id,
                                   .role = r->role,
                                   .state = replicant_get_state(r),
                                   .version = r->version,
                                   .drained = r->drained};
                if (!r->surplus)
                        g_array_append_val(list, p);
        }
        return list;
}

static char *compatibility_of(Manager *m, const char *package, const char *version)
{
        char *declared = strchr(package, ':') || !*version
                                 ? NULL
                                 : m->installer->compatibility_of(m->installer, package, version);
        return declared ? declared : *version ? version_compatibility(version) : NULL;
}

Plan *update_make_plan(Manager *m, Update *u)
{
        Battery *b = battery_of(m, u->battery);
        g_autofree char *from_c = NULL, *to_c = NULL;
        for (guint i = 0; i < u->targets->len && g_strcmp0(from_c, to_c) == 0; i++) {
                const Target *t = g_ptr_array_index(u->targets, i); /* the first that changes it decides */
                g_free(from_c);
                g_free(to_c);
                from_c = compatibility_of(m, t->package, t->from);
                to_c = compatibility_of(m, t->package, t->to);
        }
        g_autoptr(GArray) snapshot = plan_snapshot(b);
        PlanInput in = {.config = b->config,
                        .replicants = (const PlanReplicant *)snapshot->data,
                        .n = snapshot->len,
                        .strategy = u->strategy,
                        .from = u->from,
                        .to = u->to,
                        .from_compatibility = from_c,
                        .to_compatibility = to_c,
                        .wanted = b->wanted,
                        .override = u->override,
                        .restart = u->restart,
                        .only = u->only};
        return plan_make(&in);
}

static Refusal plan_update(Manager *m, Update *u, char **ret_why)
{
        g_autoptr(Plan) p = update_make_plan(m, u);
        u->strategy = p->strategy;
        g_free(u->plan);
        u->plan = describe_plan(m, u, p);
        if (p->refusal != REFUSAL_NONE)
                return refuse(ret_why, p->refusal, "%s", p->why);
        for (guint i = 0; i < p->steps->len; i++) {
                const PlanStep *ps = &g_array_index(p->steps, PlanStep, i);
                Step *s = step_new(u->id, u->battery, ps->replicant, ps->act, ps->reason);
                s->canary = ps->canary;
                s->phase = ps->phase;
                s->index = u->steps->len;
                g_ptr_array_add(u->steps, s);
                if (u->transaction && manager_transaction(m, u->transaction))
                        step_save(m, s);
        }
        return REFUSAL_NONE;
}

gboolean transact_plan_all(Manager *m, Transaction *t)
{
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = transact_update(m, t, i);
                g_autofree char *why = NULL;
                if (u->state != UPDATE_PENDING)
                        continue;
                Refusal r = plan_update(m, u, &why);
                if (r != REFUSAL_NONE) {
                        transact_refuse(m, t, r, why);
                        return FALSE;
                }
                if (!t->plan_only)
                        update_feed(m, u, UPDATE_EVENT_PLANNED, NULL);
        }
        return t->state == TRANSACTION_PREPARING;
}
