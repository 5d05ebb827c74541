/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a command line by tables. */
#include "nyota/args.h"

#include <string.h>

G_DEFINE_QUARK(nyota - args, args_error)

/* Longest word that is compared when looking for the nearest: bounds the square of work. */
#define NEAREST_LENGTH_MAX 64

Args *args_new(void)
{
        Args *a = g_new0(Args, 1);
        a->options = g_hash_table_new(g_str_hash, g_str_equal);
        a->words = g_ptr_array_new();
        return a;
}

void args_free(Args *a)
{
        if (!a)
                return;
        g_hash_table_unref(a->options);
        g_ptr_array_unref(a->words);
        g_free(a);
}

const char *args_get(const Args *a, const char *name)
{
        return g_hash_table_lookup(a->options, name);
}

gboolean args_has(const Args *a, const char *name)
{
        return g_hash_table_contains(a->options, name);
}

const char *args_word(const Args *a, guint i)
{
        return i < a->words->len ? a->words->pdata[i] : NULL;
}

/* Levenshtein's distance by two rows. */
static guint distance(const char *a, const char *b)
{
        gsize la = strlen(a), lb = strlen(b);
        guint row[NEAREST_LENGTH_MAX + 1];
        if (la > NEAREST_LENGTH_MAX || lb > NEAREST_LENGTH_MAX)
                return G_MAXUINT;
        for (gsize j = 0; j <= lb; j++)
                row[j] = (guint)j;
        for (gsize i = 1; i <= la; i++) {
                guint diagonal = row[0];
                row[0] = (guint)i;
                for (gsize j = 1; j <= lb; j++) {
                        guint change = diagonal + (a[i - 1] != b[j - 1]);
                        diagonal = row[j];
                        row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
                }
        }
        return row[lb];
}

const char *args_nearest(const char *typed, const char *const *words)
{
        const char *best = NULL;
        /* two letters may be changed, of long words a third, of short ones one: beyond that a guess is noise
         */
        gsize length = strlen(typed);
        guint least = length <= 3 ? 2 : (guint)MAX(length / 3, 2) + 1;
        for (; *words; words++) {
                guint d = distance(typed, *words);
                if (d < least) {
                        least = d;
                        best = *words;
                }
        }
        return best;
}

static const OptionSpec *find_long(const OptionSpec *const *tables, const char *name, gsize length)
{
        for (; *tables; tables++)
                for (const OptionSpec *o = *tables; o->name; o++)
                        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
                                return o;
        return NULL;
}

static const OptionSpec *find_letter(const OptionSpec *const *tables, char letter)
{
        for (; *tables; tables++)
                for (const OptionSpec *o = *tables; o->name; o++)
                        if (o->letter && o->letter == letter)
                                return o;
        return NULL;
}

static void set_unknown(const OptionSpec *const *tables, const char *typed, gsize length, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *name = g_strndup(typed, length);
        for (; *tables; tables++)
                for (const OptionSpec *o = *tables; o->name; o++)
                        g_ptr_array_add(names, (gpointer)o->name);
        g_ptr_array_add(names, NULL);
        const char *near = args_nearest(name, (const char *const *)names->pdata);
        if (near)
                g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE,
                            "there is no option --%s here; did you mean --%s?", name, near);
        else
                g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE, "there is no option --%s here", name);
}

/* Stores option O; INLINE_VALUE is what stood after "=", else the value is the next word, which *ARGV
 * then points to. */
static gboolean store(Args *a, const OptionSpec *o, const char *inline_value, char ***argv, GError **error)
{
        if (!o->value && inline_value) {
                g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE, "--%s takes no value", o->name);
                return FALSE;
        }
        const char *value = o->value ? inline_value : "";
        if (!value)
                value = *++*argv;
        if (!value) {
                --*argv;
                g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE, "--%s needs a value: --%s=%s", o->name,
                            o->name, o->value);
                return FALSE;
        }
        g_hash_table_replace(a->options, (gpointer)o->name, (gpointer)value);
        return TRUE;
}

static gboolean parse_long(Args *a, char ***argv, const OptionSpec *const *tables, GError **error)
{
        const char *name = **argv + 2;
        gsize length = strcspn(name, "=");
        const OptionSpec *o = find_long(tables, name, length);
        if (!o) {
                set_unknown(tables, name, length, error);
                return FALSE;
        }
        return store(a, o, name[length] ? name + length + 1 : NULL, argv, error);
}

static gboolean parse_short(Args *a, char ***argv, const OptionSpec *const *tables, GError **error)
{
        const char *word = **argv;
        const OptionSpec *o = find_letter(tables, word[1]);
        if (!o || (!o->value && word[2])) {
                g_set_error(error, ARGS_ERROR, ARGS_ERROR_USAGE, "there is no option %s here", word);
                return FALSE;
        }
        return store(a, o, word[2] ? word + 2 : NULL, argv, error);
}

gboolean args_parse(Args *a, char **argv, const OptionSpec *const *tables, ArgsOrder order, GError **error)
{
        gboolean options = TRUE;
        for (; *argv; argv++) {
                const char *word = *argv;
                if (options && g_str_equal(word, "--")) {
                        options = FALSE;
                        continue;
                }
                if (!options || word[0] != '-' || !word[1]) {
                        g_ptr_array_add(a->words, *argv);
                        options = options && order == ARGS_MIXED;
                        continue;
                }
                if (!(word[1] == '-' ? parse_long : parse_short)(a, &argv, tables, error))
                        return FALSE;
        }
        return TRUE;
}
