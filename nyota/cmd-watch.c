/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watch: the events of a channel as they happen, without gaps even when the service restarts. */
#include "nyota/commands.h"
#include "nyota/event.h"
#include "nyota/json.h"
#include "nyota/stream.h"

#include <glib-unix.h>

typedef struct Watch {
        Nyota *nyota;
        gboolean ended, gone;
} Watch;

static void on_event(const Event *event, gpointer user)
{
        Watch *w = user;
        if (w->nyota->json)
                json_print_line(event_to_json(event));
        else
                event_print(event, w->nyota->show);
}

static void on_lost(gboolean for_good, gpointer user)
{
        Watch *w = user;
        w->gone = for_good;
        g_printerr("nyota: the service is away%s\n", for_good ? ", and so is the bus" : "; waiting for it");
}

static gboolean on_signal(gpointer user)
{
        Watch *w = user;
        w->ended = TRUE;
        return G_SOURCE_CONTINUE;
}

static ExitCode watch_channel(Nyota *n, Client *client, const char *path, guint64 after)
{
        static const StreamFuncs funcs = {on_event, NULL, on_lost};
        Watch w = {.nyota = n};
        g_autoptr(Stream) stream G_GNUC_UNUSED = stream_new(client, path, after, &funcs, &w);
        guint interrupt = g_unix_signal_add(SIGINT, on_signal, &w);
        guint terminate = g_unix_signal_add(SIGTERM, on_signal, &w);
        while (!w.ended && !w.gone)
                g_main_context_iteration(NULL, TRUE);
        g_source_remove(interrupt);
        g_source_remove(terminate);
        return w.gone ? EXIT_UNREACHABLE : EXIT_DONE;
}

static ExitCode run_watch(Nyota *n, const Args *args)
{
        GError *error = NULL;
        guint64 after = 0;
        const char *since = args_get(args, "since");
        g_autofree char *path =
                args_word(args, 0) ? nyota_battery_path(args_word(args, 0), &error) : g_strdup(NYOTA_CHANNEL);
        if (!path)
                return nyota_fail(error);
        if (since && !g_ascii_string_to_unsigned(since, 10, 0, G_MAXUINT64, &after, NULL))
                return nyota_usage("--since wants the number of an event, not '%s'", since);
        Client *client = nyota_client(n, &error);
        guint64 newest;
        /* asked in any case: it tells at once whether there is such a channel */
        if (!client || !stream_newest(client, path, &newest, &error))
                return nyota_fail(error);
        return watch_channel(n, client, path, since ? after : newest);
}

static const OptionSpec options_watch[] = {
        {"since", 0, "SEQUENCE", "begin with the stored events after that number; 0: all that are stored"},
        {NULL},
};

const Command commands_watch[] = {
        {"watch", "[--since=SEQUENCE] [BATTERY]", "show events as they happen",
         "Goes on when the service restarts: events told meanwhile are shown then. End it with Ctrl-C.",
         options_watch, 0, 1, ARGS_MIXED, run_watch},
        {NULL},
};
