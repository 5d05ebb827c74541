/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event channels: svc hears all batteries, svc/B battery B. */
#include "dbus/wire/wire-private.h"

#define SINCE_MOST 1000 /* events a call: bounds a reply to about 4 MiB; who wants more asks again */

static const char *channel_battery(gpointer object)
{
        return object ? ((Battery *)object)->config->name : NULL;
}

static void since(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        guint64 sequence;
        guint most;

        g_variant_get(args, "(tu)", &sequence, &most);
        most = most == 0 ? SINCE_MOST : MIN(most, SINCE_MOST);
        manager_since(w->manager, sequence, channel_battery(object), most, wire_answer_events,
                      bus_call_ref(call));
}

static void send_event(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        const char *kind, *battery = channel_battery(object);
        g_autoptr(GVariant) detail = NULL;

        g_variant_get(args, "(&s@a{sv}@a{sv})", &kind, &detail, NULL);
        manager_send(w->manager, battery ? battery : "", kind, detail, wire_answer_nothing,
                     bus_call_ref(call));
}

static GVariant *get_sequence(gpointer object, gpointer user)
{
        return g_variant_new_uint64(manager_sequence(((Wire *)user)->manager));
}

static const BusMethod methods[] = {
        {"Since", "tu", "a(tsxsa{sv})", "sequence,most", "events", NULL, NULL, since},
        {"Send", "sa{sv}a{sv}", "", "kind,detail,options", "", ACTION_CONTROL, "", send_event},
        {NULL},
};
static const BusProperty properties[] = {
        {"Sequence", "t", get_sequence},
        {NULL},
};
static const BusSignalSpec signals[] = {
        {"Event", "tsxsa{sv}", "sequence,kind,time_us,battery,detail"},
        {NULL},
};
const BusInterface channel_interface = {WIRE_NAME ".Channel", methods, properties, signals};
