/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection: opening, closing, losing it, and one filter that hands each message to whom it concerns:
 * replies to call.c, signals to match.c, method calls to the object tree. */
#include "dbus/bus-private.h"

#include <gio/gio.h>
#include <unistd.h>

static gboolean fault_take(DBusError *from, const char *what, GError **error)
{
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what, from->message);
        dbus_error_free(from);
        return FALSE;
}

gboolean bus_send(Bus *bus, DBusMessage *message, guint32 *ret_serial)
{
        dbus_uint32_t serial = 0;
        gboolean ok = !bus->is_lost && dbus_connection_send(bus->connection, message, &serial);

        if (ret_serial)
                *ret_serial = serial;
        dbus_message_unref(message);
        return ok;
}

void bus_close_fds(GArray *fds)
{
        for (guint i = 0; fds && i < fds->len; i++)
                if (g_array_index(fds, int, i) >= 0)
                        close(g_array_index(fds, int, i));
        if (fds)
                g_array_unref(fds);
}

/* The server first: its count of peers must be right when the user opens the next one. */
static void bus_lost(Bus *bus)
{
        if (bus->is_lost)
                return;
        bus->is_lost = TRUE;
        bus_calls_fail_all(bus);
        if (bus->on_gone)
                g_steal_pointer (&bus->on_gone)(bus, bus->on_gone_user);
        if (bus->on_disconnected)
                g_steal_pointer (&bus->on_disconnected)(bus, bus->on_disconnected_user);
}

static DBusHandlerResult bus_filter(DBusConnection *connection, DBusMessage *message, void *user)
{
        g_autoptr(Bus) bus = bus_ref(user); /* a handler may drop the last reference */

        switch (dbus_message_get_type(message)) {
        case DBUS_MESSAGE_TYPE_METHOD_RETURN:
        case DBUS_MESSAGE_TYPE_ERROR:
                if (bus_calls_take_reply(bus, message))
                        return DBUS_HANDLER_RESULT_HANDLED;
                break;
        case DBUS_MESSAGE_TYPE_SIGNAL:
                if (dbus_message_is_signal(message, DBUS_INTERFACE_LOCAL, "Disconnected"))
                        bus_lost(bus);
                else
                        bus_matches_deliver(bus, message);
                break;
        case DBUS_MESSAGE_TYPE_METHOD_CALL:
                if (!bus->tree)
                        break;
                bus_tree_dispatch(bus->tree, message);
                return DBUS_HANDLER_RESULT_HANDLED;
        default:
                break;
        }
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
}

Bus *bus_new_for_connection(DBusConnection *connection)
{
        Bus *bus = g_new0(Bus, 1);

        bus->refs = 1;
        bus->connection = dbus_connection_ref(connection);
        bus->is_private = dbus_bus_get_unique_name(connection) == NULL;
        bus->loop = loop_get();
        bus_calls_init(bus);
        bus_matches_init(bus);
        dbus_connection_set_exit_on_disconnect(connection, FALSE);
        if (!dbus_connection_add_filter(connection, bus_filter, bus, NULL))
                g_error("out of memory");
        bus->link = loop_attach(bus->loop, connection);
        return bus;
}

static DBusConnection *connection_open(const char *where, DBusError *error)
{
        DBusConnection *connection;

        if (g_str_equal(where, "system"))
                return dbus_bus_get_private(DBUS_BUS_SYSTEM, error);
        if (g_str_equal(where, "session"))
                return dbus_bus_get_private(DBUS_BUS_SESSION, error);
        connection = dbus_connection_open_private(where, error);
        if (!connection || dbus_bus_register(connection, error))
                return connection;
        dbus_connection_close(connection);
        dbus_connection_unref(connection);
        return NULL;
}

Bus *bus_open(const char *where, GError **error)
{
        DBusError fault = DBUS_ERROR_INIT;
        DBusConnection *connection;
        Bus *bus;

        /* A hostile argument that slips through our checks must be an error, not an abort. Before any
         * thread, as setenv() demands: bus_open() is for start-up. */
        g_setenv("DBUS_FATAL_WARNINGS", "0", FALSE);
        connection = connection_open(where, &fault);
        if (!connection) {
                g_autofree char *what = g_strdup_printf("cannot connect to the bus '%s'", where);
                fault_take(&fault, what, error);
                return NULL;
        }
        bus = bus_new_for_connection(connection);
        dbus_connection_unref(connection);
        return bus;
}

Bus *bus_ref(Bus *bus)
{
        bus->refs++;
        return bus;
}

void bus_unref(Bus *bus)
{
        if (!bus || --bus->refs > 0)
                return;
        g_assert(!bus->tree); /* a tree holds a reference */
        bus->refs = 1;        /* for whom on_gone tells */
        if (bus->on_gone)
                g_steal_pointer (&bus->on_gone)(bus, bus->on_gone_user);
        bus_matches_clear(bus);
        bus_calls_clear(bus);
        dbus_connection_remove_filter(bus->connection, bus_filter, bus);
        loop_detach(bus->link);
        dbus_connection_close(bus->connection);
        dbus_connection_unref(bus->connection);
        loop_unref(bus->loop);
        g_free(bus);
}

DBusConnection *bus_connection(Bus *bus)
{
        return bus->connection;
}

const char *bus_unique_name(Bus *bus)
{
        return bus->is_private ? NULL : dbus_bus_get_unique_name(bus->connection);
}

gboolean bus_is_private(Bus *bus)
{
        return bus->is_private;
}

void bus_on_disconnected(Bus *bus, void (*func)(Bus *bus, gpointer user), gpointer user)
{
        bus->on_disconnected = func;
        bus->on_disconnected_user = user;
}

/* "(:1.5, process 123)", as far as the bus tells. */
static char *owner_describe(Bus *bus, const char *name)
{
        DBusError fault = DBUS_ERROR_INIT;
        DBusMessage *ask = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                        DBUS_INTERFACE_DBUS, "GetConnectionUnixProcessID");
        DBusMessage *reply;
        dbus_uint32_t pid = 0;

        dbus_message_append_args(ask, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        reply = dbus_connection_send_with_reply_and_block(bus->connection, ask, -1, &fault);
        dbus_message_unref(ask);
        if (reply) {
                dbus_message_get_args(reply, NULL, DBUS_TYPE_UINT32, &pid, DBUS_TYPE_INVALID);
                dbus_message_unref(reply);
        }
        dbus_error_free(&fault);
        return pid ? g_strdup_printf("process %u", pid) : g_strdup("another connection");
}

gboolean bus_request_name(Bus *bus, const char *name, GError **error)
{
        DBusError fault = DBUS_ERROR_INIT;
        g_autofree char *owner = NULL, *what = g_strdup_printf("cannot own the name '%s'", name);
        int got;

        if (!dbus_validate_bus_name(name, &fault))
                return fault_take(&fault, what, error);
        got = dbus_bus_request_name(bus->connection, name, DBUS_NAME_FLAG_DO_NOT_QUEUE, &fault);
        if (got < 0)
                return fault_take(&fault, what, error);
        if (got == DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER || got == DBUS_REQUEST_NAME_REPLY_ALREADY_OWNER)
                return TRUE;
        owner = owner_describe(bus, name);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s: %s has it", what, owner);
        return FALSE;
}

void bus_flush(Bus *bus)
{
        dbus_connection_flush(bus->connection);
}

glong bus_outgoing_bytes(Bus *bus)
{
        return dbus_connection_get_outgoing_size(bus->connection);
}
