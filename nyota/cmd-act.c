/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that act on a battery or on a running update. */
#include "nyota/commands.h"

/* METHOD of INTERFACE at PATH with no options; says WORDS when it is done. Takes PATH. */
static ExitCode act(Nyota *n, char *path, const char *interface, const char *method, ClientPatience patience,
                    const char *words)
{
        g_autofree char *owned = path;
        GError *error = NULL;
        Client *client = nyota_client(n, &error);
        if (!client)
                return nyota_fail(error);
        ClientCall call = {.path = owned,
                           .interface = interface,
                           .member = method,
                           .args = g_variant_new("(a{sv})", NULL),
                           .patience = patience};
        g_autoptr(GVariant) body = client_call(client, &call, &error);
        if (!body)
                return nyota_fail(error);
        if (!n->json)
                show_line(n->show, TONE_GOOD, "%s: %s",
                          g_str_equal(owned, NYOTA_ROOT) ? "battery files" : nyota_last_part(owned), words);
        return EXIT_DONE;
}

static ExitCode act_battery(Nyota *n, const Args *args, const char *method, const char *words)
{
        GError *error = NULL;
        char *path = nyota_battery_path(args_word(args, 0), &error);
        return path ? act(n, path, "Battery", method, CLIENT_FOREVER, words) : nyota_fail(error);
}

static ExitCode act_update(Nyota *n, const Args *args, const char *method, const char *words)
{
        GError *error = NULL;
        char *path = nyota_update_path(args_word(args, 0), &error);
        return path ? act(n, path, "Update", method, CLIENT_SOON, words) : nyota_fail(error);
}

static ExitCode run_start(Nyota *n, const Args *args)
{
        return act_battery(n, args, "Start", "started");
}

static ExitCode run_stop(Nyota *n, const Args *args)
{
        return act_battery(n, args, "Stop", "stopped, every stop confirmed");
}

static ExitCode run_restart(Nyota *n, const Args *args)
{
        return act_battery(n, args, "Restart", "restarted");
}

static ExitCode run_pause(Nyota *n, const Args *args)
{
        return act_update(n, args, "Pause", "pausing; the step that runs is finished first");
}

static ExitCode run_resume(Nyota *n, const Args *args)
{
        return act_update(n, args, "Resume", "going on");
}

static ExitCode run_cancel(Nyota *n, const Args *args)
{
        return act_update(n, args, "Cancel", "cancelling");
}

static ExitCode run_promote(Nyota *n, const Args *args)
{
        return act_update(n, args, "Promote", "promoted: the others follow");
}

/* A battery goes back to what it ran before its last update, an update that runs goes back itself. */
static ExitCode run_rollback(Nyota *n, const Args *args)
{
        if (g_ascii_isalpha(args_word(args, 0)[0]))
                return act_battery(n, args, "Rollback", "going back to the version before");
        return act_update(n, args, "Rollback", "going back");
}

static ExitCode run_reload(Nyota *n, const Args *args)
{
        ExitCode code = act(n, g_strdup(NYOTA_ROOT), "Manager", "Reload", CLIENT_FOREVER, "read again");
        return code == EXIT_USAGE ? EXIT_FAILED : code; /* a file is wrong, not what was typed */
}

const Command commands_act[] = {
        {"start", "BATTERY", "start a battery's replicants and wait until they serve", NULL, NULL, 1, 1,
         ARGS_MIXED, run_start},
        {"stop", "BATTERY", "stop a battery's replicants and wait until they are gone",
         "A stop that a person asks for goes below the floor: it is the declared exception.", NULL, 1, 1,
         ARGS_MIXED, run_stop},
        {"restart", "BATTERY", "restart a battery's replicants one after the other, keeping the floor", NULL,
         NULL, 1, 1, ARGS_MIXED, run_restart},
        {"pause", "UPDATE", "hold a running update after its present step", NULL, NULL, 1, 1, ARGS_MIXED,
         run_pause},
        {"resume", "UPDATE", "let a paused update go on", NULL, NULL, 1, 1, ARGS_MIXED, run_resume},
        {"cancel", "UPDATE", "give an update up",
         "An update that is not begun ends at once, and its transaction is refused; one that runs goes back "
         "to "
         "the old version, which is then not pinned.",
         NULL, 1, 1, ARGS_MIXED, run_cancel},
        {"promote", "UPDATE", "say that the canaries are good: the others follow", NULL, NULL, 1, 1,
         ARGS_MIXED, run_promote},
        {"rollback", "UPDATE|BATTERY", "bring a running update, or a battery's last one, back",
         "With an update's number the running update goes back. With a battery's name a new update brings "
         "the "
         "battery to the version before its last one.",
         NULL, 1, 1, ARGS_MIXED, run_rollback},
        {"reload", "", "let the service read its battery files again",
         "`nyota check` tells first whether they are right.", NULL, 0, 0, ARGS_MIXED, run_reload},
        {NULL},
};
