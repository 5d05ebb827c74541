/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option parsing by GOption, with a help text of our own (GOption's cannot tell exit codes). */
#include "kantan-hooks/hook-options.h"

void hook_options_free(HookOptions *o)
{
        if (!o)
                return;
        g_free(o->manager);
        g_free(o->bus);
        g_free(o->config);
        g_free(o->state);
        g_free(o->log_level);
        g_strfreev(o->words);
        g_free(o);
}

HookOptions *hook_options_parse(const char *const *argv, GError **error)
{
        g_autoptr(HookOptions) o = g_new0(HookOptions, 1);
        gboolean help = FALSE, version = FALSE;
        const GOptionEntry entries[] = {
                {"manager", 0, 0, G_OPTION_ARG_STRING, &o->manager},
                {"bus", 0, 0, G_OPTION_ARG_STRING, &o->bus},
                {"config", 0, 0, G_OPTION_ARG_FILENAME, &o->config},
                {"state", 0, 0, G_OPTION_ARG_FILENAME, &o->state},
                {"log-level", 0, 0, G_OPTION_ARG_STRING, &o->log_level},
                {"help", 'h', 0, G_OPTION_ARG_NONE, &help},
                {"version", 0, 0, G_OPTION_ARG_NONE, &version},
                {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->words},
                {NULL},
        };
        g_autoptr(GOptionContext) context = g_option_context_new(NULL);
        g_auto(GStrv) copy = g_strdupv((char **)argv); /* GOption takes away what it has understood */
        g_option_context_set_help_enabled(context, FALSE);
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse_strv(context, &copy, error))
                return NULL;
        o->ask = help ? HOOK_ASK_HELP : version ? HOOK_ASK_VERSION : HOOK_ASK_RUN;
        if (!o->bus)
                o->bus = g_strdup("system");
        if (!o->words)
                o->words = g_new0(char *, 1);
        return g_steal_pointer(&o);
}

const char *hook_options_help(void)
{
        return "Usage: kantan-hook --manager=kantan [OPTION…] pre|post|abort\n"
               "\n"
               "Called by a package manager around its work, so that service programs that run as several\n"
               "copies are updated in an order that keeps enough of them serving. The process that calls it\n"
               "is taken for the package manager; when that dies, the service brings everything back.\n"
               "\n"
               "Verbs:\n"
               "  pre     Before anything is changed. Standard input has one change a line, tab-separated:\n"
               "            OPERATION NAME OLD-VERSION NEW-VERSION ARCHIVE\n"
               "          \"-\" stands for none; OPERATION is install, upgrade, downgrade, reinstall or "
               "remove;\n"
               "          ARCHIVE is an absolute path. Waits for the verdict, never for a lock.\n"
               "  post    After everything was changed. Reports and leaves.\n"
               "  abort   The package manager gave up. Reports and leaves.\n"
               "\n"
               "Options:\n"
               "  --manager=NAME      whose words these are: kantan\n"
               "  --bus=BUS           system (the default), session, or a D-Bus address\n"
               "  --config=DIR        where orchestrator.conf is (/etc/kantan)\n"
               "  --state=DIR         the instance's state; taken by every program, not needed here\n"
               "  --log-level=LEVEL   error, warning, notice (the default), info, debug\n"
               "  -h, --help          this text\n"
               "  --version           the version\n"
               "\n"
               "Exit status of pre:\n"
               "  0   go ahead: granted; or in a chroot or a system that is not booted; or the service is "
               "not\n"
               "      reachable and orchestrator.conf has [Hooks] WhenUnreachable=open\n"
               "  1   refused, change nothing: standard error says why and how to go on. Also when there "
               "was\n"
               "      no verdict within [Hooks] HookTimeoutSec, when the service is not reachable and\n"
               "      WhenUnreachable=closed (the default), and when these words make no sense\n"
               "post and abort exit 0 unless they are used wrongly.\n";
}
