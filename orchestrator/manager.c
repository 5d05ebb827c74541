/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's common part: construction, look-ups, saving and telling, and the door through which port
 * events come in. What is decided stands in the files beside it. */
#include "orchestrator/manager-priv.h"

static void battery_free_value(gpointer p)
{
        battery_free(p);
}

static void on_trouble(const char *trouble, gpointer user);

Manager *manager_new(Journal *journal, Clock *clock, const Paths *paths, const BatterySource *source,
                     const Limits *limits)
{
        Manager *m = g_new0(Manager, 1);
        m->journal = journal;
        m->clock = clock;
        m->paths = paths;
        m->source = source;
        m->limits = limits;
        m->outbox = outbox_new(journal);
        m->batteries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, battery_free_value);
        m->transactions =
                g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, (GDestroyNotify)transaction_free);
        m->updates = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, (GDestroyNotify)update_free);
        m->cookies = g_hash_table_new(g_int64_hash, g_int64_equal);
        m->inhibitors = g_ptr_array_new_with_free_func((GDestroyNotify)inhibitor_free);
        m->waiters = g_ptr_array_new();
        journal_on_trouble(journal, on_trouble, m);
        return m;
}

void manager_set_ports(Manager *m, RunnerPort *runner, InstallerPort *installer, OwnerPort *owner)
{
        m->runner = runner;
        m->installer = installer;
        m->owner = owner;
}

void manager_set_publisher(Manager *m, const Publisher *publisher, gpointer user)
{
        m->publisher = publisher;
        m->publisher_user = user;
}

static void waiter_free(Waiter *w)
{
        g_free(w->battery);
        g_free(w);
}

void manager_free(Manager *m)
{
        if (!m)
                return;
        outbox_free(m->outbox);
        GHashTableIter it;
        gpointer v;
        g_hash_table_iter_init(&it, m->updates);
        while (g_hash_table_iter_next(&it, NULL, &v)) {
                Update *u = v;
                clock_cancel(m->clock, &u->timer);
                clock_cancel(m->clock, &u->deadline_timer);
                for (guint i = 0; i < u->steps->len; i++)
                        clock_cancel(m->clock, &((Step *)u->steps->pdata[i])->timer);
        }
        g_hash_table_iter_init(&it, m->batteries);
        while (g_hash_table_iter_next(&it, NULL, &v))
                for (guint i = 0; i < ((Battery *)v)->replicants->len; i++) {
                        Replicant *r = ((Battery *)v)->replicants->pdata[i];
                        clock_cancel(m->clock, &r->backoff_timer);
                        if (r->step)
                                clock_cancel(m->clock, &r->step->timer);
                }
        for (guint i = 0; i < m->waiters->len; i++)
                waiter_free(m->waiters->pdata[i]);
        g_ptr_array_unref(m->waiters);
        g_ptr_array_unref(m->inhibitors);
        g_hash_table_unref(m->cookies);
        g_hash_table_unref(m->batteries);
        g_hash_table_unref(m->transactions);
        g_hash_table_unref(m->updates);
        g_free(m);
}

/* ---- look-ups ---- */

Battery *battery_of(Manager *m, const char *name)
{
        return g_hash_table_lookup(m->batteries, name);
}

Battery *manager_battery(Manager *m, const char *name)
{
        return battery_of(m, name);
}

Update *manager_update(Manager *m, guint64 id)
{
        return g_hash_table_lookup(m->updates, &id);
}

Transaction *manager_transaction(Manager *m, guint64 id)
{
        Transaction *t = g_hash_table_lookup(m->transactions, &id);
        return t && !t->plan_only ? t : NULL;
}

static int by_battery_name(gconstpointer a, gconstpointer b)
{
        return g_strcmp0(((const Battery *)a)->config->name, ((const Battery *)b)->config->name);
}

static int by_update_id(gconstpointer a, gconstpointer b)
{
        const Update *x = a, *y = b;
        return x->id < y->id ? -1 : x->id > y->id;
}

static int by_transaction_id(gconstpointer a, gconstpointer b)
{
        const Transaction *x = a, *y = b;
        return x->id < y->id ? -1 : x->id > y->id;
}

GList *manager_batteries(Manager *m)
{
        return g_list_sort(g_hash_table_get_values(m->batteries), by_battery_name);
}

GList *manager_updates(Manager *m)
{
        return g_list_sort(g_hash_table_get_values(m->updates), by_update_id);
}

GList *manager_transactions(Manager *m)
{
        return g_list_sort(g_hash_table_get_values(m->transactions), by_transaction_id);
}

guint64 manager_sequence(Manager *m)
{
        return m->sequence;
}

Update *battery_current_update(Manager *m, Battery *b)
{
        return b->update ? manager_update(m, b->update) : NULL;
}

char *update_path(guint64 id)
{
        return g_strdup_printf("/org/kantan/Orchestrator1/update/%" G_GUINT64_FORMAT, id);
}

guint64 manager_cookie(Manager *m)
{
        return ++m->last_cookie;
}

char *manager_initiator(const Caller *caller)
{
        if (!caller)
                return g_strdup("orchestrator");
        g_autofree char *path = g_strdup_printf("/proc/%u/comm", caller->pid), *comm = NULL;
        if (caller->pid == 0 || !g_file_get_contents(path, &comm, NULL, NULL))
                return g_strdup_printf("uid %u", caller->uid);
        g_autofree char *clean = g_strescape(g_strchomp(comm), NULL); /* a name that its process chose */
        return g_strdup_printf("uid %u, %s, pid %u", caller->uid, clean, caller->pid);
}

/* ---- telling: everything after the commit ---- */

static void do_event(gpointer user, GVariant *args)
{
        Manager *m = user;
        Event e = {0};
        g_autoptr(GVariant) detail = NULL;
        g_variant_get(args, "(t&sx&s@a{sv})", &e.sequence, &e.kind, &e.time_us, &e.battery, &detail);
        e.detail = detail;
        if (m->publisher)
                m->publisher->event(&e, m->publisher_user);
}

void manager_tell_kind(Manager *m, const char *kind, const char *battery, GVariant *detail)
{
        g_autoptr(GVariant) d = g_variant_ref_sink(detail);
        gint64 now = clock_real_us(m->clock);
        m->sequence++;
        outbox_event(m->outbox, m->sequence, kind, now, battery, d);
        outbox_after(m->outbox, do_event, m,
                     g_variant_new("(tsxs@a{sv})", m->sequence, kind, now, battery, d));
        if (m->sequence % 1000 == 0)
                journal_trim(m->journal, EVENTS_KEPT, "update", UPDATES_KEPT * 10);
}

void manager_tell(Manager *m, EventKind kind, const char *battery, GVariant *detail)
{
        manager_tell_kind(m, event_kind_to_string(kind), battery, detail);
}

static gpointer find_object(Manager *m, ObjectKind kind, const char *battery, guint64 id)
{
        Battery *b = battery_of(m, battery);
        switch (kind) {
        case OBJECT_BATTERY:
                return b;
        case OBJECT_REPLICANT:
                return b ? battery_replicant(b, (guint)id) : NULL;
        case OBJECT_UPDATE:
                return manager_update(m, id);
        case OBJECT_TRANSACTION:
                return manager_transaction(m, id);
        }
        return NULL;
}

static void do_publish(Manager *m, GVariant *args, void (*func)(ObjectKind, gpointer, gpointer))
{
        const char *battery;
        guint32 kind;
        guint64 id;
        g_variant_get(args, "(u&st)", &kind, &battery, &id);
        gpointer object = find_object(m, kind, battery, id);
        if (object)
                func(kind, object, m->publisher_user);
}

static void do_changed(gpointer user, GVariant *args)
{
        Manager *m = user;
        if (m->publisher)
                do_publish(m, args, m->publisher->changed);
}

static void do_added(gpointer user, GVariant *args)
{
        Manager *m = user;
        if (m->publisher)
                do_publish(m, args, m->publisher->added);
}

void manager_changed(Manager *m, ObjectKind kind, const char *battery, guint64 id)
{
        outbox_after(m->outbox, do_changed, m, g_variant_new("(ust)", (guint32)kind, battery, id));
}

void manager_added(Manager *m, ObjectKind kind, const char *battery, guint64 id)
{
        if (!m->started)
                return; /* all is published at once at the end of the start */
        outbox_after(m->outbox, do_added, m, g_variant_new("(ust)", (guint32)kind, battery, id));
}

void battery_save(Manager *m, Battery *b)
{
        outbox_put(m->outbox, "battery", b->config->name, b->config->name, battery_to_record(b));
        manager_changed(m, OBJECT_BATTERY, b->config->name, 0);
}

void replicant_save(Manager *m, Replicant *r)
{
        g_autofree char *id = replicant_record_id(r);
        outbox_put(m->outbox, "replicant", id, r->battery, replicant_to_record(r));
        manager_changed(m, OBJECT_REPLICANT, r->battery, r->id);
        manager_changed(m, OBJECT_BATTERY, r->battery, 0);
}

/* From now on anyone who looks is told what has just become durable. */
static void do_tell_update(gpointer user, GVariant *args)
{
        Manager *m = user;
        guint64 id;
        guint32 state;
        const char *reason;
        g_variant_get(args, "(tu&s)", &id, &state, &reason);
        Update *u = manager_update(m, id);
        if (!u)
                return;
        u->told_state = state;
        g_free(u->told_reason);
        u->told_reason = g_strdup(reason);
}

static void do_tell_transaction(gpointer user, GVariant *args)
{
        Manager *m = user;
        guint64 id;
        guint32 state;
        const char *reason;
        g_variant_get(args, "(tu&s)", &id, &state, &reason);
        Transaction *t = manager_transaction(m, id);
        if (!t)
                return;
        t->told_state = state;
        g_free(t->told_reason);
        t->told_reason = g_strdup(reason);
}

void update_save(Manager *m, Update *u)
{
        Transaction *t = g_hash_table_lookup(m->transactions, &u->transaction);
        if (t && t->plan_only)
                return;
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, u->id);
        outbox_put(m->outbox, "update", id, u->battery, update_to_record(u));
        outbox_after(m->outbox, do_tell_update, m,
                     g_variant_new("(tus)", u->id, (guint32)u->state, u->reason));
        manager_changed(m, OBJECT_UPDATE, "", u->id);
        manager_changed(m, OBJECT_BATTERY, u->battery, 0);
}

void step_save(Manager *m, Step *s)
{
        if (s->update == 0)
                return;
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT ".%u", s->update, s->index);
        outbox_put(m->outbox, "step", id, s->battery, step_to_record(s));
        manager_changed(m, OBJECT_UPDATE, "", s->update);
}

void transaction_save(Manager *m, Transaction *t)
{
        if (t->plan_only)
                return;
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, t->id);
        outbox_put(m->outbox, "transaction", id, "", transaction_to_record(t));
        outbox_after(m->outbox, do_tell_transaction, m,
                     g_variant_new("(tus)", t->id, (guint32)t->state, t->reason));
        manager_changed(m, OBJECT_TRANSACTION, "", t->id);
}

typedef struct PendingAnswer {
        ManagerAnswer answer;
        gpointer user;
        Refusal code;
        char *why;
        GVariant *result;
} PendingAnswer;

static void do_answer(gpointer user, GVariant *args)
{
        guint64 p;
        g_variant_get(args, "(t)", &p);
        PendingAnswer *a = (PendingAnswer *)(gsize)p;
        a->answer(a->code, a->why, a->result, a->user);
        if (a->result)
                g_variant_unref(a->result);
        g_free(a->why);
        g_free(a);
}

static GVariant *pending_answer(ManagerAnswer answer, gpointer user, Refusal code, const char *why,
                                GVariant *result)
{
        PendingAnswer *a = g_new0(PendingAnswer, 1);
        *a = (PendingAnswer){answer, user, code, g_strdup(why), result ? g_variant_ref_sink(result) : NULL};
        return g_variant_new("(t)", (guint64)(gsize)a);
}

void manager_answer(Manager *m, ManagerAnswer answer, gpointer user, Refusal code, const char *why,
                    GVariant *result)
{
        GVariant *args = pending_answer(answer, user, code, why, result);
        if (code != REFUSAL_NONE && journal_trouble(m->journal))
                outbox_soon(m->outbox, do_answer, m, args);
        else
                outbox_after(m->outbox, do_answer, m, args);
}

void manager_answer_seen(Manager *m, ManagerAnswer answer, gpointer user, GVariant *result)
{
        GVariant *args = pending_answer(answer, user, REFUSAL_NONE, NULL, result);
        if (journal_trouble(m->journal))
                outbox_soon(m->outbox, do_answer, m, args);
        else
                outbox_after(m->outbox, do_answer, m, args);
}

/* ---- trouble with the journal ---- */

Refusal manager_check_journal(Manager *m, char **ret_why)
{
        if (!journal_trouble(m->journal))
                return REFUSAL_NONE;
        return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED,
                      "the journal cannot be written (%s): make room, nothing new is begun until then",
                      journal_trouble(m->journal));
}

/* Told past the outbox, which waits for the journal. */
static void on_trouble(const char *trouble, gpointer user)
{
        Manager *m = user;
        g_autoptr(GList) batteries = manager_batteries(m);
        for (GList *l = batteries; l && m->publisher; l = l->next)
                m->publisher->changed(OBJECT_BATTERY, l->data, m->publisher_user);
}

/* ---- memory stays flat: the oldest of what is over goes ---- */

static void drop_update(Manager *m, Update *u)
{
        if (m->publisher)
                m->publisher->removed(OBJECT_UPDATE, u, m->publisher_user);
        for (guint i = 0; i < u->steps->len; i++) {
                g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT ".%u", u->id, i);
                outbox_delete(m->outbox, "step", id);
        }
        g_hash_table_remove(m->updates, &u->id);
}

static void drop_transaction(Manager *m, Transaction *t)
{
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, t->id);
        if (m->publisher && !t->plan_only)
                m->publisher->removed(OBJECT_TRANSACTION, t, m->publisher_user);
        outbox_delete(m->outbox, "transaction", id);
        g_hash_table_remove(m->transactions, &t->id);
}

static gboolean transaction_is_over(Manager *m, const Transaction *t)
{
        if (t->state != TRANSACTION_CLOSED && t->state != TRANSACTION_REFUSED)
                return FALSE;
        for (guint i = 0; i < t->updates->len; i++) {
                Update *u = manager_update(m, g_array_index(t->updates, guint64, i));
                if (u && !update_is_final(u))
                        return FALSE;
        }
        return TRUE;
}

static void do_trim(gpointer user, GVariant *args)
{
        Manager *m = user;
        guint over = 0;
        m->trim_due = FALSE;
        g_autoptr(GList) updates = manager_updates(m);
        for (GList *l = updates; l; l = l->next)
                over += update_is_final(l->data);
        for (GList *l = updates; l && over > UPDATES_KEPT; l = l->next)
                if (update_is_final(l->data)) {
                        drop_update(m, l->data);
                        over--;
                }
        over = 0;
        g_autoptr(GList) transactions = manager_transactions(m);
        for (GList *l = transactions; l; l = l->next)
                over += transaction_is_over(m, l->data);
        for (GList *l = transactions; l && over > TRANSACTIONS_KEPT; l = l->next)
                if (transaction_is_over(m, l->data)) {
                        drop_transaction(m, l->data);
                        over--;
                }
}

void manager_trim(Manager *m)
{
        if (!m->trim_due)
                outbox_after(m->outbox, do_trim, m, NULL);
        m->trim_due = TRUE;
}

/* ---- the door ---- */

void manager_feed(const PortEvent *e, gpointer user)
{
        Manager *m = user;
        switch (e->kind) {
        case PORT_FORKED:
        case PORT_START_FAILED:
        case PORT_READY:
        case PORT_STATUS:
        case PORT_STOPPING:
        case PORT_WATCHDOG:
        case PORT_EXITED:
                stepper_on_runner(m, e);
                break;
        case PORT_COMMAND_DONE:
                stepper_on_command(m, e);
                break;
        case PORT_UNPACKED:
                transact_on_unpacked(m, e);
                break;
        case PORT_SWITCHED:
                stepper_on_switched(m, e);
                break;
        case PORT_CURRENT_SET:
                if (!e->ok)
                        g_warning("the installed version could not be recorded: %s", e->text);
                break;
        case PORT_OWNER_GONE:
                transact_on_owner_gone(m, e->cookie);
                break;
        case _PORT_EVENT_MAX:
                break;
        }
}
