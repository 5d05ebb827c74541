/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree of objects and what the manager tells: objects come, change and go, events and verdicts become
 * signals. A signal that sums up an object (Verdict, Finished) comes after its PropertiesChanged. */
#include "dbus/wire/wire-private.h"

static const BusInterface *const root_interfaces[] = {&manager_interface, NULL};
static const BusInterface *const svc_interfaces[] = {&channel_interface, NULL};
static const BusInterface *const battery_interfaces[] = {&battery_interface, &channel_interface, NULL};
static const BusInterface *const replicant_interfaces[] = {&replicant_interface, NULL};
static const BusInterface *const update_interfaces[] = {&update_interface, NULL};
static const BusInterface *const transaction_interfaces[] = {&transaction_interface, NULL};

const BusInterface *const *wire_interfaces(void)
{
        static const BusInterface *const all[] = {&manager_interface,
                                                  &channel_interface,
                                                  &battery_interface,
                                                  &replicant_interface,
                                                  &update_interface,
                                                  &transaction_interface,
                                                  NULL};
        return all;
}

/* ---- which object is where ---- */

static char *path_of(ObjectKind kind, gconstpointer object)
{
        const Replicant *r = object;

        switch (kind) {
        case OBJECT_BATTERY:
                return wire_path_battery(((const Battery *)object)->config->name);
        case OBJECT_REPLICANT:
                return wire_path_replicant(r->battery, r->id);
        case OBJECT_UPDATE:
                return wire_path_update(((const Update *)object)->id);
        case OBJECT_TRANSACTION:
                return wire_path_transaction(((const Transaction *)object)->id);
        }
        g_assert_not_reached();
}

static const BusInterface *const *interfaces_of(ObjectKind kind)
{
        switch (kind) {
        case OBJECT_BATTERY:
                return battery_interfaces;
        case OBJECT_REPLICANT:
                return replicant_interfaces;
        case OBJECT_UPDATE:
                return update_interfaces;
        case OBJECT_TRANSACTION:
                return transaction_interfaces;
        }
        g_assert_not_reached();
}

/* NULL if it was not announced, as plans that are only looked at. */
static BusObject *find(Wire *w, ObjectKind kind, gconstpointer object)
{
        g_autofree char *path = path_of(kind, object);

        return bus_tree_find(w->tree, path);
}

/* Its properties are to be read again, if it is there. */
static void touch(BusObject *object)
{
        if (object)
                bus_object_changed(object);
}

static void touch_battery(Wire *w, const char *battery)
{
        g_autofree char *path = wire_path_battery(battery);

        touch(bus_tree_find(w->tree, path));
}

static void touch_batteries(Wire *w)
{
        g_autoptr(GList) list = manager_batteries(w->manager);

        for (GList *l = list; l; l = l->next)
                touch(find(w, OBJECT_BATTERY, l->data));
}

/* What a battery shows follows from its replicants and its update too. */
static void touch_above(Wire *w, ObjectKind kind, gconstpointer object)
{
        switch (kind) {
        case OBJECT_REPLICANT:
                touch_battery(w, ((const Replicant *)object)->battery);
                break;
        case OBJECT_UPDATE:
                touch_battery(w, ((const Update *)object)->battery);
                break;
        case OBJECT_BATTERY:
        case OBJECT_TRANSACTION:
                break;
        }
}

/* ---- transactions owned by a connection end with it ---- */

static void on_owner(const char *name, const char *owner, gpointer user)
{
        Wire *w = user;

        if (!owner)
                manager_name_gone(w->manager, name);
}

static void unwatch_owner(Wire *w, guint64 transaction)
{
        guint64 *watch = g_hash_table_lookup(w->owners, &transaction);

        if (!watch)
                return;
        bus_unwatch_name(w->bus, *watch);
        g_hash_table_remove(w->owners, &transaction);
}

/* The watch tells at once if the name is gone already. */
static void watch_owner(Wire *w, const Transaction *t)
{
        gboolean open =
                !t->finished && (t->state == TRANSACTION_PREPARING || t->state == TRANSACTION_GRANTED);

        if (!open) {
                unwatch_owner(w, t->id);
                return;
        }
        if (t->person || t->owner_pid || !t->owner_name || !*t->owner_name ||
            g_hash_table_contains(w->owners, &t->id))
                return;
        guint64 watch = bus_watch_name(w->bus, t->owner_name, on_owner, w);
        if (watch)
                g_hash_table_insert(w->owners, g_memdup2(&t->id, sizeof t->id),
                                    g_memdup2(&watch, sizeof watch));
}

/* ---- the publisher ---- */

static void on_added(ObjectKind kind, gpointer object, gpointer user)
{
        Wire *w = user;
        g_autofree char *path = path_of(kind, object);

        if (!bus_tree_find(w->tree, path))
                bus_tree_add(w->tree, path, interfaces_of(kind), object);
        if (kind == OBJECT_TRANSACTION)
                watch_owner(w, object);
        touch_above(w, kind, object);
}

static void on_changed(ObjectKind kind, gpointer object, gpointer user)
{
        Wire *w = user;

        touch(find(w, kind, object));
        if (kind == OBJECT_TRANSACTION)
                watch_owner(w, object);
        touch_above(w, kind, object);
}

static void on_removed(ObjectKind kind, gpointer object, gpointer user)
{
        Wire *w = user;

        bus_object_remove(find(w, kind, object));
        if (kind == OBJECT_TRANSACTION)
                unwatch_owner(w, ((const Transaction *)object)->id);
        touch_above(w, kind, object);
}

static GVariant *event_args(const Event *e)
{
        return g_variant_new("(tsxs@a{sv})", e->sequence, e->kind, e->time_us, e->battery, e->detail);
}

/* Inhibitors of "*" are told without a battery, yet change what each battery waits for. */
static gboolean concerns_all(const Event *e)
{
        EventKind kind = event_kind_from_string(e->kind);

        return !*e->battery && (kind == EVENT_INHIBITOR_TAKEN || kind == EVENT_INHIBITOR_RELEASED);
}

static void on_event(const Event *event, gpointer user)
{
        Wire *w = user;
        g_autofree char *path = *event->battery ? wire_path_battery(event->battery) : NULL;
        BusObject *battery = path ? bus_tree_find(w->tree, path) : NULL;

        bus_object_emit(w->svc, channel_interface.name, "Event", event_args(event));
        if (battery)
                bus_object_emit(battery, channel_interface.name, "Event", event_args(event));
        touch(w->svc);
        touch(battery);
        if (concerns_all(event))
                touch_batteries(w);
}

static void on_verdict(Transaction *t, gboolean granted, const char *reason, gpointer user)
{
        BusObject *object = find(user, OBJECT_TRANSACTION, t);

        if (!object)
                return;
        bus_object_changed(object);
        bus_object_flush(object);
        bus_object_emit(object, transaction_interface.name, "Verdict",
                        g_variant_new("(b@s)", granted, wire_string(reason)));
}

static void on_finished(Update *u, gpointer user)
{
        BusObject *object = find(user, OBJECT_UPDATE, u);

        if (!object)
                return;
        bus_object_changed(object);
        bus_object_flush(object);
        bus_object_emit(object, update_interface.name, "Finished",
                        g_variant_new("(s@s)", update_state_to_string(u->state), wire_string(u->reason)));
}

const Publisher *wire_publisher(void)
{
        static const Publisher publisher = {on_event,   on_added,   on_changed,
                                            on_removed, on_verdict, on_finished};

        return &publisher;
}

/* ---- the whole ---- */

Wire *wire_new(Bus *bus, Manager *m, const WireConfig *config)
{
        Wire *w = g_new0(Wire, 1);

        w->bus = bus_ref(bus);
        w->manager = m;
        w->config = *config;
        w->instance = g_strdup(config->instance);
        w->config.instance = w->instance;
        w->owners = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
        w->tree = bus_tree_new(bus, WIRE_ROOT, w);
        bus_tree_set_authorize(w->tree, wire_authorize, w);
        bus_tree_set_limits(w->tree, config->calls_per_sender, config->calls);
        w->root = bus_tree_add(w->tree, WIRE_ROOT, root_interfaces, NULL);
        w->svc = bus_tree_add(w->tree, WIRE_ROOT "/svc", svc_interfaces, NULL);
        return w;
}

void wire_free(Wire *w)
{
        GHashTableIter it;
        gpointer watch;

        if (!w)
                return;
        g_hash_table_iter_init(&it, w->owners);
        while (g_hash_table_iter_next(&it, NULL, &watch))
                bus_unwatch_name(w->bus, *(guint64 *)watch);
        g_hash_table_unref(w->owners);
        bus_tree_free(w->tree);
        bus_unref(w->bus);
        g_free(w->instance);
        g_free(w);
}
