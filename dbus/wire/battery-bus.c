/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A battery on the bus. Start, Stop and Restart answer when it is done, the others when it is accepted. */
#include "dbus/wire/wire-private.h"

typedef struct VerbWord {
        const char *method;
        BatteryVerb verb;
        ManagerAnswer answer;
} VerbWord;

static const VerbWord verbs[] = {
        {"Start", VERB_START, wire_answer_nothing},      {"Stop", VERB_STOP, wire_answer_nothing},
        {"Restart", VERB_RESTART, wire_answer_nothing},  {"Pause", VERB_PAUSE, wire_answer_nothing},
        {"Resume", VERB_RESUME, wire_answer_nothing},    {"Update", VERB_UPDATE, wire_answer_update},
        {"Rollback", VERB_ROLLBACK, wire_answer_update},
};

static const VerbWord *verb_of(BusCall *call)
{
        for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (g_str_equal(verbs[i].method, bus_call_member(call)))
                        return &verbs[i];
        g_assert_not_reached(); /* a method of the table below without a row above */
}

static void act(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        const Battery *b = object;
        const VerbWord *v = verb_of(call);
        Caller caller = wire_caller(call);
        g_autoptr(GVariant) options = g_variant_get_child_value(args, 0);

        manager_battery_do(w->manager, &caller, b->config->name, v->verb, options, v->answer,
                           bus_call_ref(call));
}

/* ---- properties ---- */

static GVariant *get_name(gpointer object, gpointer user)
{
        return wire_string(((Battery *)object)->config->name);
}

static GVariant *get_description(gpointer object, gpointer user)
{
        return wire_string(((Battery *)object)->config->description);
}

static GVariant *get_state(gpointer object, gpointer user)
{
        return wire_string(battery_state_to_string(battery_get_state(object)));
}

static GVariant *get_reason(gpointer object, gpointer user)
{
        g_autofree char *reason = manager_battery_reason(((Wire *)user)->manager, object);

        return wire_string(reason);
}

static GVariant *get_next(gpointer object, gpointer user)
{
        g_autofree char *next = manager_battery_next(((Wire *)user)->manager, object);

        return wire_string(next);
}

static GVariant *get_version(gpointer object, gpointer user)
{
        return wire_string(((Battery *)object)->version);
}

static GVariant *get_strategy(gpointer object, gpointer user)
{
        return wire_string(strategy_to_string(((Battery *)object)->config->strategy));
}

static GVariant *get_active(gpointer object, gpointer user)
{
        return g_variant_new_uint32(battery_active(object));
}

static GVariant *get_desired(gpointer object, gpointer user)
{
        return g_variant_new_uint32(battery_config_desired(((Battery *)object)->config));
}

static GVariant *get_floor(gpointer object, gpointer user)
{
        return g_variant_new_uint32(battery_config_floor(((Battery *)object)->config));
}

static GVariant *get_current_update(gpointer object, gpointer user)
{
        g_autofree char *path = wire_path_update(((Battery *)object)->update);

        return g_variant_new_object_path(path);
}

static GVariant *get_packages(gpointer object, gpointer user)
{
        return g_variant_new_strv((const char *const *)((Battery *)object)->config->packages, -1);
}

static const BusMethod methods[] = {
        {"Start", "a{sv}", "", "options", "", ACTION_CONTROL, "", act},
        {"Stop", "a{sv}", "", "options", "", ACTION_CONTROL, "", act},
        {"Restart", "a{sv}", "", "options", "", ACTION_CONTROL, "override=b", act},
        {"Pause", "a{sv}", "", "options", "", ACTION_CONTROL, "", act},
        {"Resume", "a{sv}", "", "options", "", ACTION_CONTROL, "", act},
        {"Update", "a{sv}", "o", "options", "update", ACTION_UPDATE, "override=b", act},
        {"Rollback", "a{sv}", "o", "options", "update", ACTION_ROLLBACK, "override=b", act},
        {NULL},
};
static const BusProperty properties[] = {
        {"Name", "s", get_name, BUS_TELL_NEVER},
        {"Description", "s", get_description},
        {"State", "s", get_state},
        {"Reason", "s", get_reason},
        {"Next", "s", get_next},
        {"Version", "s", get_version},
        {"Strategy", "s", get_strategy},
        {"Active", "u", get_active},
        {"Desired", "u", get_desired},
        {"Floor", "u", get_floor},
        {"CurrentUpdate", "o", get_current_update},
        {"Packages", "as", get_packages},
        {NULL},
};
const BusInterface battery_interface = {WIRE_NAME ".Battery", methods, properties, NULL};
