/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nyota, the person's tool: global options, the table of commands, help. */
#include "base/log.h"
#include "nyota/commands.h"
#include "orchestrator/model/battery-config.h"
#include "store/package.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const OptionSpec options_global[] = {
        {"bus", 0, "system|session|ADDRESS", "where the service is (default: system)"},
        {"json", 0, NULL, "print JSON: objects, arrays, for streams one object a line"},
        {"config", 0, "DIR", "battery files for `check` (default: /etc/kantan)"},
        {"state", 0, "DIR", "the instance's state (default: /var/lib/kantan)"},
        {"no-color", 0, NULL, "no colours, as with NO_COLOR in the environment"},
        {"log-level", 0, "LEVEL", "error, warning, notice, info or debug"},
        {"help", 'h', NULL, "this text, or that of a command"},
        {"version", 0, NULL, "print the version"},
        {NULL},
};

static const Command *const tables[] = {
        commands_see,   commands_why,     commands_act,     commands_update, commands_watch,
        commands_check, commands_inhibit, commands_package, commands_gc,     NULL,
};

Client *nyota_client(Nyota *n, GError **error)
{
        g_autoptr(GError) local = NULL;
        if (!n->client)
                n->client = client_open(n->bus, &local);
        if (!n->client)
                g_set_error(error, CLIENT_ERROR, EXIT_UNREACHABLE,
                            "cannot reach the bus '%s': %s\n  name another one: --bus=system|session|ADDRESS",
                            n->bus, local->message);
        return n->client;
}

ExitCode nyota_fail(GError *error)
{
        ExitCode code = error->domain == CLIENT_ERROR ? (ExitCode)error->code
                        : error->domain == ARGS_ERROR ? EXIT_USAGE
                                                      : EXIT_FAILED;
        g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
        for (guint i = 0; lines[i]; i++) {
                g_autofree char *clean = show_clean(lines[i]);
                g_printerr("%s%s\n", i == 0 ? "nyota: " : "", clean);
        }
        g_error_free(error);
        return code;
}

ExitCode nyota_usage(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        GError *error = g_error_new_valist(ARGS_ERROR, ARGS_ERROR_USAGE, format, ap);
        va_end(ap);
        return nyota_fail(error);
}

const char *nyota_last_part(const char *path)
{
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}

char *nyota_battery_path(const char *name, GError **error)
{
        if (battery_name_valid(name))
                return g_strconcat(NYOTA_CHANNEL "/", name, NULL);
        g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE,
                    "'%s' is no battery name: a small letter, then small letters, digits, '_'", name);
        return NULL;
}

char *nyota_update_path(const char *update, GError **error)
{
        const char *number =
                g_str_has_prefix(update, NYOTA_ROOT "/update/") ? nyota_last_part(update) : update;
        guint64 id;
        if (g_ascii_string_to_unsigned(number, 10, 1, G_MAXUINT64, &id, NULL))
                return g_strdup_printf(NYOTA_ROOT "/update/%" G_GUINT64_FORMAT, id);
        g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE,
                    "'%s' is no update's number; `nyota history BATTERY` shows them", update);
        return NULL;
}

static const Command *find_command(const char *name)
{
        for (gsize t = 0; tables[t]; t++)
                for (const Command *c = tables[t]; c->name; c++)
                        if (g_str_equal(c->name, name))
                                return c;
        return NULL;
}

static void print_options(const OptionSpec *options)
{
        for (const OptionSpec *o = options; o && o->name; o++) {
                g_autofree char *left = g_strdup_printf(
                        "%s%c%s--%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ',
                        o->letter ? ", " : "   ", o->name, o->value ? "=" : "", o->value ? o->value : "");
                printf("  %-32s %s\n", left, o->help);
        }
}

static void print_help(void)
{
        printf("Usage: nyota [OPTION…] COMMAND [ARGUMENT…]\n\n"
               "Looks after batteries: sets of running copies of one service, updated "
               "together.\n\nCommands:\n");
        for (gsize t = 0; tables[t]; t++)
                for (const Command *c = tables[t]; c->name; c++)
                        printf("  %-16s %s\n", c->name, c->summary);
        printf("\nOptions:\n");
        print_options(options_global);
        printf("\nExit status: 0 done, 1 failed or rolled back, 2 wrong usage, 3 refused (floor, held, veto, "
               "busy),\n"
               "4 not authorised, 5 service not reachable. `nyota COMMAND --help` tells more of a "
               "command.\n");
}

static void print_command_help(const Command *c)
{
        printf("Usage: nyota %s%s%s\n\n%c%s.\n", c->name, *c->arguments ? " " : "", c->arguments,
               g_ascii_toupper(c->summary[0]), c->summary + 1);
        if (c->help)
                printf("%s\n", c->help);
        if (c->options) {
                printf("\nOptions:\n");
                print_options(c->options);
        }
        printf("\nGlobal options:\n");
        print_options(options_global);
}

/* A first word of commands of two words, alone. */
static ExitCode half_command(const char *first, char *const *rest)
{
        g_autofree char *prefix = g_strconcat(first, " ", NULL);
        gboolean help = FALSE;
        for (; *rest; rest++)
                help |= g_str_equal(*rest, "--help") || g_str_equal(*rest, "-h");
        if (!help)
                return nyota_usage("usage: nyota package make|show|verify …");
        printf("Usage: nyota %s COMMAND [ARGUMENT…]\n\nCommands:\n", first);
        for (gsize t = 0; tables[t]; t++)
                for (const Command *c = tables[t]; c->name; c++)
                        if (g_str_has_prefix(c->name, prefix))
                                printf("  %-8s %s\n", c->name + strlen(prefix), c->summary);
        printf("\n`nyota %s COMMAND --help` tells more of a command.\n", first);
        return EXIT_DONE;
}

static ExitCode unknown_command(const char *typed)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (gsize t = 0; tables[t]; t++)
                for (const Command *c = tables[t]; c->name; c++)
                        g_ptr_array_add(names, (gpointer)c->name);
        g_ptr_array_add(names, NULL);
        const char *near = args_nearest(typed, (const char *const *)names->pdata);
        if (near)
                return nyota_usage("there is no command '%s'; did you mean '%s'?", typed, near);
        return nyota_usage("there is no command '%s'; `nyota --help` lists them", typed);
}

/* The command that WORDS begin with; *RET_REST is what follows it. */
static const Command *choose_command(char **words, char ***ret_rest)
{
        g_autofree char *two = words[1] ? g_strdup_printf("%s %s", words[0], words[1]) : NULL;
        const Command *c = two ? find_command(two) : NULL;
        *ret_rest = words + (c ? 2 : 1);
        return c ? c : find_command(words[0]);
}

static ExitCode apply_global(Nyota *n, const Args *global, const Args *own)
{
        const char *level =
                args_get(own, "log-level") ? args_get(own, "log-level") : args_get(global, "log-level");
        const char *bus = args_get(own, "bus") ? args_get(own, "bus") : args_get(global, "bus");
        const char *config = args_get(own, "config") ? args_get(own, "config") : args_get(global, "config");
        const char *state = args_get(own, "state") ? args_get(own, "state") : args_get(global, "state");
        gboolean plain = args_has(own, "no-color") || args_has(global, "no-color");
        n->bus = g_strdup(bus ? bus : "system");
        n->config = g_strdup(config);
        n->state = g_strdup(state);
        n->json = args_has(own, "json") || args_has(global, "json");
        n->show = show_new(plain ? SHOW_COLOR_NEVER : SHOW_COLOR_AUTO);
        if (!log_init(level ? level : "notice"))
                return nyota_usage("--log-level is error, warning, notice, info or debug, not '%s'", level);
        return EXIT_DONE;
}

static void nyota_clear(Nyota *n)
{
        client_free(n->client);
        show_free(n->show);
        g_free(n->bus);
        g_free(n->config);
        g_free(n->state);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Nyota, nyota_clear)

static ExitCode run_command(const Command *c, char **rest, const Args *global)
{
        static const OptionSpec none[] = {{NULL}};
        const OptionSpec *const specs[] = {c->options ? c->options : none, options_global, NULL};
        GError *error = NULL;
        g_auto(Nyota) n = {0};
        g_autoptr(Args) args = args_new();
        if (!args_parse(args, rest, specs, c->order, &error))
                return nyota_fail(error);
        if (args_has(args, "help") || args_has(global, "help")) {
                print_command_help(c);
                return EXIT_DONE;
        }
        ExitCode code = apply_global(&n, global, args);
        if (code != EXIT_DONE)
                return code;
        if ((int)args->words->len < c->least || (c->most >= 0 && (int)args->words->len > c->most))
                return nyota_usage("usage: nyota %s %s", c->name, c->arguments);
        return c->run(&n, args);
}

static ExitCode dispatch(char **words, const Args *global)
{
        char **rest;
        const Command *c = choose_command(words, &rest);
        if (c)
                return run_command(c, rest, global);
        if (g_str_equal(words[0], "package"))
                return half_command(words[0], words + 1);
        return unknown_command(words[0]);
}

int main(int argc, char **argv)
{
        static const OptionSpec *const specs[] = {options_global, NULL};
        GError *error = NULL;
        if (package_is_worker(argc, argv))
                return package_worker_main();
        setlocale(LC_ALL, "");
        g_autoptr(Args) global = args_new();
        if (!args_parse(global, argv + (argc > 0), specs, ARGS_OPTIONS_FIRST, &error))
                return nyota_fail(error);
        if (args_has(global, "version")) {
                printf("nyota %s\n", KANTAN_VERSION);
                return EXIT_DONE;
        }
        if (global->words->len == 0) {
                print_help();
                return args_has(global, "help") ? EXIT_DONE : EXIT_USAGE;
        }
        g_ptr_array_add(global->words, NULL);
        if (g_str_equal(global->words->pdata[0], "help")) {
                print_help();
                return EXIT_DONE;
        }
        return dispatch((char **)global->words->pdata, global);
}
