/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of kantan-hook. Pure. */
#pragma once

#include <glib.h>

typedef enum HookAsk { HOOK_ASK_RUN, HOOK_ASK_HELP, HOOK_ASK_VERSION } HookAsk;

typedef struct HookOptions {
        HookAsk ask;
        char *manager;        /* NULL if not given: an error of the caller's, unless it asks for help */
        char *bus;            /* "system" by default */
        char *config, *state; /* NULL: the installed instance's */
        char *log_level;      /* NULL: the default */
        char **words;         /* what is left, without the program's name; never NULL */
} HookOptions;
void hook_options_free(HookOptions *o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HookOptions, hook_options_free)

/* ARGV with the program's name, NULL-terminated; NULL and an error for an unknown option. */
HookOptions *hook_options_parse(const char *const *argv, GError **error);
/* What --help prints. */
const char *hook_options_help(void);
