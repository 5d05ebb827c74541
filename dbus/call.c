/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that we make and signals that we send. Pending calls are ours, not libdbus's DBusPendingCall: one
 * table by serial, timers in the loop's one sequence. A callback never runs from inside bus_call(). */
#include "dbus/bus-private.h"
#include "dbus/variant.h"

typedef struct Pending {
        guint64 id;
        guint32 serial; /* 0: it could not be sent */
        Bus *bus;       /* not a reference: the bus owns us */
        LoopTimer *timer;
        BusReplyFunc func;
        gpointer user;
        const char *error_name, *error_text; /* static; what the timer tells */
} Pending;

static void pending_free(gpointer data)
{
        Pending *p = data;

        loop_timer_cancel(&p->timer);
        g_free(p);
}

void bus_calls_init(Bus *bus)
{
        bus->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, pending_free);
        bus->by_serial = g_hash_table_new(NULL, NULL);
}

void bus_calls_clear(Bus *bus)
{
        g_hash_table_unref(bus->by_serial);
        g_hash_table_unref(bus->calls);
}

/* Out of the tables first: the callback may cancel, call again, or drop the bus. */
static Pending *pending_steal(Pending *p)
{
        g_hash_table_remove(p->bus->by_serial, GUINT_TO_POINTER(p->serial));
        g_hash_table_steal(p->bus->calls, &p->id);
        return p;
}

static void pending_answer(Pending *p, const BusReply *reply)
{
        p->func(reply, p->user);
        pending_free(p);
}

static void pending_fail(Pending *p, const char *name, const char *text)
{
        BusReply reply = {.error_name = name, .error_text = text};

        pending_answer(pending_steal(p), &reply);
}

static void pending_due(gpointer user)
{
        Pending *p = user;

        p->timer = NULL;
        pending_fail(p, p->error_name, p->error_text);
}

static void pending_arm(Pending *p, gint64 after_us, const char *name, const char *text)
{
        p->error_name = name;
        p->error_text = text;
        p->timer = loop_timer_add(p->bus->loop, g_get_monotonic_time() + after_us, pending_due, p);
}

static int id_compare(gconstpointer a, gconstpointer b)
{
        guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

        return x < y ? -1 : x > y;
}

/* Oldest first; those that a callback adds fail by their own timer. */
void bus_calls_fail_all(Bus *bus)
{
        g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint64));
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, bus->calls);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                g_array_append_vals(ids, key, 1);
        g_array_sort(ids, id_compare);
        for (guint i = 0; i < ids->len; i++) {
                Pending *p = g_hash_table_lookup(bus->calls, &g_array_index(ids, guint64, i));
                if (p)
                        pending_fail(p, DBUS_ERROR_DISCONNECTED, "the connection was lost");
        }
}

static void reply_read_error(DBusMessage *message, BusReply *reply)
{
        const char *text = "";

        dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        reply->error_name = dbus_message_get_error_name(message);
        reply->error_text = text;
}

gboolean bus_calls_take_reply(Bus *bus, DBusMessage *message)
{
        gpointer serial = GUINT_TO_POINTER(dbus_message_get_reply_serial(message));
        Pending *p = g_hash_table_lookup(bus->by_serial, serial);
        BusReply reply = {0};

        if (!p)
                return FALSE;
        pending_steal(p);
        reply.fds = g_array_new(FALSE, FALSE, sizeof(int));
        if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_ERROR)
                reply_read_error(message, &reply);
        else
                reply.body = bus_message_body(message, reply.fds);
        if (!reply.body && !reply.error_name) {
                reply.error_name = DBUS_ERROR_LIMITS_EXCEEDED;
                reply.error_text = "the reply holds too many values";
        }
        pending_answer(p, &reply);
        bus_close_fds(reply.fds);
        g_clear_pointer(&reply.body, g_variant_unref);
        return TRUE;
}

/* libdbus takes names that are not valid for bugs of ours. */
static DBusMessage *message_new_call(const char *dest, const char *path, const char *interface,
                                     const char *member)
{
        if ((dest && !dbus_validate_bus_name(dest, NULL)) || !dbus_validate_path(path, NULL) ||
            (interface && !dbus_validate_interface(interface, NULL)) || !dbus_validate_member(member, NULL))
                return NULL;
        return dbus_message_new_method_call(dest, path, interface, member);
}

static Pending *pending_new(Bus *bus, BusReplyFunc func, gpointer user)
{
        Pending *p = g_new0(Pending, 1);

        p->id = ++bus->last_id;
        p->bus = bus;
        p->func = func;
        p->user = user;
        g_hash_table_insert(bus->calls, &p->id, p);
        return p;
}

static void pending_send(Pending *p, DBusMessage *message, int timeout_ms)
{
        if (!message) {
                pending_arm(p, 0, DBUS_ERROR_INVALID_ARGS, "a name or argument is not valid on D-Bus");
                return;
        }
        if (!bus_send(p->bus, message, &p->serial)) {
                p->serial = 0;
                pending_arm(p, 0, DBUS_ERROR_DISCONNECTED, "the call could not be sent");
                return;
        }
        g_hash_table_insert(p->bus->by_serial, GUINT_TO_POINTER(p->serial), p);
        if (timeout_ms >= 0)
                pending_arm(p, (gint64)timeout_ms * 1000, DBUS_ERROR_NO_REPLY, "no reply in time");
}

/* Who wants no reply is not told either that it could not be sent. */
static void call_send_unanswered(Bus *bus, DBusMessage *message)
{
        if (!message)
                return;
        dbus_message_set_no_reply(message, TRUE);
        bus_send(bus, message, NULL);
}

guint64 bus_call_with_fds(Bus *bus, const char *dest, const char *path, const char *interface,
                          const char *member, GVariant *args, const int *fds, gsize n_fds, int timeout_ms,
                          BusReplyFunc func, gpointer user)
{
        g_autoptr(GVariant) values = args ? g_variant_ref_sink(args) : NULL;
        DBusMessage *message = message_new_call(dest, path, interface, member);
        Pending *p;

        if (message && values && !bus_message_append(message, values, fds, n_fds))
                g_clear_pointer(&message, dbus_message_unref);
        if (!func) {
                call_send_unanswered(bus, message);
                return 0;
        }
        p = pending_new(bus, func, user);
        pending_send(p, message, timeout_ms);
        return p->id;
}

guint64 bus_call(Bus *bus, const char *dest, const char *path, const char *interface, const char *member,
                 GVariant *args, int timeout_ms, BusReplyFunc func, gpointer user)
{
        return bus_call_with_fds(bus, dest, path, interface, member, args, NULL, 0, timeout_ms, func, user);
}

void bus_call_cancel(Bus *bus, guint64 id)
{
        Pending *p = g_hash_table_lookup(bus->calls, &id);

        if (p)
                pending_free(pending_steal(p));
}

void bus_emit(Bus *bus, const char *path, const char *interface, const char *member, GVariant *args)
{
        g_autoptr(GVariant) values = args ? g_variant_ref_sink(args) : NULL;
        DBusMessage *message = dbus_message_new_signal(path, interface, member);

        if (!message)
                return;
        if (values && !bus_message_append(message, values, NULL, 0)) {
                g_critical("signal %s.%s: %s cannot be sent on D-Bus", interface, member,
                           g_variant_get_type_string(values));
                dbus_message_unref(message);
                return;
        }
        bus_send(bus, message, NULL);
}
