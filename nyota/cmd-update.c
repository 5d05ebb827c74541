/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan and update: what would happen, and letting it happen while showing it. */
#include "nyota/commands.h"
#include "nyota/dict.h"
#include "nyota/draw.h"
#include "nyota/json.h"
#include "nyota/plan-view.h"
#include "nyota/stream.h"
#include "store/package.h"

#include <glib-unix.h>
#include <stdio.h>
#include <unistd.h>

/* One bus message carries at most 16 descriptors by the system bus's own limit. */
#define FILES_MOST 16

static JsonNode *ask_plan(Client *client, const Args *args, GError **error)
{
        g_ptr_array_add(args->words, NULL);
        JsonNode *plan = plan_ask(client, (const char *const *)args->words->pdata, args_get(args, "strategy"),
                                  args_has(args, "override"), error);
        g_ptr_array_set_size(args->words, (int)args->words->len - 1);
        return plan;
}

static ExitCode run_plan(Nyota *n, const Args *args)
{
        GError *error = NULL;
        Client *client = nyota_client(n, &error);
        g_autoptr(JsonNode) plan = client ? ask_plan(client, args, &error) : NULL;
        if (!plan)
                return nyota_fail(error);
        gboolean granted = plan_is_granted(plan);
        if (n->json)
                json_print(g_steal_pointer(&plan));
        else
                plan_show(n->show, plan);
        return granted ? EXIT_DONE : EXIT_REFUSED;
}

/* Shows the plan and lets the person decide. */
static gboolean person_agrees(Nyota *n, Client *client, const Args *args, ExitCode *ret_code)
{
        GError *error = NULL;
        char answer[16];
        g_autoptr(JsonNode) plan = ask_plan(client, args, &error);
        if (!plan) {
                *ret_code = nyota_fail(error);
                return FALSE;
        }
        if (!plan_show(n->show, plan)) {
                *ret_code = EXIT_REFUSED;
                return FALSE;
        }
        printf("Go on? [y/N] ");
        fflush(stdout);
        if (!fgets(answer, sizeof answer, stdin))
                answer[0] = '\0';
        *ret_code = EXIT_DONE;
        if (answer[0] == 'y' || answer[0] == 'Y')
                return TRUE;
        show_line(n->show, TONE_PLAIN, "Nothing was done.");
        *ret_code = EXIT_REFUSED;
        return FALSE;
}

typedef struct Files {
        GArray *fds;
        GVariantBuilder names; /* a(sh) */
} Files;

static void files_clear(Files *f)
{
        for (guint i = 0; i < f->fds->len; i++)
                close(g_array_index(f->fds, int, i));
        g_array_unref(f->fds);
        g_variant_builder_clear(&f->names);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Files, files_clear)

/* Opened by the person's own rights: the service need not be able to read where the files lie. */
static gboolean files_open(Files *f, const Args *args, GError **error)
{
        for (guint i = 0; args_word(args, i); i++) {
                int fd = package_open(args_word(args, i), error);
                if (fd < 0)
                        return FALSE;
                g_autofree char *name = g_path_get_basename(args_word(args, i));
                g_variant_builder_add(&f->names, "(sh)", name, (gint)f->fds->len);
                g_array_append_val(f->fds, fd);
        }
        return TRUE;
}

/* The paths of the accepted updates; NULL and error. */
static GStrv begin(Client *client, const Args *args, Files *files, GError **error)
{
        g_auto(GVariantBuilder) options = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sv}"));
        const char *strategy = args_get(args, "strategy");
        GStrv paths;
        if (strategy)
                g_variant_builder_add(&options, "{sv}", "strategy", g_variant_new_string(strategy));
        if (args_has(args, "override"))
                g_variant_builder_add(&options, "{sv}", "override", g_variant_new_boolean(TRUE));
        ClientCall call = {.path = NYOTA_ROOT,
                           .interface = "Manager",
                           .member = "UpdateFds",
                           .args = g_variant_new("(a(sh)a{sv})", &files->names, &options),
                           .fds = (const int *)files->fds->data,
                           .n_fds = files->fds->len,
                           .patience = CLIENT_FOREVER};
        g_autoptr(GVariant) body = client_call(client, &call, error);
        if (!body)
                return NULL;
        if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(ao)"))) {
                g_set_error(error, CLIENT_ERROR, EXIT_FAILED, "the service's answer has another type");
                return NULL;
        }
        g_variant_get(body, "(^ao)", &paths);
        return paths;
}

static ExitCode tell_accepted(Nyota *n, char *const *paths)
{
        JsonArray *array = json_array_new();
        for (; *paths; paths++) {
                JsonObject *o = json_object_new();
                json_object_set_string_member(o, "path", *paths);
                json_array_add_object_element(array, o);
                if (!n->json)
                        show_line(n->show, TONE_PLAIN,
                                  "update %s was accepted; `nyota log %s` tells how it goes",
                                  nyota_last_part(*paths), nyota_last_part(*paths));
        }
        JsonNode *node = json_node_of_array(array);
        if (n->json)
                json_print(node);
        else
                json_node_unref(node);
        return EXIT_DONE;
}

typedef struct Display {
        Nyota *nyota;
        Draw *draw; /* NULL: plain */
} Display;

static void on_event(const Event *event, gpointer user)
{
        Display *d = user;
        if (d->draw)
                draw_note(d->draw, event);
        else if (d->nyota->json)
                json_print_line(event_to_json(event));
        else
                event_print(event, d->nyota->show);
}

static void on_changed(gpointer user)
{
        Display *d = user;
        if (d->draw)
                draw_soon(d->draw);
}

static void tell_verdict(Nyota *n, const FollowUpdate *u)
{
        g_autofree char *took = show_seconds(u->seconds);
        g_autofree char *measured =
                u->measured ? g_strdup_printf(" in %s, at least %u active", took, u->least_active)
                            : g_strdup("");
        show_line(n->show, tone_of_state(u->state), "%s: %s, %s -> %s (%s)%s%s%s", u->battery, u->state,
                  show_version(u->from), show_version(u->to), u->strategy, measured, *u->reason ? ": " : "",
                  u->reason);
        if (g_str_equal(u->state, "held"))
                show_line(n->show, TONE_PLAIN, "  it begins by itself when it may; `nyota why %s`",
                          u->battery);
}

static ExitCode code_of_state(const char *state)
{
        static const struct {
                const char *state;
                ExitCode code;
        } codes[] = {{"done", EXIT_DONE}, {"vetoed", EXIT_REFUSED}, {"held", EXIT_REFUSED}};
        for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
                if (g_str_equal(codes[i].state, state))
                        return codes[i].code;
        return EXIT_FAILED;
}

/* The worst of them: a failure says more than a refusal. */
static ExitCode verdicts(Nyota *n, const Follow *follow)
{
        ExitCode worst = EXIT_DONE;
        const GPtrArray *updates = follow_updates(follow);
        for (guint i = 0; i < updates->len; i++) {
                const FollowUpdate *u = updates->pdata[i];
                ExitCode code = code_of_state(u->state);
                if (code == EXIT_FAILED || worst == EXIT_DONE)
                        worst = code;
                if (!n->json)
                        tell_verdict(n, u);
        }
        return worst;
}

static gboolean on_interrupt(gpointer user)
{
        follow_stop(user);
        return G_SOURCE_CONTINUE;
}

static ExitCode follow_updates_shown(Nyota *n, Client *client, char *const *paths, guint64 after)
{
        static const FollowFuncs funcs = {on_event, on_changed};
        GError *error = NULL;
        g_autoptr(Draw) draw = show_is_terminal(n->show) && !n->json ? draw_new(n->show) : NULL;
        Display display = {n, draw};
        g_autoptr(Follow) follow =
                follow_new(client, (const char *const *)paths, after, &funcs, &display, &error);
        if (!follow)
                return nyota_fail(error);
        if (draw)
                draw_start(draw, follow);
        guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, follow);
        gboolean seen = follow_run(follow, &error);
        g_source_remove(interrupt);
        if (draw)
                draw_finish(draw);
        return seen ? verdicts(n, follow) : nyota_fail(error);
}

static ExitCode check_usage(Nyota *n, const Args *args)
{
        if (args->words->len > FILES_MOST)
                return nyota_usage("at most %d package files at once", FILES_MOST);
        if (args_has(args, "yes"))
                return EXIT_DONE;
        if (n->json)
                return nyota_usage(
                        "--json asks nobody: add --yes, or see the plan first with `nyota --json plan`");
        if (!isatty(STDIN_FILENO))
                return nyota_usage(
                        "standard input is no terminal, so nobody can be asked: add --yes, or see the "
                        "plan first with `nyota plan`");
        return EXIT_DONE;
}

static ExitCode run_update(Nyota *n, const Args *args)
{
        GError *error = NULL;
        guint64 newest;
        ExitCode code = check_usage(n, args);
        if (code != EXIT_DONE)
                return code;
        g_auto(Files) files = {.fds = g_array_new(FALSE, FALSE, sizeof(int))};
        g_variant_builder_init(&files.names, G_VARIANT_TYPE("a(sh)"));
        if (!files_open(&files, args, &error))
                return nyota_fail(error);
        Client *client = nyota_client(n, &error);
        if (!client)
                return nyota_fail(error);
        if (!args_has(args, "yes") && !person_agrees(n, client, args, &code))
                return code;
        /* read before the call: what happens from then on is asked for by number */
        if (!stream_newest(client, NYOTA_CHANNEL, &newest, &error))
                return nyota_fail(error);
        g_auto(GStrv) paths = begin(client, args, &files, &error);
        if (!paths)
                return nyota_fail(error);
        if (args_has(args, "no-wait"))
                return tell_accepted(n, paths);
        if (!*paths && !n->json)
                show_line(n->show, TONE_PLAIN, "Installed; no battery uses these packages.");
        return *paths ? follow_updates_shown(n, client, paths, newest) : EXIT_DONE;
}

#define STRATEGY_OPTION                                                                                      \
        {"strategy", 0, "auto|rolling|full-stop", "instead of the battery file's Strategy="},                \
        {                                                                                                    \
                "override", 0, NULL, "even where policy or the floor says no (needs the right to)"           \
        }

static const OptionSpec options_plan[] = {STRATEGY_OPTION, {NULL}};

static const OptionSpec options_update[] = {
        STRATEGY_OPTION,
        {"yes", 'y', NULL, "do not ask"},
        {"no-wait", 0, NULL, "return when the update is accepted"},
        {NULL},
};

const Command commands_update[] = {
        {"plan", "[--strategy=STRATEGY] FILE…",
         "show what an update by these packages would do, and change nothing",
         "Exits with 3 if the update would be refused.", options_plan, 1, FILES_MOST, ARGS_MIXED, run_plan},
        {"update", "[--strategy=STRATEGY] [--yes] FILE…",
         "install these packages and bring their batteries to them",
         "Shows the plan and asks, then shows what happens until the verdict: done (0), failed or rolled "
         "back (1), "
         "refused, held or vetoed (3). Ctrl-C ends the display, not the update.",
         options_update, 1, -1, ARGS_MIXED, run_update},
        {NULL},
};
