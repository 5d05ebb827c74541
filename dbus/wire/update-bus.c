/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An update on the bus. Its methods answer when they are accepted; its end is the signal Finished. */
#include "dbus/wire/wire-private.h"

static void act(BusCall *call, UpdateVerb verb, gpointer object, gpointer user)
{
        Wire *w = user;
        const Update *u = object;
        Caller caller = wire_caller(call);

        manager_update_do(w->manager, &caller, u->id, verb, wire_answer_nothing, bus_call_ref(call));
}

static void pause_update(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        act(call, VERB_U_PAUSE, object, user);
}

static void resume_update(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        act(call, VERB_U_RESUME, object, user);
}

static void cancel(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        act(call, VERB_U_CANCEL, object, user);
}

static void promote(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        act(call, VERB_U_PROMOTE, object, user);
}

static void roll_back(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        act(call, VERB_U_ROLLBACK, object, user);
}

/* ---- properties ---- */

static GVariant *get_state(gpointer object, gpointer user)
{
        return wire_string(update_state_to_string(((Update *)object)->told_state));
}

static GVariant *get_battery(gpointer object, gpointer user)
{
        return wire_string(((Update *)object)->battery);
}

static GVariant *get_strategy(gpointer object, gpointer user)
{
        return wire_string(strategy_to_string(((Update *)object)->strategy));
}

static GVariant *get_from(gpointer object, gpointer user)
{
        return wire_string(((Update *)object)->from);
}

static GVariant *get_to(gpointer object, gpointer user)
{
        return wire_string(((Update *)object)->to);
}

static GVariant *get_plan(gpointer object, gpointer user)
{
        return wire_string(((Update *)object)->plan);
}

static GVariant *get_reason(gpointer object, gpointer user)
{
        return wire_string(((Update *)object)->told_reason);
}

static GVariant *get_initiator(gpointer object, gpointer user)
{
        return wire_string(((Update *)object)->initiator);
}

static GVariant *get_progress(gpointer object, gpointer user)
{
        const Update *u = object;

        return g_variant_new("(uu)", update_steps_done(u), u->steps->len);
}

static GVariant *get_transaction(gpointer object, gpointer user)
{
        g_autofree char *path = wire_path_transaction(((Update *)object)->transaction);

        return g_variant_new_object_path(path);
}

static GVariant *get_steps(gpointer object, gpointer user)
{
        const Update *u = object;
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(usss)"));

        for (guint i = 0; i < u->steps->len; i++) {
                const Step *s = u->steps->pdata[i];
                g_variant_builder_add(&b, "(uss@s)", s->replicant, step_act_to_string(s->act),
                                      step_state_to_string(s->state), wire_string(s->reason));
        }
        return g_variant_builder_end(&b);
}

static const BusMethod methods[] = {
        {"Pause", "a{sv}", "", "options", "", ACTION_CONTROL, "", pause_update},
        {"Resume", "a{sv}", "", "options", "", ACTION_CONTROL, "", resume_update},
        {"Cancel", "a{sv}", "", "options", "", ACTION_UPDATE, "", cancel},
        {"Promote", "a{sv}", "", "options", "", ACTION_UPDATE, "", promote},
        {"Rollback", "a{sv}", "", "options", "", ACTION_ROLLBACK, "", roll_back},
        {NULL},
};
static const BusProperty properties[] = {
        {"State", "s", get_state},
        {"Battery", "s", get_battery, BUS_TELL_NEVER},
        {"Strategy", "s", get_strategy},
        {"FromVersion", "s", get_from},
        {"ToVersion", "s", get_to},
        {"Plan", "s", get_plan},
        {"Reason", "s", get_reason},
        {"Initiator", "s", get_initiator},
        {"Progress", "(uu)", get_progress},
        {"Transaction", "o", get_transaction},
        {"Steps", "a(usss)", get_steps, BUS_TELL_TO_READ},
        {NULL},
};
static const BusSignalSpec signals[] = {
        {"Finished", "ss", "state,reason"},
        {NULL},
};
const BusInterface update_interface = {WIRE_NAME ".Update", methods, properties, signals};
