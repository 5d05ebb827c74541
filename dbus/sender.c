/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who calls: one Sender per unique name, with how many of its calls await their reply and with its uid and
 * pid, asked of the bus once. Unique names are never given twice, so what is known holds until the name
 * is gone. On a private connection there is one sender, known from the socket. */
#include "dbus/object-private.h"

/* The bus answers this by itself, at once; a bus that does not is as good as lost. */
#define ASK_TIMEOUT_MS 25000
/* Only names that vanish: the bus tells nobody of each that appears. */
#define VANISHED                                                                                             \
        "sender='" DBUS_SERVICE_DBUS "',interface='" DBUS_INTERFACE_DBUS "',member='NameOwnerChanged',arg2=" \
        "''"

static Sender *sender_new(BusTree *tree, const char *name)
{
        Sender *sender = g_new0(Sender, 1);

        sender->refs = 1;
        sender->tree = tree;
        sender->name = g_strdup(name);
        sender->uid = (guint)-1;
        sender->waiting = g_ptr_array_new_with_free_func((GDestroyNotify)bus_call_unref);
        g_hash_table_insert(tree->senders, sender->name, sender);
        return sender;
}

void bus_sender_unref(Sender *sender)
{
        if (--sender->refs > 0)
                return;
        g_ptr_array_unref(sender->waiting);
        g_free(sender->name);
        g_free(sender);
}

static void sender_read_socket(Sender *sender)
{
        DBusConnection *connection = sender->tree->bus->connection;
        unsigned long id;

        if (dbus_connection_get_unix_user(connection, &id))
                sender->uid = (guint)id;
        if (dbus_connection_get_unix_process_id(connection, &id))
                sender->pid = (guint)id;
        sender->known = SENDER_KNOWN;
}

/* What a peer on a private connection says of its own name means nothing. */
Sender *bus_sender_get(BusTree *tree, DBusMessage *message)
{
        const char *name = tree->bus->is_private ? "" : dbus_message_get_sender(message);
        Sender *sender = g_hash_table_lookup(tree->senders, name ? name : "");

        if (!sender) {
                sender = sender_new(tree, name ? name : "");
                if (tree->bus->is_private)
                        sender_read_socket(sender);
        }
        sender->refs++;
        return sender;
}

/* Nothing is remembered of a sender of whom there is nothing to remember. */
static void sender_forget_if_idle(Sender *sender)
{
        if (sender->tree && sender->awaiting == 0 && sender->known == SENDER_UNKNOWN)
                g_hash_table_remove(sender->tree->senders, sender->name);
}

gboolean bus_sender_begin(Sender *sender, BusTree *tree)
{
        if (sender->awaiting >= tree->most || tree->awaiting >= tree->most_all) {
                sender_forget_if_idle(sender);
                return FALSE;
        }
        sender->awaiting++;
        tree->awaiting++;
        return TRUE;
}

void bus_sender_end(Sender *sender, BusTree *tree)
{
        sender->awaiting--;
        tree->awaiting--;
        sender_forget_if_idle(sender);
}

/* ---- uid and pid ---- */

static void sender_read_credentials(Sender *sender, GVariant *body)
{
        g_autoptr(GVariant) credentials = NULL;

        if (!body || !g_variant_is_of_type(body, G_VARIANT_TYPE("(a{sv})")))
                return;
        credentials = g_variant_get_child_value(body, 0);
        if (g_variant_lookup(credentials, "UnixUserID", "u", &sender->uid))
                sender->known = SENDER_KNOWN;
        g_variant_lookup(credentials, "ProcessID", "u", &sender->pid);
}

/* A sender that the bus does not know any more stays unknown: its calls go on as nobody's. */
static void sender_identified(const BusReply *reply, gpointer user)
{
        Sender *sender = user;
        g_autoptr(GPtrArray) waiting = g_steal_pointer(&sender->waiting);

        sender->waiting = g_ptr_array_new_with_free_func((GDestroyNotify)bus_call_unref);
        sender->asking = 0;
        sender->known = SENDER_UNKNOWN;
        sender_read_credentials(sender, reply->body);
        for (guint i = 0; i < waiting->len; i++)
                bus_call_identified(waiting->pdata[i]);
}

/* One that was asked about stays until the answer: it is an error, or would have come before this. */
static void sender_vanished(const BusSignal *signal, gpointer user)
{
        BusTree *tree = user;
        const char *name;
        const Sender *sender;

        if (!g_variant_is_of_type(signal->body, G_VARIANT_TYPE("(sss)")))
                return;
        g_variant_get(signal->body, "(&s&s&s)", &name, NULL, NULL);
        sender = g_hash_table_lookup(tree->senders, name);
        if (sender && sender->known != SENDER_ASKED)
                g_hash_table_remove(tree->senders, name);
}

/* The subscription goes first: whoever is gone before it counts is unknown to the question after it. */
void bus_sender_identify(Sender *sender, BusCall *call)
{
        BusTree *tree = call->tree;

        if (sender->known == SENDER_KNOWN) {
                bus_call_identified(call);
                return;
        }
        g_ptr_array_add(sender->waiting, bus_call_ref(call));
        if (sender->known == SENDER_ASKED)
                return;
        if (tree->sender_watch == 0)
                tree->sender_watch = bus_subscribe(tree->bus, VANISHED, sender_vanished, tree);
        sender->known = SENDER_ASKED;
        sender->asking = bus_call(tree->bus, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
                                  "GetConnectionCredentials", g_variant_new("(s)", sender->name),
                                  ASK_TIMEOUT_MS, sender_identified, sender);
}

/* ---- the tree's ---- */

/* Calls may still hold it. */
static void sender_forget(gpointer data)
{
        Sender *sender = data;

        sender->tree = NULL;
        bus_sender_unref(sender);
}

void bus_senders_init(BusTree *tree)
{
        tree->senders = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sender_forget);
}

/* A sender that is asked about and its waiting calls hold one another: taken apart here, as the answer
 * will not come. */
void bus_senders_clear(BusTree *tree)
{
        g_autoptr(GPtrArray) dropped = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
        GHashTableIter iter;
        gpointer value;

        bus_unsubscribe(tree->bus, tree->sender_watch);
        tree->sender_watch = 0;
        g_hash_table_iter_init(&iter, tree->senders);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Sender *sender = value;
                bus_call_cancel(tree->bus, sender->asking);
                sender->asking = 0;
                g_ptr_array_add(dropped, g_steal_pointer(&sender->waiting));
                sender->waiting = g_ptr_array_new_with_free_func((GDestroyNotify)bus_call_unref);
        }
}
