/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One Command each: wait for room, spawn, follow its output for the last line, end. */
#include "orchestrator/run/command.h"
#include "orchestrator/run/process-group.h"
#include "orchestrator/run/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 200      /* of the last line, for events and people */
#define READ_BYTES 4096         /* of output in one turn */
#define READ_AT_END (64 * 1024) /* of output that was waiting when the command ended */

struct Commands {
        Clock *clock;
        FdLoop *loop;
        EventQueue *queue;
        GQueue waiting;      /* Command* */
        GHashTable *running; /* pid -> Command* */
};

typedef struct Command {
        Commands *all;
        guint64 cookie;
        char *battery, *user;
        guint replicant;
        char **argv;
        gint64 timeout_us;
        gboolean timed_out, cancelled;
        Process process;
        int output_fd;
        FdWatch *exit_watch, *output_watch;
        guint64 timer;
        char line[LINE_MAX_BYTES + 1], last[LINE_MAX_BYTES + 1];
} Command;

static void commands_fill(Commands *c);

static void command_free(gpointer p)
{
        Command *m = p;
        clock_cancel(m->all->clock, &m->timer);
        fd_watch_free(m->exit_watch);
        fd_watch_free(m->output_watch);
        process_clear(&m->process);
        if (m->output_fd >= 0)
                close(m->output_fd);
        g_free(m->battery);
        g_free(m->user);
        g_strfreev(m->argv);
        g_free(m);
}

static void command_report(Command *m, gboolean ok, const char *text)
{
        PortEvent e = {.kind = PORT_COMMAND_DONE,
                       .battery = m->battery,
                       .replicant = m->replicant,
                       .cookie = m->cookie,
                       .ok = ok,
                       .text = text};
        event_queue_post(m->all->queue, &e);
}

/* ---- its output ---- */
static void line_end(Command *m)
{
        if (*m->line)
                memcpy(m->last, m->line, sizeof m->last);
        *m->line = '\0';
}

static void line_add(Command *m, char byte)
{
        gsize n = strlen(m->line);
        if (byte == '\n')
                line_end(m);
        else if (n < LINE_MAX_BYTES)
                memcpy(m->line + n, (char[]){g_ascii_isprint(byte) ? byte : '?', '\0'}, 2);
}

/* FALSE when nothing waits, or never will. */
static gboolean output_read(Command *m)
{
        char buffer[READ_BYTES];
        ssize_t n = read(m->output_fd, buffer, sizeof buffer);
        for (ssize_t i = 0; i < n; i++)
                line_add(m, buffer[i]);
        return n > 0;
}

static void on_output(gpointer user)
{
        Command *m = user;
        if (output_read(m) || errno == EAGAIN)
                return;
        fd_watch_free(m->output_watch); /* closed: its end is what we wait for now */
        m->output_watch = NULL;
}

/* ---- its end ---- */
static char *words_of_end(Command *m, const siginfo_t *info)
{
        char *error = process_error(&m->process, m->argv[0]);
        if (error)
                return error;
        if (m->timed_out)
                return g_strdup_printf("%s: killed after %.1f s%s%s", m->argv[0],
                                       (double)m->timeout_us / G_USEC_PER_SEC, *m->last ? ": " : "", m->last);
        if (info->si_code != CLD_EXITED)
                return g_strdup_printf("%s: killed by signal %d (%s)", m->argv[0], info->si_status,
                                       g_strsignal(info->si_status));
        if (info->si_status != 0 && !*m->last)
                return g_strdup_printf("%s: exit status %d", m->argv[0], info->si_status);
        return g_strdup(m->last);
}

static void on_ended(gpointer user)
{
        Command *m = user;
        Commands *c = m->all;
        siginfo_t info = {0};
        for (int n = 0; n < READ_AT_END && output_read(m); n += READ_BYTES)
                ;
        line_end(m);
        waitid(P_PID, (id_t)m->process.pid, &info, WEXITED | WNOHANG | WNOWAIT);
        process_group_kill(m->process.pid); /* while the zombie keeps the number */
        waitid(P_PID, (id_t)m->process.pid, &info, WEXITED | WNOHANG);
        g_autofree char *text = words_of_end(m, &info);
        if (!m->cancelled)
                command_report(m, info.si_code == CLD_EXITED && info.si_status == 0 && !m->timed_out, text);
        g_hash_table_remove(c->running, GINT_TO_POINTER(m->process.pid));
        commands_fill(c);
}

static void command_kill(Command *m)
{
        process_signal(m->process.pidfd, SIGKILL);
        process_group_kill(m->process.pid); /* not reaped before on_ended() */
}

static void on_timeout(gpointer user)
{
        Command *m = user;
        m->timer = 0;
        m->timed_out = TRUE;
        command_kill(m);
}

/* ---- its beginning ---- */
static char **command_environment(const Command *m, const Account *account)
{
        g_autofree char *replicant = g_strdup_printf("%u", m->replicant);
        char **env = process_environment(account);
        env = g_environ_setenv(env, "KANTAN_BATTERY", m->battery, TRUE);
        return g_environ_setenv(env, "KANTAN_REPLICANT", replicant, TRUE);
}

static gboolean command_spawn(Command *m, int write_fd, GError **error)
{
        g_autoptr(Account) account = account_lookup(m->user, error);
        if (!account)
                return FALSE;
        g_autofree char *program = process_find_program(m->argv[0]);
        g_auto(GStrv) env = command_environment(m, account);
        ProcessSpec spec = {.program = program ? program : m->argv[0],
                            .argv = (const char *const *)m->argv,
                            .environment = env,
                            .account = account,
                            .output_fd = write_fd,
                            .mode = PROCESS_AT_ONCE};
        return process_spawn(&spec, &m->process, error);
}

static gboolean command_begin(Command *m, GError **error)
{
        int fds[2];
        if (!g_unix_open_pipe(fds, FD_CLOEXEC, error))
                return FALSE;
        m->output_fd = fds[0];
        fcntl(fds[0], F_SETFL, O_NONBLOCK); /* our end only: the command's writes may block */
        gboolean ok = command_spawn(m, fds[1], error);
        close(fds[1]);
        if (!ok)
                return FALSE;
        m->exit_watch = fd_loop_add(m->all->loop, m->process.pidfd, on_ended, m, NULL);
        m->output_watch = fd_loop_add(m->all->loop, m->output_fd, on_output, m, NULL);
        g_assert(m->exit_watch && m->output_watch); /* out of kernel memory for two epoll entries */
        m->timer = clock_at(m->all->clock, clock_boot_us(m->all->clock) + m->timeout_us, on_timeout, m);
        return TRUE;
}

static void commands_fill(Commands *c)
{
        while (!g_queue_is_empty(&c->waiting) && g_hash_table_size(c->running) < COMMANDS_RUNNING_MAX) {
                Command *m = g_queue_pop_head(&c->waiting);
                g_autoptr(GError) error = NULL;
                if (command_begin(m, &error)) {
                        g_hash_table_insert(c->running, GINT_TO_POINTER(m->process.pid), m);
                        continue;
                }
                command_report(m, FALSE, error->message);
                command_free(m);
        }
}

Commands *commands_new(Clock *clock, FdLoop *loop, EventQueue *queue)
{
        Commands *c = g_new0(Commands, 1);
        *c = (Commands){.clock = clock, .loop = loop, .queue = queue};
        g_queue_init(&c->waiting);
        c->running = g_hash_table_new_full(NULL, NULL, NULL, command_free);
        return c;
}

void commands_free(Commands *c)
{
        if (!c)
                return;
        g_queue_clear_full(&c->waiting, command_free);
        GHashTableIter it;
        gpointer m;
        g_hash_table_iter_init(&it, c->running);
        while (g_hash_table_iter_next(&it, NULL, &m))
                command_kill(m);
        g_hash_table_unref(c->running);
        g_free(c);
}

void commands_run(Commands *c, guint64 cookie, const char *battery, guint replicant, const char *const *argv,
                  const char *user, gint64 timeout_us)
{
        g_assert(argv && argv[0]);
        Command *m = g_new0(Command, 1);
        *m = (Command){.all = c,
                       .cookie = cookie,
                       .battery = g_strdup(battery),
                       .user = g_strdup(user),
                       .replicant = replicant,
                       .argv = g_strdupv((char **)argv),
                       .timeout_us = timeout_us,
                       .process = PROCESS_NONE,
                       .output_fd = -1};
        g_queue_push_tail(&c->waiting, m);
        commands_fill(c);
}

void commands_cancel(Commands *c, guint64 cookie)
{
        event_queue_drop(c->queue, PORT_COMMAND_DONE, cookie);
        for (GList *l = c->waiting.head; l; l = l->next) {
                Command *m = l->data;
                if (m->cookie != cookie)
                        continue;
                g_queue_delete_link(&c->waiting, l);
                command_free(m);
                return;
        }
        GHashTableIter it;
        gpointer value;
        g_hash_table_iter_init(&it, c->running);
        while (g_hash_table_iter_next(&it, NULL, &value)) {
                Command *m = value;
                if (m->cookie != cookie)
                        continue;
                m->cancelled = TRUE;
                command_kill(m); /* on_ended() reaps it */
        }
}

gboolean commands_has_pid(const Commands *c, pid_t pid)
{
        return g_hash_table_contains(c->running, GINT_TO_POINTER(pid));
}
