/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of direct replicants behind the runner's port: who starts, who is known, whose word is heard.
 * What happens to one of them is in direct-replicant.c, the making of processes in process.c. */
#include "orchestrator/run/runner-direct.h"
#include "base/proc.h"
#include "orchestrator/run/command.h"
#include "orchestrator/run/direct-replicant.h"
#include "orchestrator/run/orphans.h"
#include "orchestrator/run/output-log.h"
#include "orchestrator/run/process-group.h"

#include <gio/gio.h>
#include <unistd.h>

#define REPLICANTS_MAX 4096 /* of one daemon: two descriptors each, within the usual hard limit */

typedef struct RunnerDirect {
        RunnerPort port; /* first: a RunnerPort* is one of these */
        EventQueue *queue;
        FdLoop *loop;
        NotifySocket *notify;
        OutputLog *output;
        Commands *commands;
        Orphans *orphans;
        DirectWorld world;
        GHashTable *by_key; /* "battery/id" -> DirectReplicant */
        GHashTable *by_pid; /* pid -> the same */
} RunnerDirect;

static DirectReplicant *find(RunnerDirect *d, const char *battery, guint id)
{
        g_autofree char *key = g_strdup_printf("%s/%u", battery, id);
        return g_hash_table_lookup(d->by_key, key);
}

static char *output_name(const char *key)
{
        return g_strdelimit(g_strdup(key), "/", '.');
}

static void on_gone(DirectReplicant *r, gpointer user)
{
        RunnerDirect *d = user;
        g_autofree char *name = output_name(direct_replicant_key(r));
        output_log_end(d->output, name);
        g_hash_table_remove(d->by_pid, GINT_TO_POINTER(direct_replicant_pid(r)));
        g_hash_table_remove(d->by_key, direct_replicant_key(r));
        orphans_look(d->orphans);
}

static void add(RunnerDirect *d, DirectReplicant *r)
{
        g_hash_table_insert(d->by_key, (char *)direct_replicant_key(r), r);
        g_hash_table_insert(d->by_pid, GINT_TO_POINTER(direct_replicant_pid(r)), r);
}

/* The kernel names the sender; it is heard if it is a replicant or of a replicant's group. The pid of an
 * adopted one may have been reused before we learnt of its end, so its start time counts, too. */
static void on_notify(pid_t sender, const NotifyMessage *message, gpointer user)
{
        RunnerDirect *d = user;
        ProcStat st;
        DirectReplicant *r = g_hash_table_lookup(d->by_pid, GINT_TO_POINTER(sender));
        if (r && direct_replicant_adopted(r) &&
            (!proc_read_stat(sender, &st) || st.start_ticks != direct_replicant_ticks(r)))
                r = NULL;
        else if (!r && proc_read_stat(sender, &st))
                r = g_hash_table_lookup(d->by_pid, GINT_TO_POINTER(st.pgid));
        if (r)
                direct_replicant_notify(r, message);
        else
                g_debug("notify message of process %d, which is no replicant, dropped", (int)sender);
}

/* ---- start ---- */
static char **start_environment(const RunnerDirect *d, const RunnerStart *s, const Account *account)
{
        g_autofree char *id = g_strdup_printf("%u", s->replicant);
        g_autofree char *watchdog = g_strdup_printf("%" G_GINT64_FORMAT, s->watchdog_us);
        char **env = process_environment(account);
        for (guint i = 0; s->environment && s->environment[i]; i++) {
                g_auto(GStrv) pair = g_strsplit(s->environment[i], "=", 2);
                if (g_strv_length(pair) == 2)
                        env = g_environ_setenv(env, pair[0], pair[1], TRUE);
        }
        env = g_environ_setenv(env, "KANTAN_BATTERY", s->battery, TRUE);
        env = g_environ_setenv(env, "KANTAN_REPLICANT", id, TRUE);
        env = g_environ_setenv(env, "NOTIFY_SOCKET", notify_socket_path(d->notify), TRUE);
        return s->watchdog_us > 0 ? g_environ_setenv(env, "WATCHDOG_USEC", watchdog, TRUE)
                                  : g_environ_unsetenv(env, "WATCHDOG_USEC");
}

static char **start_argv(const RunnerStart *s)
{
        GPtrArray *argv = g_ptr_array_new();
        g_ptr_array_add(argv, g_strdup(s->program));
        for (guint i = 0; s->arguments && s->arguments[i]; i++)
                g_ptr_array_add(argv, g_strdup(s->arguments[i]));
        g_ptr_array_add(argv, NULL);
        return (char **)g_ptr_array_free(argv, FALSE);
}

static gboolean spawn(RunnerDirect *d, const RunnerStart *s, const char *key, Process *ret, GError **error)
{
        g_autoptr(Account) account = account_lookup(s->user, error);
        if (!account)
                return FALSE;
        g_autofree char *name = output_name(key);
        int output_fd = output_log_start(d->output, name, key, account->uid, account->gid, error);
        if (output_fd < 0)
                return FALSE;
        g_auto(GStrv) argv = start_argv(s);
        g_auto(GStrv) env = start_environment(d, s, account);
        ProcessSpec spec = {.program = s->program,
                            .argv = (const char *const *)argv,
                            .environment = env,
                            .account = account,
                            .output_fd = output_fd,
                            .mode = PROCESS_HELD,
                            .watchdog_pid = s->watchdog_us > 0};
        gboolean ok = process_spawn(&spec, ret, error);
        close(output_fd);
        if (!ok)
                output_log_end(d->output, name);
        return ok;
}

static DirectReplicant *try_start(RunnerDirect *d, const RunnerStart *s, GError **error)
{
        Process process = PROCESS_NONE;
        g_autofree char *key = g_strdup_printf("%s/%u", s->battery, s->replicant);
        if (g_hash_table_contains(d->by_key, key)) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s runs already", key);
                return NULL;
        }
        if (g_hash_table_size(d->by_key) >= REPLICANTS_MAX) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "more than %d replicants",
                            REPLICANTS_MAX);
                return NULL;
        }
        if (!spawn(d, s, key, &process, error))
                return NULL;
        return direct_replicant_new(&d->world, s->battery, s->replicant, s->program, &process, s->watchdog_us,
                                    error);
}

static void start(RunnerPort *port, const RunnerStart *s)
{
        RunnerDirect *d = (RunnerDirect *)port;
        g_autoptr(GError) error = NULL;
        PortEvent e = {.kind = PORT_FORKED, .battery = s->battery, .replicant = s->replicant};
        g_assert(battery_name_valid(s->battery) && g_path_is_absolute(s->program));
        DirectReplicant *r = try_start(d, s, &error);
        if (r) {
                add(d, r);
                e.pid = direct_replicant_pid(r);
                e.start_ticks = direct_replicant_ticks(r);
        } else {
                e.kind = PORT_START_FAILED;
                e.text = error->message;
        }
        event_queue_post(d->queue, &e);
}

/* ---- the rest of the port ---- */
static void release(RunnerPort *port, const char *battery, guint replicant)
{
        DirectReplicant *r = find((RunnerDirect *)port, battery, replicant);
        if (r)
                direct_replicant_release(r);
}

static void stop(RunnerPort *port, const char *battery, guint replicant, gint64 timeout_us)
{
        RunnerDirect *d = (RunnerDirect *)port;
        DirectReplicant *r = find(d, battery, replicant);
        PortEvent e = {.kind = PORT_EXITED,
                       .battery = battery,
                       .replicant = replicant,
                       .exit_status = -1,
                       .exit_signal = -1,
                       .text = "did not run"};
        if (r)
                direct_replicant_stop(r, timeout_us);
        else
                event_queue_post(d->queue, &e);
}

static gboolean adopt(RunnerPort *port, const char *battery, guint replicant, int pid, guint64 start_ticks,
                      gint64 watchdog_us)
{
        RunnerDirect *d = (RunnerDirect *)port;
        g_assert(battery_name_valid(battery));
        DirectReplicant *r = find(d, battery, replicant);
        if (r)
                return direct_replicant_pid(r) == pid && direct_replicant_ticks(r) == start_ticks;
        Process p = {.pid = pid, .start_ticks = start_ticks, .hold_fd = -1, .error_fd = -1};
        p.pidfd = start_ticks ? process_open(pid, start_ticks, NULL) : -1;
        if (p.pidfd < 0) {
                ProcStat st; /* a number that is a process's again was nobody's group before: nothing is left
                              */
                if (!proc_read_stat(pid, &st) || st.start_ticks == start_ticks)
                        process_group_kill_marked(pid, battery, replicant);
                return FALSE;
        }
        r = direct_replicant_new(&d->world, battery, replicant, NULL, &p, watchdog_us, NULL);
        g_assert(r); /* the kernel has no memory for one more epoll entry, at start-up */
        add(d, r);
        direct_replicant_watchdog_arm(r);
        g_autofree char *name = output_name(direct_replicant_key(r));
        output_log_resume(d->output, name, direct_replicant_key(r));
        return TRUE;
}

static void command(RunnerPort *port, guint64 cookie, const char *battery, guint replicant,
                    const char *const *argv, const char *user, gint64 timeout_us)
{
        commands_run(((RunnerDirect *)port)->commands, cookie, battery, replicant, argv, user, timeout_us);
}

static void command_cancel(RunnerPort *port, guint64 cookie)
{
        commands_cancel(((RunnerDirect *)port)->commands, cookie);
}

/* ---- the runner ---- */
static gboolean is_known(pid_t pid, gpointer user)
{
        RunnerDirect *d = user;
        return g_hash_table_contains(d->by_pid, GINT_TO_POINTER(pid)) || commands_has_pid(d->commands, pid);
}

static gboolean make_parts(RunnerDirect *d, const char *runtime, Clock *clock, GError **error)
{
        g_autofree char *socket_path = g_build_filename(runtime, "notify", NULL);
        g_autofree char *output_dir = g_build_filename(runtime, "output", NULL);
        if (g_mkdir_with_parents(runtime, 0755) < 0) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s cannot be made", runtime);
                return FALSE;
        }
        d->loop = fd_loop_new(error);
        d->output = d->loop ? output_log_new(output_dir, error) : NULL;
        d->notify = d->output ? notify_socket_new(socket_path, on_notify, d, error) : NULL;
        if (!d->notify)
                return FALSE;
        d->commands = commands_new(clock, d->loop, d->queue);
        d->orphans = orphans_new(d->loop, clock, is_known, d);
        d->world = (DirectWorld){.clock = clock,
                                 .loop = d->loop,
                                 .queue = d->queue,
                                 .notify = d->notify,
                                 .gone = on_gone,
                                 .user = d};
        return TRUE;
}

RunnerPort *runner_direct_new(const char *runtime, Clock *clock, PortSink sink, gpointer user, GError **error)
{
        RunnerDirect *d = g_new0(RunnerDirect, 1);
        d->port = (RunnerPort){.start = start,
                               .release = release,
                               .stop = stop,
                               .adopt = adopt,
                               .command = command,
                               .command_cancel = command_cancel};
        d->queue = event_queue_new(sink, user);
        d->by_key =
                g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)direct_replicant_free);
        d->by_pid = g_hash_table_new(NULL, NULL);
        if (!make_parts(d, runtime, clock, error)) {
                runner_direct_free(&d->port);
                return NULL;
        }
        process_group_become_reaper();
        return &d->port;
}

void runner_direct_free(RunnerPort *port)
{
        RunnerDirect *d = (RunnerDirect *)port;
        if (!d)
                return;
        orphans_free(d->orphans);
        commands_free(d->commands);
        g_hash_table_unref(d->by_pid);
        g_hash_table_unref(d->by_key);
        notify_socket_free(d->notify);
        output_log_free(d->output);
        fd_loop_free(d->loop);
        event_queue_free(d->queue);
        g_free(d);
}
