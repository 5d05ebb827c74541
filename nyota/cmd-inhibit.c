/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inhibit: holds a lock on a battery's updates while a command runs. The lock is a descriptor that this
 * process keeps: however it ends, the lock ends with it. The command does not inherit it. */
#include "nyota/commands.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <unistd.h>

static int take_lock(Nyota *n, const Args *args, const char *why, GError **error)
{
        const char *mode = args_get(args, "mode"), *who = args_get(args, "who");
        int fd = -1;
        Client *client = nyota_client(n, error);
        if (!client)
                return -1;
        ClientCall call = {.path = NYOTA_ROOT,
                           .interface = "Manager",
                           .member = "Inhibit",
                           .args = g_variant_new("(ssssa{sv})", args_get(args, "battery"),
                                                 who ? who : g_get_user_name(), why, mode ? mode : "delay",
                                                 NULL),
                           .ret_fd = &fd};
        g_autoptr(GVariant) body = client_call(client, &call, error);
        if (body && fd < 0)
                g_set_error(error, CLIENT_ERROR, EXIT_FAILED, "the service sent no lock");
        return fd;
}

typedef struct Run {
        GSubprocess *process;
        gboolean ended;
} Run;

static void on_ended(GObject *source, GAsyncResult *result, gpointer user)
{
        Run *run = user;
        g_subprocess_wait_finish(run->process, result, NULL);
        run->ended = TRUE;
}

static gboolean on_interrupt(gpointer user)
{
        return G_SOURCE_CONTINUE; /* the terminal tells the command as well: it decides */
}

static gboolean on_terminate(gpointer user)
{
        Run *run = user;
        g_subprocess_send_signal(run->process, SIGTERM);
        return G_SOURCE_CONTINUE;
}

/* As shells do: the command's own status, 128 + N when signal N ended it. */
static int run_command(const char *const *argv, GError **error)
{
        g_autoptr(GSubprocess) process = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDIN_INHERIT, error);
        if (!process)
                return 127;
        Run run = {process, FALSE};
        guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, &run);
        guint terminate = g_unix_signal_add(SIGTERM, on_terminate, &run);
        g_subprocess_wait_async(process, NULL, on_ended, &run);
        while (!run.ended)
                g_main_context_iteration(NULL, TRUE);
        g_source_remove(interrupt);
        g_source_remove(terminate);
        return g_subprocess_get_if_exited(process) ? g_subprocess_get_exit_status(process)
                                                   : 128 + g_subprocess_get_term_sig(process);
}

static ExitCode run_inhibit(Nyota *n, const Args *args)
{
        GError *error = NULL;
        const char *mode = args_get(args, "mode"), *why = args_get(args, "why");
        if (!args_get(args, "battery"))
                return nyota_usage("say which battery: --battery=NAME, or --battery='*' for all");
        if (mode && !g_str_equal(mode, "delay") && !g_str_equal(mode, "block"))
                return nyota_usage(
                        "--mode is 'delay' (updates wait a while) or 'block' (updates are vetoed), "
                        "not '%s'",
                        mode);
        if (!why)
                return nyota_usage("say why: --why='…' is what others will read while they wait");
        g_ptr_array_add(args->words, NULL);
        int fd = take_lock(n, args, why, &error);
        if (fd < 0)
                return nyota_fail(error);
        int status = run_command((const char *const *)args->words->pdata, &error);
        close(fd);
        if (error) {
                nyota_fail(error);
                return (ExitCode)127;
        }
        return (ExitCode)status;
}

static const OptionSpec options_inhibit[] = {
        {"battery", 0, "BATTERY|*", "whose updates to hold; * for all"},
        {"mode", 0, "delay|block",
         "delay (default): updates wait, up to InhibitDelayMaxSec; block: they are vetoed"},
        {"why", 0, "TEXT", "the reason, shown to those who wait"},
        {"who", 0, "TEXT", "who holds the lock; default: your user name"},
        {NULL},
};

const Command commands_inhibit[] = {
        {"inhibit", "--battery=BATTERY|* [--mode=delay|block] --why=TEXT -- COMMAND…",
         "hold a battery's updates while a command runs",
         "Exits with the command's status (128 + N when signal N ended it, 127 when it could not be run).",
         options_inhibit, 1, -1, ARGS_OPTIONS_FIRST, run_inhibit},
        {NULL},
};
