/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transaction on the bus: what a package manager's hook waits on (Verdict) and ends (Finish). */
#include "dbus/wire/wire-private.h"

static void finish(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        const Transaction *t = object;
        gboolean success;

        g_variant_get(args, "(b@a{sv})", &success, NULL);
        manager_finish(w->manager, t->id, success, wire_answer_nothing, bus_call_ref(call));
}

/* ---- properties ---- */

static GVariant *get_state(gpointer object, gpointer user)
{
        return wire_string(transaction_state_to_string(((Transaction *)object)->told_state));
}

static GVariant *get_reason(gpointer object, gpointer user)
{
        return wire_string(((Transaction *)object)->told_reason);
}

static GVariant *get_changes(gpointer object, gpointer user)
{
        const Transaction *t = object;
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sssss)"));

        for (guint i = 0; i < t->changes->len; i++) {
                const PackageChange *c = t->changes->pdata[i];
                g_variant_builder_add(&b, "(s@s@s@s@s)", operation_to_string(c->operation),
                                      wire_string(c->name), wire_string(c->old_version),
                                      wire_string(c->new_version), wire_string(c->archive));
        }
        return g_variant_builder_end(&b);
}

static GVariant *get_updates(gpointer object, gpointer user)
{
        const Transaction *t = object;
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("ao"));

        for (guint i = 0; i < t->updates->len; i++) {
                g_autofree char *path = wire_path_update(g_array_index(t->updates, guint64, i));
                g_variant_builder_add(&b, "o", path);
        }
        return g_variant_builder_end(&b);
}

static const BusMethod methods[] = {
        {"Finish", "ba{sv}", "", "success,options", "", ACTION_UPDATE, "", finish},
        {NULL},
};
static const BusProperty properties[] = {
        {"State", "s", get_state},
        {"Reason", "s", get_reason},
        {"Changes", "a(sssss)", get_changes},
        {"Updates", "ao", get_updates},
        {NULL},
};
static const BusSignalSpec signals[] = {
        {"Verdict", "bs", "granted,reason"},
        {NULL},
};
const BusInterface transaction_interface = {WIRE_NAME ".Transaction", methods, properties, signals};
