/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private connections: accepts, lets libdbus authenticate, and hands over who passed. libdbus tells of a
 * connection before it is authenticated; the peer is handed over when its uid is known, before its first
 * message is dispatched. */
#include "dbus/server.h"

#include <gio/gio.h>

#include "dbus/bus-private.h"

/* Time to authenticate: it takes two round trips. Bounds how long somebody silent holds one of the places. */
#define AUTHENTICATE_US (5 * G_USEC_PER_SEC)
/* The same bound as the system bus has for a message. */
#define MESSAGE_MAX (32 << 20)

typedef struct Peer {
        BusServer *server; /* not a reference: the server owns us */
        Bus *bus;          /* a reference until it is handed over */
        gboolean handed_over;
        LoopTimer *timer; /* until then: to give up, or to hand over at the next moment */
} Peer;

struct BusServer {
        Loop *loop;
        DBusServer *listening;
        char *address;
        guint most, allow_uid;
        GHashTable *peers; /* a set of Peer, owned */
        BusServerFunc func;
        gpointer user;
};

static void peer_free(gpointer data)
{
        Peer *peer = data;

        loop_timer_cancel(&peer->timer);
        peer->bus->on_gone = NULL;
        if (!peer->handed_over)
                bus_unref(peer->bus);
        g_free(peer);
}

/* The connection was lost, or its last user dropped it: there is room again. */
static void peer_gone(Bus *bus, gpointer user)
{
        Peer *peer = user;

        g_hash_table_remove(peer->server->peers, peer);
}

static void peer_give_up(gpointer user)
{
        Peer *peer = user;

        peer->timer = NULL;
        g_hash_table_remove(peer->server->peers, peer);
}

static void peer_hand_over(gpointer user)
{
        Peer *peer = user;
        BusServer *server = peer->server;
        g_autoptr(Bus) bus = peer->bus;
        unsigned long uid = (guint)-1, pid = 0;

        peer->timer = NULL;
        peer->handed_over = TRUE;
        dbus_connection_get_unix_user(bus->connection, &uid);
        dbus_connection_get_unix_process_id(bus->connection, &pid);
        server->func(server, bus, (guint)uid, (guint)pid, server->user);
}

/* Called by libdbus in the middle of authentication: nothing but a timer from here. */
static dbus_bool_t peer_allow(DBusConnection *connection, unsigned long uid, void *data)
{
        Peer *peer = data;

        if (peer->server->allow_uid != (guint)-1 && peer->server->allow_uid != uid)
                return FALSE;
        loop_timer_cancel(&peer->timer);
        peer->timer = loop_timer_add(peer->server->loop, 0, peer_hand_over, peer);
        return TRUE;
}

/* A connection that nobody references when this returns is closed by libdbus. */
static void server_accept(DBusServer *listening, DBusConnection *connection, void *data)
{
        BusServer *server = data;
        Peer *peer;

        if (g_hash_table_size(server->peers) >= server->most)
                return;
        peer = g_new0(Peer, 1);
        peer->server = server;
        dbus_connection_set_max_message_size(connection, MESSAGE_MAX);
        peer->bus = bus_new_for_connection(connection);
        peer->bus->on_gone = peer_gone;
        peer->bus->on_gone_user = peer;
        dbus_connection_set_unix_user_function(connection, peer_allow, peer, NULL);
        peer->timer =
                loop_timer_add(server->loop, g_get_monotonic_time() + AUTHENTICATE_US, peer_give_up, peer);
        g_hash_table_add(server->peers, peer);
}

BusServer *bus_server_new(const char *address, guint most, guint allow_uid, BusServerFunc func, gpointer user,
                          GError **error)
{
        const char *mechanisms[] = {"EXTERNAL", NULL};
        DBusError fault = DBUS_ERROR_INIT;
        DBusServer *listening;
        BusServer *server;
        char *told;

        g_setenv("DBUS_FATAL_WARNINGS", "0", FALSE);
        listening = dbus_server_listen(address, &fault);
        if (!listening) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot listen on '%s': %s", address,
                            fault.message);
                dbus_error_free(&fault);
                return NULL;
        }
        server = g_new0(BusServer, 1);
        server->loop = loop_get();
        server->listening = listening;
        server->most = most;
        server->allow_uid = allow_uid;
        server->func = func;
        server->user = user;
        server->peers = g_hash_table_new_full(NULL, NULL, peer_free, NULL);
        told = dbus_server_get_address(listening);
        server->address = g_strdup(told);
        dbus_free(told);
        if (!dbus_server_set_auth_mechanisms(listening, mechanisms))
                g_error("out of memory");
        dbus_server_set_new_connection_function(listening, server_accept, server, NULL);
        loop_attach_server(server->loop, listening);
        return server;
}

/* Those that were handed over are no longer ours to tell of. */
void bus_server_free(BusServer *server)
{
        if (!server)
                return;
        dbus_server_disconnect(server->listening);
        dbus_server_unref(server->listening);
        g_hash_table_unref(server->peers);
        g_free(server->address);
        loop_unref(server->loop);
        g_free(server);
}

const char *bus_server_address(BusServer *server)
{
        return server->address;
}
