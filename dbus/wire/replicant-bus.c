/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A replicant on the bus. What only a controller measures (in flight, heartbeats) is not here yet. */
#include "dbus/wire/wire-private.h"

static void act(BusCall *call, ReplicantVerb verb, const char *role, GVariant *options, const Replicant *r,
                Wire *w)
{
        Caller caller = wire_caller(call);

        manager_replicant_do(w->manager, &caller, r->battery, r->id, verb, role, options, wire_answer_nothing,
                             bus_call_ref(call));
}

static void drain(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GVariant) options = g_variant_get_child_value(args, 0);

        act(call, VERB_R_DRAIN, NULL, options, object, user);
}

static void admit(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GVariant) options = g_variant_get_child_value(args, 0);

        act(call, VERB_R_ADMIT, NULL, options, object, user);
}

static void restart(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GVariant) options = g_variant_get_child_value(args, 0);

        act(call, VERB_R_RESTART, NULL, options, object, user);
}

static void set_role(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GVariant) options = NULL;
        const char *role;

        g_variant_get(args, "(&s@a{sv})", &role, &options);
        act(call, VERB_R_SET_ROLE, role, options, object, user);
}

/* ---- properties ---- */

static GVariant *get_id(gpointer object, gpointer user)
{
        return g_variant_new_uint32(((Replicant *)object)->id);
}

static GVariant *get_role(gpointer object, gpointer user)
{
        return wire_string(role_to_string(((Replicant *)object)->role));
}

static GVariant *get_state(gpointer object, gpointer user)
{
        return wire_string(replicant_state_to_string(replicant_get_state(object)));
}

static GVariant *get_health(gpointer object, gpointer user)
{
        return wire_string(((Replicant *)object)->health);
}

static GVariant *get_status(gpointer object, gpointer user)
{
        return wire_string(((Replicant *)object)->status);
}

static GVariant *get_version(gpointer object, gpointer user)
{
        return wire_string(((Replicant *)object)->version);
}

static GVariant *get_main_pid(gpointer object, gpointer user)
{
        return g_variant_new_uint32((guint)((Replicant *)object)->pid);
}

static const BusMethod methods[] = {
        {"Drain", "a{sv}", "", "options", "", ACTION_CONTROL, "override=b", drain},
        {"Admit", "a{sv}", "", "options", "", ACTION_CONTROL, "", admit},
        {"Restart", "a{sv}", "", "options", "", ACTION_CONTROL, "override=b", restart},
        {"SetRole", "sa{sv}", "", "role,options", "", ACTION_CONTROL, "override=b", set_role},
        {NULL},
};
static const BusProperty properties[] = {
        {"Id", "u", get_id, BUS_TELL_NEVER}, {"Role", "s", get_role},
        {"State", "s", get_state},           {"Health", "s", get_health},
        {"Status", "s", get_status},         {"Version", "s", get_version},
        {"MainPID", "u", get_main_pid},      {NULL},
};
const BusInterface replicant_interface = {WIRE_NAME ".Replicant", methods, properties, NULL};
