/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects from tables: an interface is a table of methods, properties and signals; dispatch, argument
 * checks, introspection, Properties (with PropertiesChanged), ObjectManager and Peer follow from it.
 * Everything that comes in is hostile: signatures are compared before a handler runs, unknown objects,
 * interfaces, members and options get the standard error, replies go to whoever asked or to nobody. */
#pragma once

#include "base/refusal.h"
#include "dbus/bus.h"

typedef struct BusTree BusTree;     /* the objects of one connection */
typedef struct BusObject BusObject; /* one path */
typedef struct BusCall BusCall;     /* one method call that awaits its reply; reference counted */

typedef struct BusMethod {
        const char *name;
        const char *in_signature, *out_signature; /* e.g. "sa{sv}", "o"; "" for none */
        const char *in_names, *out_names;         /* comma-separated, for introspection */
        /* Polkit action, or NULL: everyone may. A method with an action runs only after the tree's
         * authorise function let it proceed. */
        const char *action;
        /* Names that the trailing a{sv} may hold, with types: "owner=u,strategy=s"; NULL: not an
         * options method. "" : options, none known. Others are refused as InvalidArgument before the
         * handler runs. */
        const char *options;
        /* OBJECT is what the object was made with. The handler owns nothing; to answer later it keeps
         * bus_call_ref(call). ARGS is a tuple of type in_signature. */
        void (*handler)(BusCall *call, GVariant *args, gpointer object, gpointer user);
} BusMethod;

/* What PropertiesChanged says of a property; introspection says the same (EmitsChangedSignal). */
typedef enum BusTelling {
        BUS_TELL_VALUE,   /* its new value, when it differs from the one last told */
        BUS_TELL_NEVER,   /* it never changes: "const" */
        BUS_TELL_TO_READ, /* only that it may have changed: "invalidates". For what is long and changes often,
                           * which nobody should pay for who does not read it */
} BusTelling;

typedef struct BusProperty {
        const char *name;
        const char *signature;
        /* Returns a new value (floating is fine) of that type. */
        GVariant *(*get)(gpointer object, gpointer user);
        BusTelling telling;
} BusProperty;

typedef struct BusSignalSpec {
        const char *name;
        const char *signature;
        const char *names;
} BusSignalSpec;

/* The arrays end with a name of NULL; each may be NULL. Tables are static. */
typedef struct BusInterface {
        const char *name;
        const BusMethod *methods;
        const BusProperty *properties;
        const BusSignalSpec *signals;
} BusInterface;

/* USER goes to every handler. ROOT gets the ObjectManager. */
BusTree *bus_tree_new(Bus *bus, const char *root, gpointer user);
void bus_tree_free(BusTree *tree);

/* Asked for each call of a method with an action; answers now or later with exactly one of
 * bus_call_proceed() and bus_call_refuse(). Without one, every such call is refused. */
typedef void (*BusAuthorizeFunc)(BusCall *call, const char *action, gpointer user);
void bus_tree_set_authorize(BusTree *tree, BusAuthorizeFunc func, gpointer user);
/* At most MOST calls of one sender and MOST_ALL in all may await their reply; more get LimitsExceeded. */
void bus_tree_set_limits(BusTree *tree, guint most, guint most_all);

/* INTERFACES: NULL-terminated array of tables (static). Emits InterfacesAdded. PATH must be free. */
BusObject *bus_tree_add(BusTree *tree, const char *path, const BusInterface *const *interfaces,
                        gpointer object);
/* Emits InterfacesRemoved. NULL is fine. */
void bus_object_remove(BusObject *object);
BusObject *bus_tree_find(BusTree *tree, const char *path);
const char *bus_object_path(BusObject *object);
/* Re-reads the properties at the next idle moment (coalesced) and emits PropertiesChanged with those
 * that differ from what was last told. */
void bus_object_changed(BusObject *object);
/* Does so now, before e.g. a signal that must not overtake it. */
void bus_object_flush(BusObject *object);
void bus_object_emit(BusObject *object, const char *interface, const char *signal, GVariant *args);
/* The introspection XML of one interface, for data/ and tests. */
char *bus_interface_to_xml(const BusInterface *interface);

BusCall *bus_call_ref(BusCall *call);
void bus_call_unref(BusCall *call); /* unanswered at the last unref: answered with an error, and g_critical */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BusCall, bus_call_unref)
const char *bus_call_sender(BusCall *call); /* NULL on a private connection */
const char *bus_call_member(BusCall *call);
gboolean bus_call_interactive(BusCall *call); /* may a prompt be shown */
BusTree *bus_call_tree(BusCall *call);
/* Who calls, told by the bus or the socket; asked once per sender and cached until the sender is gone.
 * Available in handlers of methods with an action and in the authorise function; (uid_t)-1 if unknown. */
guint bus_call_uid(BusCall *call);
guint bus_call_pid(BusCall *call); /* 0 if unknown */
/* Takes the N-th descriptor of the call (the caller closes it), -1 if there is none. */
int bus_call_steal_fd(BusCall *call, guint handle);

void bus_call_proceed(BusCall *call);
/* Answers; the first answer counts, the handler must give exactly one. VALUES is a tuple or NULL. */
void bus_call_return(BusCall *call, GVariant *values);
void bus_call_return_fd(BusCall *call, GVariant *values, int fd); /* fd stays the caller's */
void bus_call_refuse(BusCall *call, Refusal refusal, const char *why);
void bus_call_fail(BusCall *call, const GError *error);
