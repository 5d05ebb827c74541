/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* After a start: what the journal says is laid beside what the world shows (which processes live, which
 * owners), and everything that was under way goes on from there. */
#include "orchestrator/manager-priv.h"

static void load_battery(const char *id, const char *battery, GVariant *body, gpointer user)
{
        Manager *m = user;
        Battery *b = battery_of(m, id);
        if (b)
                battery_apply_record(b, body);
}

static void load_replicant(const char *id, const char *battery, GVariant *body, gpointer user)
{
        Manager *m = user;
        Replicant *r = replicant_from_record(id, body);
        Battery *b = r ? battery_of(m, r->battery) : NULL;
        if (!b) {
                if (r && r->pid)
                        g_warning("replicant %s has a record (pid %d) but its battery has no file", id,
                                  r->pid);
                replicant_free(r);
                return;
        }
        for (guint i = 0; i < b->replicants->len; i++)
                if (((Replicant *)b->replicants->pdata[i])->id == r->id)
                        g_ptr_array_remove_index(b->replicants, i--);
        r->surplus = r->id > b->config->replicants;
        guint at = 0;
        while (at < b->replicants->len && ((Replicant *)b->replicants->pdata[at])->id < r->id)
                at++;
        g_ptr_array_insert(b->replicants, (int)at, r);
}

static void load_transaction(const char *id, const char *battery, GVariant *body, gpointer user)
{
        Manager *m = user;
        Transaction *t = transaction_from_record(id, body);
        if (!t)
                return;
        g_hash_table_insert(m->transactions, &t->id, t);
        m->last_transaction = MAX(m->last_transaction, t->id);
}

static void load_update(const char *id, const char *battery, GVariant *body, gpointer user)
{
        Manager *m = user;
        Update *u = update_from_record(id, battery, body);
        Battery *b = u ? battery_of(m, u->battery) : NULL;
        if (u)
                m->last_update = MAX(m->last_update, u->id);
        if (!u || (!b && !update_is_final(u))) {
                update_free(u);
                return;
        }
        u->runner = m;
        g_hash_table_insert(m->updates, &u->id, u);
        if (!update_is_final(u)) {
                b->update = u->id;
                b->update_runs = u->state >= UPDATE_WARNED;
        }
}

static void load_step(const char *id, const char *battery, GVariant *body, gpointer user)
{
        Manager *m = user;
        g_auto(GStrv) parts = g_strsplit(id, ".", 2);
        guint64 update, index;
        if (g_strv_length(parts) != 2 ||
            !g_ascii_string_to_unsigned(parts[0], 10, 1, G_MAXUINT64, &update, NULL) ||
            !g_ascii_string_to_unsigned(parts[1], 10, 0, 10000, &index, NULL))
                return;
        Update *u = manager_update(m, update);
        if (u)
                update_add_step_record(u, (guint)index, battery, body);
}

static gboolean load_all(Manager *m, GError **error)
{
        return journal_load(m->journal, "battery", load_battery, m, error) &&
               journal_load(m->journal, "replicant", load_replicant, m, error) &&
               journal_load(m->journal, "transaction", load_transaction, m, error) &&
               journal_load(m->journal, "update", load_update, m, error) &&
               journal_load(m->journal, "step", load_step, m, error) && inhibit_load(m, error);
}

/* What is known is shown before the daemon takes its name: whoever sees the name come back asks for the
 * object that it knows, and must not hear that there is none. It is durable, so nothing is waited for. */
static void show_all(Manager *m, GList *batteries, GList *updates, GList *transactions)
{
        void (*added)(ObjectKind, gpointer, gpointer) = m->publisher ? m->publisher->added : NULL;
        m->started = TRUE;
        if (!added)
                return;
        for (GList *l = batteries; l; l = l->next) {
                Battery *b = l->data;
                added(OBJECT_BATTERY, b, m->publisher_user);
                for (guint i = 0; i < b->replicants->len; i++)
                        added(OBJECT_REPLICANT, b->replicants->pdata[i], m->publisher_user);
        }
        for (GList *l = updates; l; l = l->next)
                added(OBJECT_UPDATE, l->data, m->publisher_user);
        for (GList *l = transactions; l; l = l->next)
                added(OBJECT_TRANSACTION, l->data, m->publisher_user);
}

/* ---- the world ---- */

static void look_at_replicant(Manager *m, Battery *b, Replicant *r)
{
        if (r->pid == 0)
                return;
        if (m->runner->adopt(m->runner, r->battery, r->id, r->pid, r->start_ticks, b->config->watchdog_us)) {
                g_message("%s/%u: found running, pid %d", r->battery, r->id, r->pid);
                r->healthy_since_us = clock_boot_us(m->clock);
                return;
        }
        manager_tell(m, EVENT_REPLICANT_STOPPED, r->battery,
                     dict_make("replicant", g_variant_new_uint32(r->id), "confirmed",
                               g_variant_new_boolean(TRUE), "status", g_variant_new_int32(-1), "signal",
                               g_variant_new_int32(-1), NULL));
        replicant_clear_process(r);
        replicant_save(m, r);
}

static void resume_step(Manager *m, Battery *b, Step *s)
{
        Replicant *r = battery_replicant(b, s->replicant);
        if (!r || !step_is_running(s))
                return;
        step_begin_at(m, s, step_resume(s->act, s->state, r->pid != 0, r->ready));
}

/* The battery file may want fewer than when the update was planned: nothing is begun any more for those that
 * are gone or are to go. */
static void give_up_vanished(Manager *m, Battery *b, Step *s)
{
        const Replicant *r = battery_replicant(b, s->replicant);
        if (!step_is_final(s) && (!r || (r->surplus && s->state == STEP_WAITING)))
                step_interrupt(m, s, "the battery file does not have it any more");
}

static void resume_update(Manager *m, Update *u)
{
        Battery *b = battery_of(m, u->battery);
        update_arm(m, u);
        for (guint i = 0; i < u->steps->len; i++) /* holes would mean a damaged journal */
                if (!u->steps->pdata[i])
                        g_ptr_array_remove_index(u->steps, i--);
        guint known = u->steps->len;
        for (guint i = 0; i < known; i++)
                give_up_vanished(m, b, u->steps->pdata[i]);
        for (guint i = 0; i < known && !update_is_final(u); i++)
                resume_step(m, b, u->steps->pdata[i]);
        if (u->state == UPDATE_RUNNING || u->state == UPDATE_ROLLING_BACK)
                update_advance(m, u);
}

/* A package handed over as a descriptor is not to be had again; what was read of it is unpacked. */
static gboolean still_readable(Transaction *t)
{
        for (guint i = 0; i < t->changes->len; i++) {
                PackageChange *c = t->changes->pdata[i];
                if (g_str_equal(c->archive, "-") || g_path_is_absolute(c->archive))
                        continue;
                if (g_str_equal(c->name, "-"))
                        return FALSE;
                c->unpack = UNPACK_DONE;
        }
        return TRUE;
}

static void resume_transaction(Manager *m, Transaction *t)
{
        if (t->state == TRANSACTION_CLOSED || t->state == TRANSACTION_REFUSED)
                return;
        if (t->state == TRANSACTION_PREPARING && !still_readable(t)) {
                transact_refuse(m, t, REFUSAL_BAD_PACKAGE,
                                "the daemon restarted while it read the package: ask again");
                return;
        }
        gboolean owned = !t->person && !t->finished;
        if (owned && t->owner_pid &&
            !m->owner->watch(m->owner, t->id, t->owner_pid, t->owner_ticks, &t->owner_ticks)) {
                transact_on_owner_gone(m, t->id);
                return;
        }
        if (t->state == TRANSACTION_FINISHING)
                transact_record_again(m, t);
        if (t->person && t->state == TRANSACTION_GRANTED)
                transact_finish(m, t, TRUE, NULL);
        else
                transact_advance(m, t);
}

gboolean manager_start(Manager *m, GError **error)
{
        m->sequence = journal_last_sequence(m->journal);
        reload_at_start(m);
        if (!load_all(m, error))
                return FALSE;
        g_autoptr(GList) batteries = manager_batteries(m), updates = manager_updates(m),
                         transactions = manager_transactions(m);
        show_all(m, batteries, updates, transactions);
        for (GList *l = batteries; l; l = l->next) {
                Battery *b = l->data;
                for (guint i = 0; i < b->replicants->len; i++)
                        look_at_replicant(m, b, b->replicants->pdata[i]);
                b->told_active = 0;
        }
        for (GList *l = updates; l; l = l->next)
                if (!update_is_final(l->data))
                        resume_update(m, l->data);
        for (GList *l = transactions; l; l = l->next)
                resume_transaction(m, l->data);
        for (GList *l = batteries; l; l = l->next)
                supervise(m, l->data);
        return TRUE;
}
