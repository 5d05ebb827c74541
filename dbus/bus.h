/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A libdbus connection on GLib's main loop, speaking GVariant. All connections of a process share ONE
 * GSource around one epoll descriptor (a GSource per watch costs milliseconds a call with thousands of
 * connections). Works on a message bus and on a private connection alike. Nothing here blocks once
 * bus_open() and bus_request_name() have returned; everything runs on the default main context. */
#pragma once

#include <dbus/dbus.h>
#include <glib.h>

typedef struct Bus Bus;

/* WHERE: "system", "session", or a D-Bus address of a message bus. Blocks while connecting and saying
 * Hello: for start-up only. exit-on-disconnect is off. */
Bus *bus_open(const char *where, GError **error);
/* Takes over CONNECTION (a reference is taken), e.g. one that a BusServer accepted. */
Bus *bus_new_for_connection(DBusConnection *connection);
Bus *bus_ref(Bus *bus);
void bus_unref(Bus *bus); /* the last one closes the connection; pending calls are dropped, not called back */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bus, bus_unref)

DBusConnection *bus_connection(Bus *bus);
const char *bus_unique_name(Bus *bus); /* NULL on a private connection */
gboolean bus_is_private(Bus *bus);

/* Called once when the connection is lost. */
void bus_on_disconnected(Bus *bus, void (*func)(Bus *bus, gpointer user), gpointer user);

/* Requests NAME without queueing or replacing; FALSE with an error that says who owns it. Blocks. */
gboolean bus_request_name(Bus *bus, const char *name, GError **error);

/* REPLY is a tuple, NULL on error; then ERROR_NAME and ERROR_TEXT are set (a lost connection:
 * org.freedesktop.DBus.Error.Disconnected; time out: …NoReply). FDS holds the descriptors of 'h' values
 * (index = handle), closed after the callback unless stolen (element set to -1). */
typedef struct BusReply {
        GVariant *body;
        const char *error_name, *error_text;
        GArray *fds; /* of int */
} BusReply;
typedef void (*BusReplyFunc)(const BusReply *reply, gpointer user);

/* Calls; ARGS is a tuple or NULL, consumed if floating. TIMEOUT_MS -1: for ever. DEST NULL on private
 * connections. FUNC may be NULL (no reply wanted); else it is called exactly once, never from in here,
 * also when the call could not be sent. Returns an id for bus_call_cancel(). */
guint64 bus_call(Bus *bus, const char *dest, const char *path, const char *interface, const char *member,
                 GVariant *args, int timeout_ms, BusReplyFunc func, gpointer user);
guint64 bus_call_with_fds(Bus *bus, const char *dest, const char *path, const char *interface,
                          const char *member, GVariant *args, const int *fds, gsize n_fds, int timeout_ms,
                          BusReplyFunc func, gpointer user);
/* FUNC will not be called. */
void bus_call_cancel(Bus *bus, guint64 id);

void bus_emit(Bus *bus, const char *path, const char *interface, const char *member, GVariant *args);

typedef struct BusSignal {
        const char *sender, *path, *interface, *member;
        GVariant *body;
} BusSignal;
typedef void (*BusSignalFunc)(const BusSignal *signal, gpointer user);
/* RULE is a match rule without "type='signal'", e.g. "interface='x',path_namespace='/y'"; sent to the bus
 * (not on private connections) and matched again here (keys: sender, path, path_namespace, interface,
 * member, arg0 … arg3). A well-known name as sender is resolved by the bus: it is not compared here.
 * Returns 0 for a rule that is not understood. */
guint64 bus_subscribe(Bus *bus, const char *rule, BusSignalFunc func, gpointer user);
void bus_unsubscribe(Bus *bus, guint64 id);

/* Runs FUNC when NAME (well-known or unique) appears (owner set) or vanishes (owner NULL); the first time
 * as soon as it is known which, also when it is not there. A lost connection says nothing about names. On a
 * private connection there are none: returns 0. */
typedef void (*BusNameFunc)(const char *name, const char *owner, gpointer user);
guint64 bus_watch_name(Bus *bus, const char *name, BusNameFunc func, gpointer user);
void bus_unwatch_name(Bus *bus, guint64 id);

/* Sends what is queued now, waiting if it must: for a program about to exit. */
void bus_flush(Bus *bus);
/* Bytes queued and not yet taken by the peer: what a slow reader costs us. */
glong bus_outgoing_bytes(Bus *bus);
