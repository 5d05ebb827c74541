/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections on a real dbus-daemon and private ones: calls, signals, names, losing the other side, many
 * connections on one loop. */
#include "dbus/bus.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

#include "tests/unit/bus-fixture.h"

#define DBUS "org.freedesktop.DBus"

static void count(const BusReply *reply, gpointer user)
{
        ++*(guint *)user;
}

static void test_open_fails(void)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) nonsense = NULL;

        g_assert_null(bus_open("unix:path=/nonexistent/bus", &error));
        g_assert_nonnull(strstr(error->message, "/nonexistent/bus"));
        g_assert_null(bus_open("no address", &nonsense));
        g_assert_nonnull(nonsense);
}

static void test_names(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) a = daemon_connect(d), b = daemon_connect(d);
        g_autoptr(GError) error = NULL, invalid = NULL;
        g_autofree char *pid = g_strdup_printf("process %d", getpid());

        g_assert_false(bus_is_private(a));
        g_assert_cmpint(bus_unique_name(a)[0], ==, ':');
        g_assert_true(bus_request_name(a, "org.example.A", NULL));
        g_assert_true(bus_request_name(a, "org.example.A", NULL));
        g_assert_false(bus_request_name(b, "org.example.A", &error));
        g_assert_nonnull(strstr(error->message, "org.example.A"));
        g_assert_nonnull(strstr(error->message, pid));
        g_assert_false(bus_request_name(b, "not a name", &invalid));
        g_assert_nonnull(invalid);
        daemon_free(d);
}

static void test_call_of_bus(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) bus = daemon_connect(d);
        g_auto(Answer) a = {0};

        ask(&a, bus, DBUS, "/org/freedesktop/DBus", DBUS, "NameHasOwner", g_variant_new("(s)", DBUS));
        assert_prints(a.body, "(true,)");
        ask(&a, bus, "org.example.Nobody", "/", "x.Y", "Z", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_SERVICE_UNKNOWN);
        g_assert_cmpuint(strlen(a.text), >, 0);
        daemon_free(d);
}

/* Never from inside the call, and never an abort of libdbus. */
static void test_bad_calls(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) bus = daemon_connect(d);
        const struct {
                const char *dest, *path, *interface, *member;
        } bad[] = {
                {"no name", "/", "x.Y", "Z"},
                {DBUS, "no/path", "x.Y", "Z"},
                {DBUS, "/", "none", "Z"},
                {DBUS, "/", "x.Y", "no member"},
        };
        g_auto(Answer) a = {0};

        for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
                answer_clear(&a);
                bus_call(bus, bad[i].dest, bad[i].path, bad[i].interface, bad[i].member, NULL, -1,
                         answer_take, &a);
                g_assert_cmpuint(a.n, ==, 0);
                RUN_UNTIL(a.n);
                g_assert_cmpstr(a.error, ==, DBUS_ERROR_INVALID_ARGS);
                bus_call(bus, bad[i].dest, bad[i].path, bad[i].interface, bad[i].member, NULL, -1, NULL,
                         NULL);
        }
        ask(&a, bus, DBUS, "/", "x.Y", "Z", g_variant_new_parsed("(just 1,)"));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_INVALID_ARGS);
        daemon_free(d);
}

/* A connection that never answers: a method call that nobody reads. */
static void test_timeout_and_cancel(void)
{
        Pair p;
        g_auto(Answer) late = {0};
        guint cancelled = 0, later = 0;
        guint64 id;

        pair_open(&p);
        DBusConnection *silent = bus_connection(p.theirs);
        dbus_connection_set_max_received_size(silent, 0); /* reads nothing more */
        id = bus_call(p.ours, NULL, "/", "x.Y", "Z", NULL, 5, count, &cancelled);
        bus_call_cancel(p.ours, id);
        bus_call_cancel(p.ours, id);
        bus_call_cancel(p.ours, 0);
        gint64 before = g_get_monotonic_time();
        bus_call(p.ours, NULL, "/", "x.Y", "Z", NULL, 60, answer_take, &late);
        bus_call(p.ours, NULL, "/", "x.Y", "Z", NULL, -1, count, &later);
        RUN_UNTIL(late.n);
        g_assert_cmpint(g_get_monotonic_time() - before, >=, 60000);
        g_assert_cmpstr(late.error, ==, DBUS_ERROR_NO_REPLY);
        g_assert_cmpuint(cancelled, ==, 0);
        g_assert_cmpuint(later, ==, 0);
        pair_close(&p);
        g_assert_cmpuint(later, ==, 0); /* dropped with the bus */
}

typedef struct Loss {
        guint told, pending_before;
        guint *pending;
} Loss;

static void lost(Bus *bus, gpointer user)
{
        Loss *loss = user;

        loss->told++;
        loss->pending_before = *loss->pending;
}

static void test_bus_dies(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) bus = daemon_connect(d), other = daemon_connect(d);
        guint failed = 0;
        Loss loss = {.pending = &failed};
        g_auto(Answer) a = {0}, b = {0};

        bus_on_disconnected(bus, lost, &loss);
        for (guint i = 0; i < 1000; i++)
                bus_call(bus, bus_unique_name(other), "/", "x.Y", "Z", NULL, -1, count, &failed);
        bus_call(bus, bus_unique_name(other), "/", "x.Y", "Z", NULL, -1, answer_take, &a);
        daemon_kill(d);
        RUN_UNTIL(loss.told);
        g_assert_cmpuint(failed, ==, 1000);
        g_assert_cmpuint(loss.pending_before, ==, 1000);
        g_assert_cmpuint(a.n, ==, 1);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_DISCONNECTED);
        bus_call(bus, DBUS, "/", "x.Y", "Z", NULL, -1, answer_take, &b);
        bus_emit(bus, "/", "x.Y", "Z", NULL);
        RUN_UNTIL(b.n);
        g_assert_cmpstr(b.error, ==, DBUS_ERROR_DISCONNECTED);
        g_assert_cmpuint(loss.told, ==, 1);
        daemon_free(d);
}

static void drop(Bus *bus, gpointer user)
{
        Bus **slot = user;

        g_clear_pointer(slot, bus_unref);
}

static void test_drop_in_callback(void)
{
        Daemon *d = daemon_start();
        Bus *bus = daemon_connect(d);

        bus_on_disconnected(bus, drop, &bus);
        daemon_kill(d);
        RUN_UNTIL(!bus);
        daemon_free(d);
}

/* ---- signals ---- */

typedef struct Heard {
        guint n;
        Bus *bus;
        guint64 id; /* unsubscribed when heard, if set */
} Heard;

static void hear(const BusSignal *signal, gpointer user)
{
        Heard *h = user;

        h->n++;
        g_assert_cmpstr(signal->interface, ==, "x.Y");
        g_assert_true(g_variant_is_of_type(signal->body, G_VARIANT_TYPE_TUPLE));
        if (h->id)
                bus_unsubscribe(h->bus, h->id);
}

static void sync_with(Bus *bus)
{
        g_auto(Answer) a = {0};

        ask(&a, bus, DBUS, "/org/freedesktop/DBus", DBUS, "GetId", NULL);
}

static void test_matching(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) from = daemon_connect(d), to = daemon_connect(d);
        g_autofree char *mine = g_strdup_printf("interface='x.Y',sender='%s'", bus_unique_name(from));
        g_autofree char *others = g_strdup_printf("interface='x.Y',sender='%s'", bus_unique_name(to));
        const struct {
                const char *rule;
                guint expected; /* of the five signals below */
        } table[] = {
                {"interface='x.Y'", 5},
                {"interface='x.Y',member='M'", 4},
                {"interface='x.Y',path='/a/b'", 2},
                {"interface='x.Y',path_namespace='/a'", 4},
                {"interface='x.Y',path_namespace='/'", 5},
                {"interface='x.Y',arg0='k'", 2},
                {"interface='x.Y',arg0='k',arg1='l'", 1},
                {"interface='x.Y',arg0=''", 0},
                {mine, 5},
                {others, 0},
        };
        Heard heard[G_N_ELEMENTS(table)] = {0};

        for (guint i = 0; i < G_N_ELEMENTS(table); i++)
                g_assert_cmpuint(bus_subscribe(to, table[i].rule, hear, &heard[i]), >, 0);
        sync_with(to);
        bus_emit(from, "/a", "x.Y", "M", NULL);
        bus_emit(from, "/a/b", "x.Y", "M", g_variant_new("(ss)", "k", "l"));
        bus_emit(from, "/a/b", "x.Y", "N", g_variant_new("(s)", "k"));
        bus_emit(from, "/a/c", "x.Y", "M", g_variant_new("(u)", 1));
        bus_emit(from, "/ab", "x.Y", "M", g_variant_new("(s)", "other"));
        RUN_UNTIL(heard[0].n == 5);
        for (guint i = 0; i < G_N_ELEMENTS(table); i++)
                g_assert_cmpuint(heard[i].n, ==, table[i].expected);
        daemon_free(d);
}

static void test_unsubscribe(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) from = daemon_connect(d), to = daemon_connect(d);
        Heard once = {.bus = to}, neighbour = {0}, always = {0};
        guint64 id;

        once.id = bus_subscribe(to, "interface='x.Y'", hear, &once);
        id = bus_subscribe(to, "interface='x.Y'", hear, &neighbour);
        bus_subscribe(to, "interface='x.Y'", hear, &always);
        bus_unsubscribe(to, id);
        bus_unsubscribe(to, id);
        bus_unsubscribe(to, 0);
        sync_with(to);
        for (guint i = 0; i < 3; i++)
                bus_emit(from, "/", "x.Y", "M", NULL);
        RUN_UNTIL(always.n == 3);
        g_assert_cmpuint(once.n, ==, 1);
        g_assert_cmpuint(neighbour.n, ==, 0);
        daemon_free(d);
}

static void test_bad_rules(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) bus = daemon_connect(d);
        const char *const bad[] = {"interface=x", "interface='x", "nonsense='x'", "member='a',member='b'",
                                   "member='a' x"};

        for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, "match rule not understood*");
                g_assert_cmpuint(bus_subscribe(bus, bad[i], hear, NULL), ==, 0);
                g_test_assert_expected_messages();
        }
        daemon_free(d);
}

typedef struct Named {
        guint n;
        char owner[64]; /* "" : none */
} Named;

static void named(const char *name, const char *owner, gpointer user)
{
        Named *w = user;

        w->n++;
        g_strlcpy(w->owner, owner ? owner : "", sizeof w->owner);
}

/* A name that somebody forges a change of is not believed. */
static void test_watch_name(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) bus = daemon_connect(d), liar = daemon_connect(d);
        Bus *owner = daemon_connect(d);
        Named known = {0}, unique = {0}, dropped = {0};
        guint64 id;

        bus_watch_name(bus, "org.example.A", named, &known);
        bus_watch_name(bus, bus_unique_name(owner), named, &unique);
        id = bus_watch_name(bus, "org.example.A", named, &dropped);
        bus_unwatch_name(bus, id);
        bus_unwatch_name(bus, id);
        RUN_UNTIL(known.n == 1 && unique.n == 1);
        g_assert_cmpstr(known.owner, ==, "");
        g_assert_cmpstr(unique.owner, ==, bus_unique_name(owner));
        g_assert_true(bus_request_name(owner, "org.example.A", NULL));
        RUN_UNTIL(known.n == 2);
        g_assert_cmpstr(known.owner, ==, bus_unique_name(owner));
        bus_emit(liar, "/org/freedesktop/DBus", DBUS, "NameOwnerChanged",
                 g_variant_new("(sss)", "org.example.A", bus_unique_name(owner), ""));
        sync_with(liar);
        sync_with(bus);
        g_assert_cmpuint(known.n, ==, 2);
        bus_unref(owner);
        RUN_UNTIL(known.n == 3 && unique.n == 2);
        g_assert_cmpstr(known.owner, ==, "");
        g_assert_cmpstr(unique.owner, ==, "");
        g_assert_cmpuint(dropped.n, ==, 0);
        g_assert_cmpuint(bus_watch_name(bus, "no name", named, &dropped), ==, 0);
        daemon_free(d);
}

/* ---- private connections ---- */

static void test_private(void)
{
        Pair p;
        Heard h = {0};
        g_auto(Answer) a = {0};

        pair_open(&p);
        g_assert_true(bus_is_private(p.theirs));
        g_assert_null(bus_unique_name(p.theirs));
        g_assert_cmpuint(p.uid, ==, getuid());
        g_assert_cmpuint(p.pid, ==, (guint)getpid());
        bus_subscribe(p.ours, "interface='x.Y',path='/a'", hear, &h);
        bus_emit(p.theirs, "/b", "x.Y", "M", NULL);
        bus_emit(p.theirs, "/a", "x.Y", "M", NULL);
        RUN_UNTIL(h.n == 1);
        ask(&a, p.theirs, NULL, "/", "x.Y", "Z", NULL); /* nobody's object */
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_METHOD);
        pair_close(&p);
}

static void test_peer_goes(void)
{
        Pair p;
        guint failed = 0;
        Loss loss = {.pending = &failed};

        pair_open(&p);
        bus_on_disconnected(p.theirs, lost, &loss);
        bus_call(p.theirs, NULL, "/", "x.Y", "Z", NULL, -1, count, &failed);
        g_clear_pointer(&p.ours, bus_unref);
        RUN_UNTIL(loss.told);
        g_assert_cmpuint(failed, ==, 1);
        pair_close(&p);
}

static void never(BusServer *server, Bus *peer, guint uid, guint pid, gpointer user)
{
        g_assert_not_reached();
}

static void test_wrong_uid(void)
{
        g_autoptr(GError) error = NULL;
        BusServer *server = bus_server_new("unix:dir=/tmp", 4, getuid() + 1, never, NULL, &error);
        guint failed = 0;
        Loss loss = {.pending = &failed};
        Bus *bus;

        g_assert_no_error(error);
        bus = private_connect(bus_server_address(server));
        bus_on_disconnected(bus, lost, &loss);
        RUN_UNTIL(loss.told);
        bus_unref(bus);
        bus_server_free(server);
}

static void test_listen_fails(void)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(bus_server_new("unix:path=/nonexistent/socket", 4, 0, never, NULL, &error));
        g_assert_nonnull(strstr(error->message, "/nonexistent/socket"));
        bus_server_free(NULL);
}

static void crowd_accept(BusServer *server, Bus *peer, guint uid, guint pid, gpointer user)
{
        g_ptr_array_add(user, bus_ref(peer));
}

static void test_most_peers(void)
{
        g_autoptr(GPtrArray) theirs = g_ptr_array_new_with_free_func((GDestroyNotify)bus_unref);
        BusServer *server = bus_server_new("unix:dir=/tmp", 2, (guint)-1, crowd_accept, theirs, NULL);
        g_autoptr(Bus) a G_GNUC_UNUSED = private_connect(bus_server_address(server));
        g_autoptr(Bus) b G_GNUC_UNUSED = private_connect(bus_server_address(server));
        guint failed = 0;
        Loss loss = {.pending = &failed};

        RUN_UNTIL(theirs->len == 2);
        g_autoptr(Bus) c = private_connect(bus_server_address(server));
        bus_on_disconnected(c, lost, &loss);
        RUN_UNTIL(loss.told);
        g_assert_cmpuint(theirs->len, ==, 2);
        g_ptr_array_remove_index(theirs, 0); /* room again */
        g_autoptr(Bus) e = private_connect(bus_server_address(server));
        RUN_UNTIL(theirs->len == 2);
        bus_server_free(server); /* those handed over live on */
        g_auto(Answer) answer = {0};
        ask(&answer, e, NULL, "/", "org.freedesktop.DBus.Peer", "Ping", NULL);
        g_assert_cmpstr(answer.error, ==, NULL);
}

/* Connects, and says nothing or nonsense: takes a place, is never handed over. */
static void test_silent_peers(void)
{
        g_autoptr(GPtrArray) theirs = g_ptr_array_new_with_free_func((GDestroyNotify)bus_unref);
        BusServer *server = bus_server_new("unix:dir=/tmp", 2, (guint)-1, crowd_accept, theirs, NULL);
        g_auto(GStrv) parts = g_strsplit_set(bus_server_address(server), "=,", -1);
        g_autoptr(GSocketAddress) address = g_unix_socket_address_new(parts[1]);
        g_autoptr(GSocketClient) client = g_socket_client_new();
        g_autoptr(GSocketConnection) silent =
                g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
        g_autoptr(GSocketConnection) rude =
                g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
        GSocket *socket = g_socket_connection_get_socket(rude);
        char byte;

        g_assert_true(g_socket_send(socket, "GET / HTTP/1.0\r\n\r\n", 18, NULL, NULL) == 18);
        RUN_UNTIL(g_socket_condition_check(socket, G_IO_IN | G_IO_HUP));
        g_assert_cmpint(g_socket_receive(socket, &byte, 1, NULL, NULL), <=, 0); /* closed, or reset */
        g_autoptr(Bus) good G_GNUC_UNUSED = private_connect(bus_server_address(server));
        RUN_UNTIL(theirs->len == 1);
        socket = g_socket_connection_get_socket(silent);
        RUN_UNTIL(g_socket_condition_check(socket, G_IO_IN | G_IO_HUP)); /* the server's patience ends */
        g_assert_cmpint(g_socket_receive(socket, &byte, 1, NULL, NULL), <=, 0);
        g_assert_cmpuint(theirs->len, ==, 1);
        bus_server_free(server);
}

/* What a call costs does not depend on how many idle connections there are. */
static gint64 calls_take(Bus *bus, guint n)
{
        gint64 before = g_get_monotonic_time();
        g_auto(Answer) a = {0};

        for (guint i = 0; i < n; i++)
                ask(&a, bus, NULL, "/", "org.freedesktop.DBus.Peer", "Ping", NULL);
        return g_get_monotonic_time() - before;
}

static void test_many_idle(void)
{
        const guint n = 400;
        g_autoptr(GPtrArray) theirs = g_ptr_array_new_with_free_func((GDestroyNotify)bus_unref);
        g_autoptr(GPtrArray) ours = g_ptr_array_new_with_free_func((GDestroyNotify)bus_unref);
        BusServer *server = bus_server_new("unix:dir=/tmp", n, getuid(), crowd_accept, theirs, NULL);
        gint64 alone, crowded;

        g_ptr_array_add(ours, private_connect(bus_server_address(server)));
        RUN_UNTIL(theirs->len == 1);
        calls_take(ours->pdata[0], 100);
        alone = calls_take(ours->pdata[0], 500);
        for (guint i = 1; i < n; i++)
                g_ptr_array_add(ours, private_connect(bus_server_address(server)));
        RUN_UNTIL(theirs->len == n);
        crowded = calls_take(ours->pdata[0], 500);
        g_test_message("500 calls: %d us alone, %d us among %u", (int)alone, (int)crowded, n);
        /* A source per watch would make it ten times; five leaves room for a busy machine. */
        g_assert_cmpint(crowded, <, 5 * alone);
        bus_server_free(server);
}

/* A slow reader costs what is queued, and that is told. */
static void test_outgoing(void)
{
        Pair p;
        g_autofree char *text = g_strnfill(1 << 20, 'x');

        pair_open(&p);
        g_assert_cmpint(bus_outgoing_bytes(p.theirs), ==, 0);
        for (guint i = 0; i < 8; i++)
                bus_emit(p.theirs, "/", "x.Y", "M", g_variant_new("(s)", text));
        g_assert_cmpint(bus_outgoing_bytes(p.theirs), >, 4 << 20);
        RUN_UNTIL(bus_outgoing_bytes(p.theirs) == 0);
        pair_close(&p);
}

/* A flood on one connection starves neither timers nor the other connections. */
static gboolean tick(gpointer user)
{
        ++*(guint *)user;
        return G_SOURCE_CONTINUE;
}

static void test_flood_is_fair(void)
{
        Pair p, q;
        Heard flood = {0}, other = {0};
        guint ticks = 0, source;

        pair_open(&p);
        pair_open(&q);
        bus_subscribe(p.ours, "interface='x.Y'", hear, &flood);
        bus_subscribe(q.ours, "interface='x.Y'", hear, &other);
        for (guint i = 0; i < 5000; i++)
                bus_emit(p.theirs, "/", "x.Y", "M", NULL);
        bus_emit(q.theirs, "/", "x.Y", "M", NULL);
        source = g_timeout_add(0, tick, &ticks);
        RUN_UNTIL(other.n == 1);
        g_assert_cmpuint(flood.n, <=, 512);
        RUN_UNTIL(flood.n == 5000);
        g_assert_cmpuint(ticks, >=, 5000 / 512);
        g_source_remove(source);
        pair_close(&p);
        pair_close(&q);
}

/* What a blocking call had to read on the way lies queued: it is dispatched in portions. */
static void test_portions(void)
{
        Daemon *d = daemon_start();
        g_autoptr(Bus) from = daemon_connect(d), to = daemon_connect(d);
        Heard flood = {0};
        guint most = 0;

        bus_subscribe(to, "interface='x.Y'", hear, &flood);
        sync_with(to);
        for (guint i = 0; i < 1000; i++)
                bus_emit(from, "/", "x.Y", "M", NULL);
        g_assert_true(bus_request_name(from, "org.example.From", NULL)); /* behind the signals */
        g_assert_true(bus_request_name(to, "org.example.To", NULL));     /* reads them all */
        g_assert_cmpuint(flood.n, ==, 0);
        for (guint before = 0, turns = 0; flood.n < 1000; before = flood.n) {
                g_assert_cmpuint(++turns, <, 100);
                g_main_context_iteration(NULL, TRUE);
                most = MAX(most, flood.n - before);
        }
        g_assert_cmpuint(most, ==, 256);
        daemon_free(d);
}

/* The loop goes with its last connection, and the next connection makes another. */
static void test_again(void)
{
        for (guint i = 0; i < 3; i++) {
                Pair p;
                g_auto(Answer) a = {0};
                pair_open(&p);
                ask(&a, p.ours, NULL, "/", "org.freedesktop.DBus.Peer", "Ping", NULL);
                g_assert_cmpstr(a.error, ==, NULL);
                pair_close(&p);
        }
}

int main(int argc, char **argv)
{
        int failed;

        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/bus/open-fails", test_open_fails);
        g_test_add_func("/bus/names", test_names);
        g_test_add_func("/bus/call-of-bus", test_call_of_bus);
        g_test_add_func("/bus/bad-calls", test_bad_calls);
        g_test_add_func("/bus/timeout-and-cancel", test_timeout_and_cancel);
        g_test_add_func("/bus/dies", test_bus_dies);
        g_test_add_func("/bus/drop-in-callback", test_drop_in_callback);
        g_test_add_func("/bus/matching", test_matching);
        g_test_add_func("/bus/unsubscribe", test_unsubscribe);
        g_test_add_func("/bus/bad-rules", test_bad_rules);
        g_test_add_func("/bus/watch-name", test_watch_name);
        g_test_add_func("/private/basics", test_private);
        g_test_add_func("/private/peer-goes", test_peer_goes);
        g_test_add_func("/private/wrong-uid", test_wrong_uid);
        g_test_add_func("/private/listen-fails", test_listen_fails);
        g_test_add_func("/private/most-peers", test_most_peers);
        g_test_add_func("/private/silent-peers", test_silent_peers);
        g_test_add_func("/private/many-idle", test_many_idle);
        g_test_add_func("/private/outgoing", test_outgoing);
        g_test_add_func("/loop/flood-is-fair", test_flood_is_fair);
        g_test_add_func("/loop/portions", test_portions);
        g_test_add_func("/loop/again", test_again);
        failed = g_test_run();
        dbus_shutdown();
        return failed;
}
