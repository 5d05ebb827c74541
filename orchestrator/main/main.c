/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kantan-orchestratord: the only wiring place. Opens the journal, the bus and the adapters, hands them to
 * the manager, runs the loop, and lets go of everything on SIGTERM but the replicants. */
#include "base/log.h"
#include "dbus/wire/wire.h"
#include "orchestrator/manager.h"
#include "orchestrator/run/owner.h"
#include "orchestrator/run/runner-direct.h"
#include "policy/battery-file.h"
#include "policy/daemon-file.h"
#include "store/installation.h"
#include "store/installer.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define INHIBITORS_PER_UID_SHARE 2 /* one user may hold at most this part (1/n) of all inhibitors */

typedef struct Options {
        char *bus, *config, *state, *log_level;
        gboolean version;
} Options;

typedef struct Daemon {
        Options options;
        Paths *paths;
        DaemonConfig config;
        Limits limits;
        BatterySource source;
        Clock *clock;
        Journal *journal;
        Bus *bus;
        Manager *manager;
        Wire *wire;
        RunnerPort *runner;
        InstallerPort *installer;
        OwnerPort *owner;
        GMainLoop *loop;
        int status;
} Daemon;

static gboolean options_parse(Options *o, int *argc, char ***argv, GError **error)
{
        const GOptionEntry entries[] = {
                {"bus", 0, 0, G_OPTION_ARG_STRING, &o->bus, "system (default), session, or a D-Bus address",
                 "BUS"},
                {"config", 0, 0, G_OPTION_ARG_FILENAME, &o->config, "configuration (default /etc/kantan)",
                 "DIR"},
                {"state", 0, 0, G_OPTION_ARG_FILENAME, &o->state, "state (default /var/lib/kantan)", "DIR"},
                {"log-level", 0, 0, G_OPTION_ARG_STRING, &o->log_level,
                 "debug, info, notice, warning or error", "LEVEL"},
                {"version", 0, 0, G_OPTION_ARG_NONE, &o->version, "print the version and end", NULL},
                {NULL},
        };
        g_autoptr(GOptionContext) context =
                g_option_context_new("- co-ordinate updates of replicated services");
        g_option_context_add_main_entries(context, entries, NULL);
        return g_option_context_parse(context, argc, argv, error);
}

/* ---- battery files ---- */

static char *problems_text(GPtrArray *problems)
{
        GString *s = g_string_new(NULL);
        for (guint i = 0; i < problems->len; i++) {
                const Problem *p = problems->pdata[i];
                g_autofree char *line = problem_to_string(p);
                if (p->level == PROBLEM_WARNING)
                        g_warning("%s", line);
                else
                        g_string_append_printf(s, "%s%s", s->len ? "\n" : "", line);
        }
        return g_string_free(s, FALSE);
}

static GPtrArray *problems_new(void)
{
        return g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
}

static char **source_list(gpointer user)
{
        Daemon *d = user;
        g_autoptr(GPtrArray) problems = problems_new();
        char **names = battery_files_list(d->paths->vendor, d->paths->config, problems);
        g_free(problems_text(problems));
        return names;
}

static BatteryConfig *source_load(const char *name, char **ret_why, gpointer user)
{
        Daemon *d = user;
        g_autoptr(GPtrArray) problems = problems_new();
        BatteryConfig *c = battery_file_load(d->paths->vendor, d->paths->config, name, problems);
        g_autofree char *text = problems_text(problems);
        if (!c)
                *ret_why = g_steal_pointer(&text);
        return c;
}

static gboolean read_config(Daemon *d, GError **error)
{
        g_autoptr(GPtrArray) problems = problems_new();
        gboolean ok = daemon_file_load(d->paths->config, &d->config, problems);
        g_autofree char *text = problems_text(problems);
        if (!ok) {
                g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
                return FALSE;
        }
        d->limits = (Limits){.transactions = d->config.transactions,
                             .inhibitors = d->config.inhibitors,
                             .inhibitors_per_uid = MAX(d->config.inhibitors / INHIBITORS_PER_UID_SHARE, 1)};
        d->source = (BatterySource){source_list, source_load, d};
        return TRUE;
}

/* ---- garbage collection: the store's work on a thread, the manager's knowledge of what is needed ---- */

typedef struct Collection {
        char *state;
        char **in_use;
        guint keep;
        gboolean dry_run;
        guint64 bytes;
        WireCollectDone done;
        gpointer done_user;
} Collection;

static void collection_free(gpointer p)
{
        Collection *c = p;
        g_free(c->state);
        g_strfreev(c->in_use);
        g_free(c);
}

static void collect_work(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
        Collection *c = data;
        GError *error = NULL;
        GPtrArray *removed = installation_gc(c->state, c->keep, (const char *const *)c->in_use, c->dry_run,
                                             &c->bytes, &error);
        if (removed)
                g_task_return_pointer(task, removed, (GDestroyNotify)g_ptr_array_unref);
        else
                g_task_return_error(task, error);
}

static void on_collected(GObject *source, GAsyncResult *result, gpointer user)
{
        Collection *c = g_task_get_task_data(G_TASK(result));
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) removed = g_task_propagate_pointer(G_TASK(result), &error);
        c->done(removed, c->bytes, error, c->done_user);
}

static void collect(gboolean dry_run, char **in_use, WireCollectDone done, gpointer done_user, gpointer user)
{
        Daemon *d = user;
        Collection *c = g_new0(Collection, 1);
        *c = (Collection){g_strdup(d->paths->state),
                          g_strdupv(in_use),
                          d->config.keep_versions,
                          dry_run,
                          0,
                          done,
                          done_user};
        g_autoptr(GTask) task = g_task_new(NULL, NULL, on_collected, NULL);
        g_task_set_task_data(task, c, collection_free);
        g_task_run_in_thread(task, collect_work);
}

/* ---- life ---- */

static gboolean make_directory(const char *path, GError **error)
{
        if (g_mkdir_with_parents(path, 0755) == 0)
                return TRUE;
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot make %s: %s", path,
                    g_strerror(errno));
        return FALSE;
}

static void on_trouble(const char *trouble, gpointer user)
{
        if (trouble)
                g_critical("the journal cannot be written: %s; what runs goes on, nothing new is begun until "
                           "there is room",
                           trouble);
        else
                g_message("the journal can be written again");
}

static void on_disconnected(Bus *bus, gpointer user)
{
        Daemon *d = user;
        g_critical("the message bus is gone: ending; the replicants go on, and a new daemon takes them over");
        d->status = 1;
        g_main_loop_quit(d->loop);
}

static gboolean on_signal(gpointer user)
{
        Daemon *d = user;
        g_message("ending; the replicants go on");
        g_main_loop_quit(d->loop);
        return G_SOURCE_CONTINUE;
}

static gboolean open_state(Daemon *d, GError **error)
{
        g_autofree char *file = g_build_filename(d->paths->state, "journal.db", NULL);
        if (!make_directory(d->paths->state, error) || !make_directory(d->paths->runtime, error))
                return FALSE;
        d->journal = journal_open(file, error);
        if (!d->journal)
                return FALSE;
        journal_on_trouble(d->journal, on_trouble, d);
        return TRUE;
}

static gboolean open_world(Daemon *d, GError **error)
{
        d->manager = manager_new(d->journal, d->clock, d->paths, &d->source, &d->limits);
        d->runner = runner_direct_new(d->paths->runtime, d->clock, manager_feed, d->manager, error);
        if (!d->runner)
                return FALSE;
        d->installer = installer_new(d->paths->state, manager_feed, d->manager);
        d->owner = owner_new(manager_feed, d->manager);
        manager_set_ports(d->manager, d->runner, d->installer, d->owner);
        return TRUE;
}

static gboolean start(Daemon *d, GError **error)
{
        const char *where = d->options.bus ? d->options.bus : "system";
        if (!read_config(d, error) || !open_state(d, error) || !open_world(d, error))
                return FALSE;
        d->bus = bus_open(where, error);
        if (!d->bus)
                return FALSE;
        bus_on_disconnected(d->bus, on_disconnected, d);
        WireConfig wire = {.instance = d->paths->state,
                           .calls_per_sender = d->config.calls_per_sender,
                           .calls = d->config.calls,
                           .collect = collect,
                           .user = d};
        d->wire = wire_new(d->bus, d->manager, &wire);
        manager_set_publisher(d->manager, wire_publisher(), d->wire);
        return manager_start(d->manager, error) &&
               bus_request_name(d->bus, "org.kantan.Orchestrator1", error);
}

static void stop(Daemon *d)
{
        if (d->manager)
                manager_set_publisher(d->manager, NULL, NULL);
        wire_free(d->wire);
        runner_direct_free(d->runner);
        installer_free(d->installer);
        owner_free(d->owner);
        journal_close(d->journal); /* after it nothing calls back into the manager */
        manager_free(d->manager);
        if (d->bus)
                bus_unref(d->bus);
        clock_free(d->clock);
        paths_free(d->paths);
        g_main_loop_unref(d->loop);
        g_free(d->options.bus);
        g_free(d->options.config);
        g_free(d->options.state);
        g_free(d->options.log_level);
}

int main(int argc, char **argv)
{
        if (package_is_worker(argc, argv))
                return package_worker_main();
        Daemon d = {.loop = g_main_loop_new(NULL, FALSE)};
        g_autoptr(GError) error = NULL;
        if (!options_parse(&d.options, &argc, &argv, &error) || !log_init(d.options.log_level)) {
                fprintf(stderr, "kantan-orchestratord: %s\n", error ? error->message : "no such log level");
                return 2;
        }
        if (d.options.version) {
                printf("kantan-orchestratord %s\n", KANTAN_VERSION);
                return 0;
        }
        umask(022);
        signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a full disk to us, not an end */
        signal(SIGPIPE, SIG_IGN);
        d.clock = clock_new_system();
        d.paths = paths_new(d.options.config, d.options.state);
        if (start(&d, &error)) {
                g_unix_signal_add(SIGTERM, on_signal, &d);
                g_unix_signal_add(SIGINT, on_signal, &d);
                g_message("kantan-orchestratord %s, state in %s", KANTAN_VERSION, d.paths->state);
                g_main_loop_run(d.loop);
        } else {
                fprintf(stderr, "kantan-orchestratord: %s\n", error->message);
                d.status = 1;
        }
        stop(&d);
        return d.status;
}
