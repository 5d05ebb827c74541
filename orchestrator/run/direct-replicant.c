/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a replicant's process says (notify, watchdog), how it is stopped, and how its end is confirmed:
 * the leader's status is read while it is a zombie, its group is killed while the zombie keeps the number
 * from being reused, then it is reaped, and only when the group is empty PORT_EXITED is told. */
#include "orchestrator/run/direct-replicant.h"
#include "base/proc.h"
#include "orchestrator/run/process-group.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define MS 1000
#define STATUS_INTERVAL_US (100 * MS)     /* STATUS events of one replicant are at least this far apart */
#define GROUP_FIRST_US (2 * MS)           /* killed processes are gone after about a millisecond */
#define GROUP_MOST_US (200 * MS)          /* between two looks at a group that stays */
#define GROUP_CLOSE_US (100 * MS)         /* then zombies that nobody reaps may be why */
#define GROUP_GIVE_UP_US (10 * 1000 * MS) /* for processes that SIGKILL does not end (a dead disk) */

struct DirectReplicant {
        DirectWorld world;
        char *battery, *key, *program;
        guint id;
        Process process;
        FdWatch *exit_watch, *error_watch;
        gboolean adopted, ready, stopping; /* stopping: as it says itself */
        /* said by it */
        char *status, *status_told;
        guint64 status_timer;
        gint64 watchdog_us, watchdog_last;
        guint64 watchdog_timer;
        /* its end */
        guint64 kill_timer, group_timer;
        gint64 kill_due;
        gint64 group_since, group_wait;
        int exit_status, exit_signal;
        char *end_text;
};

static void tell(DirectReplicant *r, PortEventKind kind, const char *text)
{
        PortEvent e = {.kind = kind,
                       .battery = r->battery,
                       .replicant = r->id,
                       .pid = r->process.pid,
                       .start_ticks = r->process.start_ticks,
                       .exit_status = r->exit_status,
                       .exit_signal = r->exit_signal,
                       .text = text};
        event_queue_post(r->world.queue, &e);
}

static gint64 now(const DirectReplicant *r)
{
        return clock_boot_us(r->world.clock);
}

/* ---- what it says ---- */
static void on_status_due(gpointer user)
{
        DirectReplicant *r = user;
        r->status_timer = 0;
        if (!r->status || g_strcmp0(r->status, r->status_told) == 0)
                return;
        g_free(r->status_told);
        r->status_told = g_steal_pointer(&r->status);
        tell(r, PORT_STATUS, r->status_told);
        r->status_timer = clock_at(r->world.clock, now(r) + STATUS_INTERVAL_US, on_status_due, r);
}

static void status_take(DirectReplicant *r, const char *status)
{
        g_free(r->status);
        r->status = g_strdup(status);
        if (!r->status_timer)
                on_status_due(r);
}

/* Looks only when the oldest deadline is due: a WATCHDOG=1 costs no timer. */
static void on_watchdog_due(gpointer user)
{
        DirectReplicant *r = user;
        gint64 due = r->watchdog_last + r->watchdog_us;
        r->watchdog_timer = 0;
        if (due > now(r))
                r->watchdog_timer = clock_at(r->world.clock, due, on_watchdog_due, r);
        else
                tell(r, PORT_WATCHDOG, NULL);
}

void direct_replicant_watchdog_arm(DirectReplicant *r)
{
        if (r->watchdog_us <= 0 || r->watchdog_timer || r->stopping || r->kill_due)
                return;
        r->watchdog_last = now(r);
        r->watchdog_timer = clock_at(r->world.clock, r->watchdog_last + r->watchdog_us, on_watchdog_due, r);
}

void direct_replicant_notify(DirectReplicant *r, const NotifyMessage *message)
{
        if (message->status)
                status_take(r, message->status);
        if (message->watchdog)
                r->watchdog_last = now(r);
        if (message->ready && !r->ready) {
                r->ready = TRUE;
                direct_replicant_watchdog_arm(r);
                tell(r, PORT_READY, NULL);
        }
        if (message->stopping && !r->stopping) {
                r->stopping = TRUE;
                clock_cancel(r->world.clock, &r->watchdog_timer);
                tell(r, PORT_STOPPING, NULL);
        }
}

/* ---- its end ---- */
static void finish(DirectReplicant *r, const char *text)
{
        tell(r, PORT_EXITED, text);
        r->world.gone(r, r->world.user);
}

static void on_group_due(gpointer user)
{
        DirectReplicant *r = user;
        gint64 waited = now(r) - r->group_since;
        r->group_timer = 0;
        if (process_group_is_gone(r->process.pid,
                                  waited < GROUP_CLOSE_US ? GROUP_LOOK_QUICK : GROUP_LOOK_CLOSE)) {
                finish(r, r->end_text);
        } else if (waited >= GROUP_GIVE_UP_US) {
                g_autofree char *text =
                        g_strdup_printf("%s; processes of its group survive SIGKILL", r->end_text);
                finish(r, text);
        } else {
                r->group_timer = clock_at(r->world.clock, now(r) + r->group_wait, on_group_due, r);
                r->group_wait = MIN(r->group_wait * 2, GROUP_MOST_US);
        }
}

static char *end_words(const DirectReplicant *r)
{
        if (r->exit_signal > 0)
                return g_strdup_printf("killed by signal %d (%s)", r->exit_signal,
                                       g_strsignal(r->exit_signal));
        if (r->exit_status >= 0)
                return g_strdup_printf("exited with status %d", r->exit_status);
        return g_strdup("ended");
}

/* Ready when the program could not be run, or at its end when it does: then the descriptor has served. */
static void read_program_error(gpointer user)
{
        DirectReplicant *r = user;
        if (!r->error_watch)
                return;
        r->end_text = process_error(&r->process, r->program);
        fd_watch_free(g_steal_pointer(&r->error_watch));
        process_close_error(&r->process);
}

static void read_status(DirectReplicant *r)
{
        siginfo_t info = {0};
        r->exit_status = r->exit_signal = -1; /* an adopted one is somebody else's child: nobody tells us */
        if (waitid(P_PID, (id_t)r->process.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
                return;
        gboolean exited = info.si_code == CLD_EXITED;
        r->exit_status = exited ? info.si_status : -1;
        r->exit_signal = exited ? 0 : info.si_status;
}

/* A zombie keeps the number, so the group is its own. An adopted one may have been reaped by its parent:
 * then more care is taken. A number that is a process's again was nobody's group before: nothing is left. */
static void kill_group(DirectReplicant *r)
{
        ProcStat st;
        if (!proc_read_stat(r->process.pid, &st))
                process_group_kill_marked(r->process.pid, r->battery, r->id);
        else if (st.start_ticks == r->process.start_ticks)
                process_group_kill(r->process.pid);
}

static void on_ended(gpointer user)
{
        DirectReplicant *r = user;
        siginfo_t info;
        notify_socket_drain(r->world.notify); /* while its pid still names it */
        fd_watch_free(g_steal_pointer(&r->exit_watch));
        clock_cancel(r->world.clock, &r->kill_timer);
        clock_cancel(r->world.clock, &r->watchdog_timer);
        clock_cancel(r->world.clock, &r->status_timer);
        read_status(r);
        read_program_error(r);
        if (!r->end_text)
                r->end_text = end_words(r);
        kill_group(r);
        waitid(P_PID, (id_t)r->process.pid, &info, WEXITED | WNOHANG);
        r->group_since = now(r);
        r->group_wait = GROUP_FIRST_US;
        on_group_due(r);
}

static void on_kill_due(gpointer user)
{
        DirectReplicant *r = user;
        r->kill_timer = 0;
        process_signal(r->process.pidfd, SIGKILL);
        /* The number is its own unless it ended this moment and, being adopted, was reaped by others:
         * then on_ended() follows, and kills with more care. */
        if (!r->adopted || process_alive(r->process.pidfd))
                process_group_kill(r->process.pid);
}

/* A stopped process hears SIGTERM only when it goes on. One that runs must not get SIGCONT besides: it would
 * take away the SIGSTOP of whoever attaches to it as it ends (ptrace(2); the leak sanitizer does). */
static void ask_to_end(DirectReplicant *r)
{
        ProcStat st;
        gboolean stopped = proc_read_stat(r->process.pid, &st) && st.state == 'T';
        process_signal(r->process.pidfd, SIGTERM);
        if (stopped)
                process_signal(r->process.pidfd, SIGCONT);
}

void direct_replicant_stop(DirectReplicant *r, gint64 timeout_us)
{
        gint64 due = now(r) + MAX(timeout_us, 0);
        if (!r->exit_watch)
                return; /* ended already; its group is being waited for */
        if (!r->kill_due)
                ask_to_end(r);
        clock_cancel(r->world.clock, &r->watchdog_timer);
        if (r->kill_due && r->kill_due <= due)
                return;
        r->kill_due = due;
        clock_cancel(r->world.clock, &r->kill_timer);
        r->kill_timer = clock_at(r->world.clock, due, on_kill_due, r);
}

/* ---- its beginning ---- */
void direct_replicant_release(DirectReplicant *r)
{
        process_release(&r->process);
}

DirectReplicant *direct_replicant_new(const DirectWorld *world, const char *battery, guint id,
                                      const char *program, Process *process, gint64 watchdog_us,
                                      GError **error)
{
        DirectReplicant *r = g_new0(DirectReplicant, 1);
        r->world = *world;
        r->battery = g_strdup(battery);
        r->id = id;
        r->key = g_strdup_printf("%s/%u", battery, id);
        r->program = g_strdup(program);
        r->adopted = program == NULL;
        r->watchdog_us = watchdog_us;
        r->process = *process;
        *process = PROCESS_NONE;
        r->exit_watch = fd_loop_add(world->loop, r->process.pidfd, on_ended, r, error);
        if (r->exit_watch && program)
                r->error_watch = fd_loop_add(world->loop, r->process.error_fd, read_program_error, r, error);
        if (r->exit_watch && (!program || r->error_watch))
                return r;
        direct_replicant_free(r);
        return NULL;
}

void direct_replicant_free(DirectReplicant *r)
{
        if (!r)
                return;
        fd_watch_free(r->exit_watch);
        fd_watch_free(r->error_watch);
        clock_cancel(r->world.clock, &r->status_timer);
        clock_cancel(r->world.clock, &r->watchdog_timer);
        clock_cancel(r->world.clock, &r->kill_timer);
        clock_cancel(r->world.clock, &r->group_timer);
        process_clear(&r->process);
        g_free(r->battery);
        g_free(r->key);
        g_free(r->program);
        g_free(r->status);
        g_free(r->status_told);
        g_free(r->end_text);
        g_free(r);
}

pid_t direct_replicant_pid(const DirectReplicant *r)
{
        return r->process.pid;
}

guint64 direct_replicant_ticks(const DirectReplicant *r)
{
        return r->process.start_ticks;
}

const char *direct_replicant_key(const DirectReplicant *r)
{
        return r->key;
}

gboolean direct_replicant_adopted(const DirectReplicant *r)
{
        return r->adopted;
}
