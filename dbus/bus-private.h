/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bus.c, call.c, match.c and the object tree know of one another. For this folder only. */
#pragma once

#include "dbus/bus.h"
#include "dbus/loop.h"

typedef struct BusTree BusTree;

struct Bus {
        guint refs;
        DBusConnection *connection;
        Loop *loop;
        LoopLink *link;
        gboolean is_private, is_lost;
        guint64 last_id; /* of calls, subscriptions and name watches */
        /* call.c: calls that await their reply */
        GHashTable *calls;     /* id → Pending, owned */
        GHashTable *by_serial; /* serial → Pending */
        /* match.c */
        GPtrArray *subscriptions; /* of Subscription, owned, oldest first */
        GHashTable *name_watches; /* id → NameWatch, owned */
        /* dispatch.c */
        BusTree *tree;
        /* told once when the connection is lost */
        void (*on_disconnected)(Bus *bus, gpointer user);
        gpointer on_disconnected_user;
        /* the server's: told once when the connection is lost or the last reference goes */
        void (*on_gone)(Bus *bus, gpointer user);
        gpointer on_gone_user;
};

/* Sends MESSAGE and drops it; FALSE when it could not be queued. */
gboolean bus_send(Bus *bus, DBusMessage *message, guint32 *ret_serial);
void bus_close_fds(GArray *fds);

void bus_calls_init(Bus *bus);
/* Drops what is pending without calling back. */
void bus_calls_clear(Bus *bus);
/* Gives every pending call the error Disconnected. */
void bus_calls_fail_all(Bus *bus);
/* TRUE if MESSAGE, a return or an error, answered one of our calls. */
gboolean bus_calls_take_reply(Bus *bus, DBusMessage *message);

void bus_matches_init(Bus *bus);
void bus_matches_clear(Bus *bus);
void bus_matches_deliver(Bus *bus, DBusMessage *message);

/* A method call came in. */
void bus_tree_dispatch(BusTree *tree, DBusMessage *message);
