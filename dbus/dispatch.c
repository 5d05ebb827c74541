/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a method call to its handler: find the method, compare signatures, count, decode, check options, ask
 * who calls and whether they may. Cheap checks first: nothing is decoded for a caller over its limit. */
#include "dbus/error.h"
#include "dbus/object-private.h"
#include "dbus/variant.h"

/* A hostile name is repeated in an error only so far. */
#define ECHO_MAX 80

typedef struct Found {
        const BusInterface *interface;
        const BusMethod *method;
} Found;

static const BusMethod *method_find(const BusInterface *interface, const char *member)
{
        for (const BusMethod *m = interface->methods; m && m->name; m++)
                if (g_str_equal(m->name, member))
                        return m;
        return NULL;
}

const BusInterface *bus_interface_find(const BusInterface *const *interfaces, const char *name)
{
        for (; interfaces && *interfaces; interfaces++)
                if (g_str_equal((*interfaces)->name, name))
                        return *interfaces;
        return NULL;
}

/* The standard interfaces at NODE, NULL-terminated. */
static void node_standard(const Node *node, const BusInterface *ret[5])
{
        guint n = 0;

        ret[n++] = &bus_introspectable_interface;
        ret[n++] = &bus_peer_interface;
        if (node->object)
                ret[n++] = &bus_properties_interface;
        if (node->is_root)
                ret[n++] = &bus_object_manager_interface;
        ret[n] = NULL;
}

/* Without an interface, the first that has the member; the object's own go before the standard ones. */
static gboolean find_in(const BusInterface *const *interfaces, const char *name, const char *member,
                        Found *ret)
{
        for (; interfaces && *interfaces; interfaces++) {
                if (name && !g_str_equal((*interfaces)->name, name))
                        continue;
                ret->interface = *interfaces;
                ret->method = method_find(*interfaces, member);
                if (ret->method || name)
                        return TRUE;
        }
        return FALSE;
}

/* FALSE: answered with the fitting error. */
static gboolean find_method(BusTree *tree, const Node *node, DBusMessage *message, Found *ret)
{
        const char *interface = dbus_message_get_interface(message);
        const char *member = dbus_message_get_member(message);
        const BusInterface *standard[5];

        node_standard(node, standard);
        if (!(node->object && find_in(node->object->interfaces, interface, member, ret)) &&
            !find_in(standard, interface, member, ret) && interface) {
                bus_refuse_message(tree->bus, message, DBUS_ERROR_UNKNOWN_INTERFACE,
                                   "no interface '%.*s' at '%.*s'", ECHO_MAX, interface, ECHO_MAX,
                                   node->path);
                return FALSE;
        }
        if (ret->method)
                return TRUE;
        bus_refuse_message(tree->bus, message, DBUS_ERROR_UNKNOWN_METHOD, "no method '%.*s' at '%.*s'",
                           ECHO_MAX, member, ECHO_MAX, node->path);
        return FALSE;
}

static BusCall *call_new(BusTree *tree, const Node *node, DBusMessage *message, const Found *found)
{
        BusCall *call = g_new0(BusCall, 1);

        call->refs = 1;
        call->tree = bus_tree_ref(tree);
        call->object = node->object ? bus_object_ref(node->object) : NULL;
        call->sender = bus_sender_get(tree, message);
        call->interface = found->interface;
        call->method = found->method;
        call->path = g_strdup(node->path);
        call->destination = g_strdup(dbus_message_get_sender(message));
        call->serial = dbus_message_get_serial(message);
        call->no_reply = dbus_message_get_no_reply(message);
        call->interactive = dbus_message_get_allow_interactive_authorization(message);
        call->fds = g_array_new(FALSE, FALSE, sizeof(int));
        return call;
}

static gboolean call_check_options(BusCall *call)
{
        g_autoptr(GVariant) options = NULL;
        g_autofree char *why = NULL;
        gsize n = g_variant_n_children(call->args);

        if (!call->method->options)
                return TRUE;
        options = g_variant_get_child_value(call->args, n - 1);
        if (bus_options_check(call->method->options, options, &why))
                return TRUE;
        bus_call_refuse(call, REFUSAL_INVALID_ARGUMENT, why);
        return FALSE;
}

static void call_run(BusCall *call)
{
        gpointer object = call->object ? call->object->object : NULL;

        if (call->answered || call->running)
                return;
        if (call->tree->closed || (call->object && call->object->removed)) {
                bus_call_error(call, DBUS_ERROR_UNKNOWN_OBJECT, "the object '%s' is gone", call->path);
                return;
        }
        call->running = TRUE;
        call->method->handler(call, call->args, object, call->tree->user);
}

void bus_call_proceed(BusCall *call)
{
        g_autoptr(BusCall) held = bus_call_ref(call);

        call_run(held);
}

void bus_call_identified(BusCall *call)
{
        BusTree *tree = call->tree;

        if (tree->authorize)
                tree->authorize(call, call->method->action, tree->authorize_user);
        else
                bus_call_refuse(call, REFUSAL_NOT_AUTHORIZED, "nobody is there to authorise this");
}

static void call_accept(BusCall *call, DBusMessage *message)
{
        call->args = bus_message_body(message, call->fds);
        if (!call->args) {
                bus_call_refuse(call, REFUSAL_LIMITS_EXCEEDED, "the call holds too many values");
                return;
        }
        if (!call_check_options(call))
                return;
        if (call->method->action)
                bus_sender_identify(call->sender, call);
        else
                call_run(call);
}

void bus_tree_dispatch(BusTree *tree, DBusMessage *message)
{
        g_autoptr(BusTree) held G_GNUC_UNUSED = bus_tree_ref(tree);
        const char *path = dbus_message_get_path(message);
        const Node *node = bus_tree_node(tree, path);
        g_autoptr(BusCall) call = NULL;
        Found found = {0};

        if (!node) {
                bus_refuse_message(tree->bus, message, DBUS_ERROR_UNKNOWN_OBJECT, "no object '%.*s'",
                                   ECHO_MAX, path);
                return;
        }
        if (!find_method(tree, node, message, &found))
                return;
        if (!dbus_message_has_signature(message, found.method->in_signature)) {
                bus_refuse_message(tree->bus, message, DBUS_ERROR_INVALID_ARGS,
                                   "%s takes (%s), the call has (%s)", found.method->name,
                                   found.method->in_signature, dbus_message_get_signature(message));
                return;
        }
        call = call_new(tree, node, message, &found);
        if (!bus_sender_begin(call->sender, tree)) {
                call->answered = TRUE;
                bus_refuse_message(tree->bus, message, bus_error_name(REFUSAL_LIMITS_EXCEEDED),
                                   "too many calls await their reply");
                return;
        }
        call_accept(call, message);
}
