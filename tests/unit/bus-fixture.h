/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A real dbus-daemon of the test's own, private connections, and waiting for events with a deadline. */
#pragma once

#include <dbus/dbus.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbus/bus.h"
#include "dbus/server.h"

#define DEADLINE_S 20

static inline gboolean fixture_too_late(gpointer user)
{
        g_error("waited in vain for %s", (const char *)user);
        return G_SOURCE_REMOVE;
}

/* Runs the main loop until CONDITION holds; fails after DEADLINE_S. */
#define RUN_UNTIL(condition)                                                                                 \
        do {                                                                                                 \
                guint deadline = g_timeout_add_seconds(DEADLINE_S, fixture_too_late, (gpointer) #condition); \
                while (!(condition))                                                                         \
                        g_main_context_iteration(NULL, TRUE);                                                \
                g_source_remove(deadline);                                                                   \
        } while (0)

typedef struct Daemon {
        char *dir, *address;
        GPid pid;
} Daemon;

/* A test that aborts leaves no daemon behind. */
static inline void daemon_child_setup(gpointer unused)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline Daemon *daemon_start(void)
{
        Daemon *d = g_new0(Daemon, 1);
        g_autoptr(GError) error = NULL;
        g_autofree char *listen = NULL;
        char line[512] = "";
        int out = -1;
        FILE *f;

        d->dir = g_dir_make_tmp("kantan-bus-XXXXXX", &error);
        g_assert_no_error(error);
        listen = g_strdup_printf("--address=unix:tmpdir=%s", d->dir);
        const char *argv[] = {"dbus-daemon", "--session",  "--print-address",
                              "--nofork",    "--nosyslog", "--nopidfile",
                              listen,        NULL};
        g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                                 daemon_child_setup, NULL, &d->pid, NULL, &out, NULL, &error);
        g_assert_no_error(error);
        f = fdopen(out, "r");
        g_assert_nonnull(fgets(line, sizeof line, f));
        fclose(f);
        d->address = g_strdup(g_strstrip(line));
        return d;
}

/* Returns when it is gone. */
static inline void daemon_kill(Daemon *d)
{
        if (d->pid == 0)
                return;
        kill(d->pid, SIGKILL);
        g_assert_cmpint(waitpid(d->pid, NULL, 0), ==, d->pid);
        d->pid = 0;
}

static inline void daemon_free(Daemon *d)
{
        daemon_kill(d);
        g_autoptr(GDir) dir = g_dir_open(d->dir, 0, NULL);
        for (const char *name; (name = g_dir_read_name(dir));) {
                g_autofree char *path = g_build_filename(d->dir, name, NULL);
                g_unlink(path);
        }
        g_rmdir(d->dir);
        g_free(d->dir);
        g_free(d->address);
        g_free(d);
}

static inline Bus *daemon_connect(Daemon *d)
{
        g_autoptr(GError) error = NULL;
        Bus *bus = bus_open(d->address, &error);

        g_assert_no_error(error);
        return bus;
}

/* A reply, kept. */
typedef struct Answer {
        guint n;
        GVariant *body;
        char *error, *text;
        GArray *fds;
} Answer;

static inline void answer_take(const BusReply *reply, gpointer user)
{
        Answer *a = user;

        a->n++;
        a->body = reply->body ? g_variant_ref(reply->body) : NULL;
        a->error = g_strdup(reply->error_name);
        a->text = g_strdup(reply->error_text);
        a->fds = g_array_new(FALSE, FALSE, sizeof(int));
        for (guint i = 0; reply->fds && i < reply->fds->len; i++) {
                g_array_append_val(a->fds, g_array_index(reply->fds, int, i));
                g_array_index(reply->fds, int, i) = -1;
        }
}

static inline void answer_clear(Answer *a)
{
        g_clear_pointer(&a->body, g_variant_unref);
        g_clear_pointer(&a->error, g_free);
        g_clear_pointer(&a->text, g_free);
        for (guint i = 0; a->fds && i < a->fds->len; i++)
                close(g_array_index(a->fds, int, i));
        g_clear_pointer(&a->fds, g_array_unref);
        a->n = 0;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Answer, answer_clear)

/* Calls and waits. */
static inline void ask(Answer *a, Bus *bus, const char *dest, const char *path, const char *interface,
                       const char *member, GVariant *args)
{
        answer_clear(a);
        bus_call(bus, dest, path, interface, member, args, 10000, answer_take, a);
        RUN_UNTIL(a->n > 0);
        g_assert_cmpuint(a->n, ==, 1);
}

static inline void assert_prints(GVariant *v, const char *text)
{
        g_assert_nonnull(v);
        g_autofree char *got = g_variant_print(v, TRUE);
        g_assert_cmpstr(got, ==, text);
}

/* A private pair: a server, its end, and the client's end. */
typedef struct Pair {
        BusServer *server;
        Bus *theirs, *ours; /* the server's end, the client's end */
        guint uid, pid;
} Pair;

static inline void pair_accept(BusServer *server, Bus *peer, guint uid, guint pid, gpointer user)
{
        Pair *p = user;

        p->theirs = bus_ref(peer);
        p->uid = uid;
        p->pid = pid;
}

static inline Bus *private_connect(const char *address)
{
        DBusError fault = DBUS_ERROR_INIT;
        DBusConnection *connection = dbus_connection_open_private(address, &fault);
        Bus *bus;

        g_assert_cmpstr(fault.message, ==, NULL);
        bus = bus_new_for_connection(connection);
        dbus_connection_unref(connection);
        return bus;
}

static inline void pair_open(Pair *p)
{
        g_autoptr(GError) error = NULL;

        *p = (Pair){0};
        p->server = bus_server_new("unix:dir=/tmp", 4, getuid(), pair_accept, p, &error);
        g_assert_no_error(error);
        p->ours = private_connect(bus_server_address(p->server));
        RUN_UNTIL(p->theirs);
}

static inline void pair_close(Pair *p)
{
        g_clear_pointer(&p->ours, bus_unref);
        g_clear_pointer(&p->theirs, bus_unref);
        g_clear_pointer(&p->server, bus_server_free);
}
