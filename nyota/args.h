/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a command line: --name=value, --name value, -x value, switches, "--". GOption would need
 * mutable globals for its results; this is a table in and a small dictionary out. */
#pragma once

#include <glib.h>

typedef struct OptionSpec {
        const char *name; /* without dashes; NULL ends a table */
        char letter;      /* 0 if none */
        const char *value; /* what stands for the value in --help; NULL: a switch */
        const char *help;
} OptionSpec;

typedef enum ArgsOrder {
        ARGS_MIXED,        /* options may follow words */
        ARGS_OPTIONS_FIRST, /* from the first word on everything is words */
} ArgsOrder;

typedef struct Args {
        GHashTable *options; /* name -> value ("" for a switch) */
        GPtrArray *words;    /* of char*, owned by argv */
} Args;

Args *args_new(void);
void args_free(Args *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Args, args_free)

#define ARGS_ERROR (args_error_quark())
GQuark args_error_quark(void);
typedef enum { ARGS_ERROR_USAGE } ArgsError;

/* Reads ARGV (NULL-terminated) by the TABLES (NULL-terminated array of tables; a table may not be NULL).
 * Returns FALSE with an error fit for a person, which names the nearest option. */
gboolean args_parse(Args *a, char **argv, const OptionSpec *const *tables, ArgsOrder order, GError **error);
const char *args_get(const Args *a, const char *name); /* NULL if not given */
gboolean args_has(const Args *a, const char *name);
const char *args_word(const Args *a, guint i); /* NULL beyond the last */

/* The one of the words (NULL-terminated) that is nearest to what was typed, NULL if none is near. */
const char *args_nearest(const char *typed, const char *const *words);
