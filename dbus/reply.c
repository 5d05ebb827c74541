/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call from its acceptance to its answer: exactly one goes out, to whoever asked, or none where none is
 * wanted. The received message is not kept: libdbus would count it against what it still reads. */
#include "dbus/error.h"
#include "dbus/object-private.h"
#include "dbus/variant.h"

BusCall *bus_call_ref(BusCall *call)
{
        call->refs++;
        return call;
}

const char *bus_call_sender(BusCall *call)
{
        return call->tree->bus->is_private ? NULL : call->destination;
}

const char *bus_call_member(BusCall *call)
{
        return call->method->name;
}

gboolean bus_call_interactive(BusCall *call)
{
        return call->interactive;
}

BusTree *bus_call_tree(BusCall *call)
{
        return call->tree;
}

guint bus_call_uid(BusCall *call)
{
        return call->sender->uid;
}

guint bus_call_pid(BusCall *call)
{
        return call->sender->pid;
}

int bus_call_steal_fd(BusCall *call, guint handle)
{
        int fd = -1;

        if (handle < call->fds->len) {
                fd = g_array_index(call->fds, int, handle);
                g_array_index(call->fds, int, handle) = -1;
        }
        return fd;
}

/* FALSE: it was answered before. */
static gboolean call_take_answer(BusCall *call)
{
        if (call->answered)
                return FALSE;
        call->answered = TRUE;
        bus_sender_end(call->sender, call->tree);
        return TRUE;
}

static void call_send(BusCall *call, DBusMessage *reply)
{
        dbus_message_set_reply_serial(reply, call->serial);
        if (call->destination)
                dbus_message_set_destination(reply, call->destination);
        dbus_message_set_no_reply(reply, TRUE);
        bus_send(call->tree->bus, reply, NULL); /* a lost connection has nobody to tell */
}

static void call_send_error(BusCall *call, const char *name, const char *text)
{
        DBusMessage *reply;
        g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

        if (call->no_reply)
                return;
        reply = dbus_message_new(DBUS_MESSAGE_TYPE_ERROR);
        dbus_message_set_error_name(reply, name);
        dbus_message_append_args(reply, DBUS_TYPE_STRING, &valid, DBUS_TYPE_INVALID);
        call_send(call, reply);
}

void bus_call_error(BusCall *call, const char *name, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list ap;

        if (!call_take_answer(call))
                return;
        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        call_send_error(call, name, text);
}

void bus_refuse_message(Bus *bus, DBusMessage *message, const char *name, const char *format, ...)
{
        g_autofree char *text = NULL;
        DBusMessage *reply;
        va_list ap;

        if (dbus_message_get_no_reply(message))
                return;
        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        reply = dbus_message_new_error(message, name, text); /* names only: ASCII */
        if (reply)
                bus_send(bus, reply, NULL);
}

static void call_return(BusCall *call, GVariant *values, const int *fd)
{
        g_autofree char *type = g_strdup_printf("(%s)", call->method->out_signature);
        DBusMessage *reply;

        if (!g_variant_is_of_type(values, G_VARIANT_TYPE(type))) {
                g_critical("%s.%s returns %s, not %s", call->interface->name, call->method->name,
                           g_variant_get_type_string(values), type);
                call_send_error(call, DBUS_ERROR_FAILED, "a mistake in the service: wrong type of reply");
                return;
        }
        if (call->no_reply)
                return;
        reply = dbus_message_new(DBUS_MESSAGE_TYPE_METHOD_RETURN);
        if (bus_message_append(reply, values, fd, fd ? 1 : 0)) {
                call_send(call, reply);
                return;
        }
        dbus_message_unref(reply);
        call_send_error(call, DBUS_ERROR_LIMITS_EXCEEDED, "the reply does not fit into a D-Bus message");
}

void bus_call_return(BusCall *call, GVariant *values)
{
        g_autoptr(GVariant) held = g_variant_ref_sink(values ? values : g_variant_new_tuple(NULL, 0));

        if (call_take_answer(call))
                call_return(call, held, NULL);
}

void bus_call_return_fd(BusCall *call, GVariant *values, int fd)
{
        g_autoptr(GVariant) held = g_variant_ref_sink(values);

        if (call_take_answer(call))
                call_return(call, held, &fd);
}

void bus_call_refuse(BusCall *call, Refusal refusal, const char *why)
{
        if (call_take_answer(call))
                call_send_error(call, bus_error_name(refusal), why);
}

void bus_call_fail(BusCall *call, const GError *error)
{
        if (call_take_answer(call))
                call_send_error(call, bus_error_name_of_fault(error), error ? error->message : NULL);
}

/* When the connection or the tree has ended, nobody can be blamed for not answering. */
static void call_give_up(BusCall *call)
{
        if (call->answered)
                return;
        if (!call->tree->closed && !call->tree->bus->is_lost)
                g_critical("%s.%s was not answered", call->interface->name, call->method->name);
        bus_call_error(call, DBUS_ERROR_FAILED, "the service dropped the call");
}

void bus_call_unref(BusCall *call)
{
        if (!call || call->refs > 1) {
                if (call)
                        call->refs--;
                return;
        }
        call_give_up(call);
        bus_sender_unref(call->sender);
        bus_object_unref(call->object);
        bus_close_fds(call->fds);
        g_clear_pointer(&call->args, g_variant_unref);
        g_free(call->path);
        g_free(call->destination);
        bus_tree_unref(call->tree);
        g_free(call);
}
