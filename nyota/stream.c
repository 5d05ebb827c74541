/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals and Since() woven into one order. While a Since() is under way live signals only make it asked
 * once more at its end: what they told is stored by then, so nothing needs to be kept here. */
#include "nyota/stream.h"
#include "nyota/dict.h"
#include "nyota/nyota.h"

#include <string.h>

/* Events asked for in one go: some 200 bytes each, far below a message's limit. */
#define SINCE_MOST 500
#define SINCE_TYPE "(a(tsxsa{sv}))"
#define EVENT_TYPE "(tsxsa{sv})"
/* How long an answer to Since() may take before the service counts as lost. */
#define SINCE_MS 25000

struct Stream {
        Client *client;
        char *path;
        guint64 last;
        StreamFuncs funcs;
        gpointer user;
        guint64 subscription, object_subscription, name_watch, call;
        gboolean asking, ask_again, present;
        gboolean unanswered; /* the last Since() got an error */
};

static void ask(Stream *s);

static void event_of(GVariant *tuple, Event *ret)
{
        g_variant_get(tuple, "(t&sx&s@a{sv})", &ret->sequence, &ret->kind, &ret->time_us, &ret->battery,
                      &ret->detail);
}

static void tell(Stream *s, GVariant *tuple)
{
        Event e;
        event_of(tuple, &e);
        if (e.sequence > s->last) {
                s->last = e.sequence;
                s->funcs.event(&e, s->user);
        }
        g_variant_unref(e.detail);
}

static guint tell_all(Stream *s, GVariant *body)
{
        g_autoptr(GVariant) events = g_variant_get_child_value(body, 0);
        guint n = (guint)g_variant_n_children(events);
        for (guint i = 0; i < n; i++) {
                g_autoptr(GVariant) tuple = g_variant_get_child_value(events, i);
                tell(s, tuple);
        }
        return n;
}

static void on_since(const BusReply *reply, gpointer user)
{
        Stream *s = user;
        s->asking = FALSE;
        s->call = 0;
        s->unanswered = !reply->body;
        if (!reply->body || !g_variant_is_of_type(reply->body, G_VARIANT_TYPE(SINCE_TYPE))) {
                /* it left while we asked; if it is back already, that was noted as ask_again */
                if (s->ask_again && s->present)
                        ask(s);
                return;
        }
        guint n = tell_all(s, reply->body);
        if (n > 0 || s->ask_again)
                ask(s);
        else if (s->funcs.caught_up)
                s->funcs.caught_up(s->user);
}

static void ask(Stream *s)
{
        if (s->asking) {
                s->ask_again = TRUE;
                return;
        }
        s->asking = TRUE;
        s->ask_again = FALSE;
        g_autofree char *interface = client_interface("Channel");
        s->call = bus_call(client_bus(s->client), CLIENT_SERVICE, s->path, interface, "Since",
                           g_variant_new("(tu)", s->last, (guint)SINCE_MOST), SINCE_MS, on_since, s);
}

void stream_sync(Stream *s)
{
        ask(s);
}

static void on_signal(const BusSignal *signal, gpointer user)
{
        Stream *s = user;
        if (!g_variant_is_of_type(signal->body, G_VARIANT_TYPE(EVENT_TYPE)))
                return;
        if (s->asking)
                s->ask_again = TRUE;
        else
                tell(s, signal->body);
}

static void on_name(const char *name, const char *owner, gpointer user)
{
        Stream *s = user;
        if (owner) {
                s->present = TRUE;
                ask(s);
        } else {
                if (s->present && s->funcs.lost)
                        s->funcs.lost(FALSE, s->user);
                s->present = FALSE;
        }
}

/* The service may be on the bus a moment before the channel's object is. */
static void on_object(const BusSignal *signal, gpointer user)
{
        Stream *s = user;
        if (s->unanswered)
                ask(s);
}

static void on_disconnected(Bus *bus, gpointer user)
{
        Stream *s = user;
        if (s->funcs.lost)
                s->funcs.lost(TRUE, s->user);
}

Stream *stream_new(Client *client, const char *path, guint64 after, const StreamFuncs *funcs, gpointer user)
{
        Bus *bus = client_bus(client);
        Stream *s = g_new0(Stream, 1);
        s->client = client;
        s->path = g_strdup(path);
        s->last = after;
        s->funcs = *funcs;
        s->user = user;
        g_autofree char *rule = g_strdup_printf("sender='" CLIENT_SERVICE "',interface='" CLIENT_SERVICE
                                                ".Channel',member='Event',path='%s'",
                                                path);
        s->subscription = bus_subscribe(bus, rule, on_signal, s);
        s->object_subscription =
                bus_subscribe(bus,
                              "sender='" CLIENT_SERVICE "',interface='org.freedesktop.DBus.ObjectManager',"
                              "member='InterfacesAdded',path='" NYOTA_ROOT "'",
                              on_object, s);
        s->name_watch = bus_watch_name(bus, CLIENT_SERVICE, on_name, s);
        bus_on_disconnected(bus, on_disconnected, s);
        ask(s);
        return s;
}

void stream_free(Stream *s)
{
        if (!s)
                return;
        Bus *bus = client_bus(s->client);
        if (s->call)
                bus_call_cancel(bus, s->call);
        bus_on_disconnected(bus, NULL, NULL);
        bus_unwatch_name(bus, s->name_watch);
        bus_unsubscribe(bus, s->subscription);
        bus_unsubscribe(bus, s->object_subscription);
        g_free(s->path);
        g_free(s);
}

gboolean stream_newest(Client *client, const char *path, guint64 *ret_sequence, GError **error)
{
        g_autoptr(GVariant) properties = client_properties(client, path, "Channel", error);
        if (!properties)
                return FALSE;
        *ret_sequence = dict_number(properties, "Sequence");
        return TRUE;
}

gboolean stream_read_stored(Client *client, const char *path, guint64 after,
                            void (*func)(const Event *event, gpointer user), gpointer user, GError **error)
{
        Stream s = {.last = after, .funcs = {.event = func}, .user = user};
        for (guint n = 1; n > 0;) {
                ClientCall call = {.path = path,
                                   .interface = "Channel",
                                   .member = "Since",
                                   .args = g_variant_new("(tu)", s.last, (guint)SINCE_MOST)};
                g_autoptr(GVariant) body = client_call(client, &call, error);
                if (!body)
                        return FALSE;
                n = g_variant_is_of_type(body, G_VARIANT_TYPE(SINCE_TYPE)) ? tell_all(&s, body) : 0;
        }
        return TRUE;
}
