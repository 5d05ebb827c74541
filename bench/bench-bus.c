/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How quickly the orchestrator answers on the bus, seen by a client in C; one line per round, microseconds:
 *   bench-bus begin ADDRESS ROUNDS    BeginTransaction that touches no battery: reply, verdict
 *   bench-bus event ADDRESS ROUNDS    Channel.Send in one process until the event reached another */
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "org.kantan.Orchestrator1"
#define ROOT "/org/kantan/Orchestrator1"

typedef struct Heard {
        char *path;   /* of the last verdict */
        gint64 at_us; /* when it came */
        guint rounds; /* events heard */
        guint wanted;
} Heard;

static GDBusConnection *connect_to(const char *address)
{
        g_autoptr(GError) error = NULL;
        GDBusConnection *bus =
                g_dbus_connection_new_for_address_sync(address,
                                                       G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                               G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                       NULL, NULL, &error);
        if (!bus)
                g_error("%s", error->message);
        return bus;
}

static GVariant *call(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                      GVariant *args)
{
        g_autoptr(GError) error = NULL;
        GVariant *reply = g_dbus_connection_call_sync(bus, NAME, path, interface, method, args, NULL,
                                                      G_DBUS_CALL_FLAGS_NONE, 30000, NULL, &error);
        if (!reply)
                g_error("%s: %s", method, error->message);
        return reply;
}

static void on_verdict(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *name, GVariant *args, gpointer user)
{
        Heard *h = user;
        h->at_us = g_get_monotonic_time();
        g_free(h->path);
        h->path = g_strdup(path);
}

static void begin_one(GDBusConnection *bus, Heard *h)
{
        const char *path;
        GVariantBuilder changes = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sssss)"));
        g_variant_builder_add(&changes, "(sssss)", "install", "bench-touches-nothing", "-", "1.0", "-");
        gint64 begin = g_get_monotonic_time();
        g_autoptr(GVariant) reply = call(bus, ROOT, NAME ".Manager", "BeginTransaction",
                                         g_variant_new("(sa(sssss)a{sv})", "kantan", &changes, NULL));
        gint64 replied = g_get_monotonic_time();
        g_variant_get(reply, "(&o)", &path);
        while (g_strcmp0(h->path, path) != 0)
                g_main_context_iteration(NULL, TRUE);
        printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", replied - begin,
               MAX(h->at_us, replied) - begin);
        g_autoptr(GVariant) over G_GNUC_UNUSED =
                call(bus, path, NAME ".Transaction", "Finish", g_variant_new("(ba{sv})", TRUE, NULL));
}

static void bench_begin(const char *address, guint rounds)
{
        g_autoptr(GDBusConnection) bus = connect_to(address);
        Heard h = {0};
        g_dbus_connection_signal_subscribe(bus, NAME, NAME ".Transaction", "Verdict", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_verdict, &h, NULL);
        for (guint i = 0; i < rounds; i++)
                begin_one(bus, &h);
        g_free(h.path);
}

static void on_event(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                     const char *name, GVariant *args, gpointer user)
{
        Heard *h = user;
        gint64 now = g_get_monotonic_time(), at;
        g_autoptr(GVariant) detail = g_variant_get_child_value(args, 4);
        if (!g_variant_lookup(detail, "at", "x", &at))
                return;
        printf("%" G_GINT64_FORMAT "\n", now - at);
        h->rounds++;
}

/* Waits until the listener listens: its byte comes through FD. */
static void send_events(const char *address, guint rounds, int fd)
{
        char byte;
        if (read(fd, &byte, 1) != 1)
                exit(1);
        g_autoptr(GDBusConnection) bus = connect_to(address);
        for (guint i = 0; i < rounds; i++) {
                GVariantBuilder detail = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
                g_variant_builder_add(&detail, "{sv}", "at", g_variant_new_int64(g_get_monotonic_time()));
                g_autoptr(GVariant) reply G_GNUC_UNUSED = call(bus, ROOT "/svc", NAME ".Channel", "Send",
                                                 g_variant_new("(sa{sv}a{sv})", "x-bench", &detail, NULL));
        }
}

static void listen_events(const char *address, guint rounds, int fd)
{
        g_autoptr(GDBusConnection) bus = connect_to(address);
        Heard h = {.wanted = rounds};
        g_dbus_connection_signal_subscribe(bus, NAME, NAME ".Channel", "Event", ROOT "/svc", NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_event, &h, NULL);
        /* A call to the bus comes after the match rule that was sent before it. */
        g_autoptr(GVariant) reply G_GNUC_UNUSED = call(bus, ROOT, "org.freedesktop.DBus.Peer", "Ping", NULL);
        if (write(fd, "", 1) != 1)
                exit(1);
        while (h.rounds < h.wanted)
                g_main_context_iteration(NULL, TRUE);
}

static void bench_event(const char *address, guint rounds)
{
        int fds[2];
        if (pipe(fds) < 0)
                g_error("no pipe");
        pid_t child = fork(); /* before GDBus has threads */
        if (child == 0) {
                send_events(address, rounds, fds[0]);
                _exit(0);
        }
        listen_events(address, rounds, fds[1]);
        waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
        guint rounds = argc == 4 ? (guint)atoi(argv[3]) : 0;
        if (rounds > 0 && strcmp(argv[1], "begin") == 0)
                bench_begin(argv[2], rounds);
        else if (rounds > 0 && strcmp(argv[1], "event") == 0)
                bench_event(argv[2], rounds);
        else
                return fputs("Usage: bench-bus begin|event ADDRESS ROUNDS\n", stderr), 2;
        return 0;
}
