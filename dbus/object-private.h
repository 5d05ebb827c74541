/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the object tree know of one another: object.c (paths), dispatch.c (from a message to a
 * handler), reply.c (from a handler to a message), sender.c (who calls, how much), properties.c,
 * introspect.c. For this folder only. */
#pragma once

#include "dbus/bus-private.h"
#include "dbus/object.h"

/* A path that exists: an object, or something above one. */
typedef struct Node {
        char *path;
        BusObject *object;    /* NULL: only something above */
        GHashTable *children; /* of names, a set */
        gboolean is_root;     /* the ObjectManager; stays without object or children */
} Node;

struct BusTree {
        guint refs;
        Bus *bus; /* a reference */
        char *root;
        gpointer user;
        gboolean closed;   /* freed by its maker; calls may still hold it */
        GHashTable *nodes; /* path → Node, owned */
        BusAuthorizeFunc authorize;
        gpointer authorize_user;
        guint most, most_all, awaiting;
        GHashTable *senders;  /* unique name → Sender, owned reference */
        guint64 sender_watch; /* the subscription to NameOwnerChanged, 0 before the first was asked for */
        GPtrArray *changed;   /* of BusObject whose properties are to be read again; references */
        guint idle;
};

struct BusObject {
        guint refs;
        BusTree *tree;
        char *path;
        const BusInterface *const *interfaces; /* static */
        gpointer object;
        gboolean removed, is_changed;
        GHashTable *told; /* BusProperty → GVariant last told; of those whose value is told */
};

typedef enum SenderKnown { SENDER_UNKNOWN, SENDER_ASKED, SENDER_KNOWN } SenderKnown;

/* One peer that calls. */
typedef struct Sender {
        guint refs;
        BusTree *tree; /* not a reference; NULL when the tree forgot us */
        char *name;
        guint awaiting;
        SenderKnown known;
        guint uid, pid;
        guint64 asking;
        GPtrArray *waiting; /* of BusCall, references, until it is known who they are from */
} Sender;

struct BusCall {
        guint refs;
        BusTree *tree;     /* a reference */
        BusObject *object; /* a reference; NULL at a path above objects */
        Sender *sender;    /* a reference */
        const BusInterface *interface;
        const BusMethod *method;
        char *path, *destination;
        guint32 serial;
        gboolean no_reply, interactive, answered, running;
        GVariant *args;
        GArray *fds;
};

/* object.c */
BusTree *bus_tree_ref(BusTree *tree);
void bus_tree_unref(BusTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusTree, bus_tree_unref)
Node *bus_tree_node(BusTree *tree, const char *path);
BusObject *bus_object_ref(BusObject *object);
void bus_object_unref(BusObject *object);
/* Whether the ObjectManager tells of OBJECT: it is below the root. */
gboolean bus_object_is_managed(BusObject *object);

/* reply.c */
void bus_call_error(BusCall *call, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* An error to a message that never became a call. */
void bus_refuse_message(Bus *bus, DBusMessage *message, const char *name, const char *format, ...)
        G_GNUC_PRINTF(4, 5);

/* sender.c */
Sender *bus_sender_get(BusTree *tree, DBusMessage *message);
void bus_sender_unref(Sender *sender);
/* FALSE: at the limit. Each granted begin needs an end. */
gboolean bus_sender_begin(Sender *sender, BusTree *tree);
void bus_sender_end(Sender *sender, BusTree *tree);
/* Goes on with bus_call_identified(), now or when it is known who the sender is. */
void bus_sender_identify(Sender *sender, BusCall *call);
void bus_senders_init(BusTree *tree);
void bus_senders_clear(BusTree *tree);

/* dispatch.c */
void bus_call_identified(BusCall *call);
const BusInterface *bus_interface_find(const BusInterface *const *interfaces, const char *name);

/* options.c: FALSE and words about what is wrong with OPTIONS, an a{sv}. */
gboolean bus_options_check(const char *known, GVariant *options, char **ret_why);

/* properties.c: what every object has, and the root. */
extern const BusInterface bus_properties_interface, bus_object_manager_interface;
void bus_object_remember_all(BusObject *object);
void bus_object_announce(BusObject *object);
void bus_object_renounce(BusObject *object);

/* introspect.c: what every path has. */
extern const BusInterface bus_introspectable_interface, bus_peer_interface;
