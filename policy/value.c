/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading times, amounts, lists, commands and names. */
#include "policy/value.h"

#include <gio/gio.h>
#include <string.h>

#define PATH_LENGTH_MAX 1024    /* leaves room in PATH_MAX for the installation's directory before it */
#define PACKAGE_NAME_MAX 64     /* Kantan's own limit (docs/packages.md) */
#define FOREIGN_PACKAGE_MAX 128 /* other managers know longer names */
#define USER_NAME_MAX 31        /* utmp's, and systemd's limit */
#define BUS_NAME_MAX 249        /* 255 on the bus, less ".r1000" */

/* ---- numbers ---- */

/* Decimal digits at *TEXT, moved behind them; FALSE if there is none or it is more than MAX. */
static gboolean read_digits(const char **text, guint64 max, guint64 *ret)
{
        guint64 n = 0;
        const char *p = *text;
        for (; g_ascii_isdigit(*p); p++) {
                guint digit = g_ascii_digit_value(*p);
                if (n > (max - MIN(digit, max)) / 10)
                        return FALSE;
                n = n * 10 + digit;
        }
        if (p == *text || n > max)
                return FALSE;
        *text = p;
        *ret = n;
        return TRUE;
}

char *value_number(const char *text, guint64 min, guint64 max, guint64 *ret)
{
        guint64 n;
        const char *p = text;
        if (!read_digits(&p, max, &n) || *p || n < min)
                return g_strdup_printf("a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, min,
                                       max);
        *ret = n;
        return NULL;
}

char *value_amount(const char *text, guint min, Amount *ret)
{
        guint64 n;
        const char *p = text;
        gboolean good = read_digits(&p, VALUE_COUNT_MAX, &n) && n >= min;
        gboolean percent = good && g_str_equal(p, "%");
        if (!good || (*p && !percent) || (percent && n > 100))
                return g_strdup_printf("a number from %u to %d, or a percentage such as 25%%", min,
                                       VALUE_COUNT_MAX);
        *ret = (Amount){.value = n, .percent = percent};
        return NULL;
}

char *value_boolean(const char *text, gboolean *ret)
{
        static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
        g_autofree char *lower = g_ascii_strdown(text, -1);
        int i = strtab_find(words, G_N_ELEMENTS(words), lower);
        if (i < 0)
                return g_strdup("yes or no");
        *ret = i % 2;
        return NULL;
}

/* ---- times ---- */

/* The unit at *TEXT, moved behind it; 0 if it is none of ours. */
static gint64 read_unit(const char **text)
{
        static const struct {
                const char *word;
                gint64 us;
        } units[] = {
                {"us", 1},
                {"ms", G_TIME_SPAN_MILLISECOND},
                {"s", G_TIME_SPAN_SECOND},
                {"min", G_TIME_SPAN_MINUTE},
                {"h", G_TIME_SPAN_HOUR},
                {"d", G_TIME_SPAN_DAY},
        };
        gsize n = 0;
        while (g_ascii_isalpha((*text)[n]))
                n++;
        for (gsize i = 0; i < G_N_ELEMENTS(units); i++)
                if (strlen(units[i].word) == n && strncmp(units[i].word, *text, n) == 0) {
                        *text += n;
                        return units[i].us;
                }
        return 0;
}

/* FALSE unless TEXT is numbers with units whose sum is at most VALUE_TIME_MAX, or one plain number. */
static gboolean read_time(const char *text, gint64 *ret)
{
        gint64 sum = 0;
        const char *p = text;
        gboolean plain = strspn(text, "0123456789") == strlen(text);
        do {
                guint64 n;
                if (!read_digits(&p, VALUE_TIME_MAX, &n))
                        return FALSE;
                gint64 unit = plain ? G_TIME_SPAN_SECOND : read_unit(&p);
                if (unit == 0 || n > (guint64)((VALUE_TIME_MAX - sum) / unit))
                        return FALSE;
                sum += (gint64)n * unit;
                while (*p == ' ')
                        p++;
        } while (*p);
        *ret = sum;
        return TRUE;
}

static char *time_to_words(gint64 us)
{
        if (us >= G_TIME_SPAN_DAY)
                return g_strdup_printf("%" G_GINT64_FORMAT "d", us / G_TIME_SPAN_DAY);
        if (us >= G_TIME_SPAN_SECOND)
                return g_strdup_printf("%" G_GINT64_FORMAT "s", us / G_TIME_SPAN_SECOND);
        return g_strdup_printf("%" G_GINT64_FORMAT "ms", us / G_TIME_SPAN_MILLISECOND);
}

char *value_time(const char *text, gint64 min, gint64 max, gint64 *ret_us)
{
        gint64 us;
        g_autofree char *least = time_to_words(min), *most = time_to_words(max);
        if (!read_time(text, &us) || us < min || us > max)
                return g_strdup_printf(
                        "a time such as 30s, 5min, 1h 30min or 250ms, from %s to %s, never infinite", least,
                        most);
        *ret_us = us;
        return NULL;
}

/* ---- lists and commands ---- */

char *value_list(const char *text, char ***ret)
{
        g_auto(GStrv) items = g_strsplit(text, ";", VALUE_LIST_MAX + 2);
        guint n = g_strv_length(items);
        for (guint i = 0; i < n; i++)
                g_strstrip(items[i]);
        if (n > 0 && !*items[n - 1]) /* the ';' at the end */
                g_clear_pointer(&items[--n], g_free);
        if (n > VALUE_LIST_MAX)
                return g_strdup_printf("at most %d items", VALUE_LIST_MAX);
        for (guint i = 0; i < n; i++)
                if (!*items[i])
                        return g_strdup("a list separated by ';' without empty items");
        g_strfreev(*ret);
        *ret = g_steal_pointer(&items);
        return NULL;
}

char *value_placeholders(const char *text)
{
        for (const char *p = strchr(text, '%'); p; p = strchr(p + 2, '%'))
                if (!p[1] || !strchr("ibr%", p[1]))
                        return g_strdup(
                                "no other placeholders than %i (replicant), %b (battery), "
                                "%r (its installation) and %% (a %)");
        return NULL;
}

static guint count_hashes(const char *text)
{
        guint n = 0;
        for (const char *p = text; *p; p++)
                n += *p == '#';
        return n;
}

/* GLib's shell words end at an unquoted '#': silently losing the rest would be worse than refusing it. */
static gboolean comment_was_lost(const char *text, char *const *argv)
{
        guint kept = 0;
        for (; *argv; argv++)
                kept += count_hashes(*argv);
        return kept != count_hashes(text);
}

char *value_exec(const char *text, char ***ret_argv)
{
        g_auto(GStrv) argv = NULL;
        if (g_str_has_prefix(text, "http:") || g_str_has_prefix(text, "https:"))
                return g_strdup(
                        "exec:/path words; http: is not available yet in this version, use exec: with a "
                        "program that asks");
        if (!g_str_has_prefix(text, "exec:"))
                return g_strdup("exec: and an absolute path, such as exec:/usr/lib/calc/check %i");
        if (!g_shell_parse_argv(text + strlen("exec:"), NULL, &argv, NULL) || comment_was_lost(text, argv))
                return g_strdup("words with closed quotes, and '#' in quotes, after exec:");
        if (argv[0][0] != '/' && !g_str_has_prefix(argv[0], "%r/"))
                return g_strdup("an absolute path, or %r/ and a path, after exec:");
        if (g_strv_length(argv) > VALUE_LIST_MAX)
                return g_strdup_printf("at most %d words", VALUE_LIST_MAX);
        for (char **word = argv; *word; word++) {
                char *expected = value_placeholders(*word);
                if (expected)
                        return expected;
        }
        g_strfreev(*ret_argv);
        *ret_argv = g_steal_pointer(&argv);
        return NULL;
}

/* ---- names ---- */

char *value_path(const char *text)
{
        const char *relative = *text == '/' ? text + 1 : text;
        g_auto(GStrv) parts = g_strsplit(relative, "/", -1);
        gboolean good = *relative && strlen(text) <= PATH_LENGTH_MAX;
        for (char **part = parts; *part; part++)
                good = good && **part && !g_str_equal(*part, ".") && !g_str_equal(*part, "..");
        if (good)
                return NULL;
        return g_strdup_printf("a path of at most %d bytes without '.', '..' or empty parts",
                               PATH_LENGTH_MAX);
}

/* FIRST: further characters that a name may begin with, beyond letters. */
static gboolean word_valid(const char *text, gsize most, const char *first, const char *others)
{
        if (!*text || strlen(text) > most || (!g_ascii_isalpha(*text) && !strchr(first, *text)))
                return FALSE;
        for (const char *p = text; *p; p++)
                if (!g_ascii_isalnum(*p) && !strchr(others, *p))
                        return FALSE;
        return TRUE;
}

static gboolean kantan_package_valid(const char *text)
{
        if (!word_valid(text, PACKAGE_NAME_MAX, "0123456789", ".+-"))
                return FALSE;
        for (const char *p = text; *p; p++)
                if (g_ascii_isupper(*p))
                        return FALSE;
        return TRUE;
}

char *value_package(const char *text)
{
        static const char *const prefixes[] = {"dpkg:", "pacman:", "rpm:"};
        for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
                if (g_str_has_prefix(text, prefixes[i]) &&
                    word_valid(text + strlen(prefixes[i]), FOREIGN_PACKAGE_MAX, "0123456789_@", "._+@-"))
                        return NULL;
        if (kantan_package_valid(text))
                return NULL;
        return g_strdup("names of Kantan packages ([a-z0-9][a-z0-9.+-]*), or of others' with dpkg:, pacman: "
                        "or rpm: before them");
}

char *value_user(const char *text)
{
        if (word_valid(text, USER_NAME_MAX, "_", "_-"))
                return NULL;
        return g_strdup("a user's name ([A-Za-z_][A-Za-z0-9_-]*, at most 31 characters; no number)");
}

char *value_bus_name(const char *text)
{
        if (g_dbus_is_name(text) && !g_dbus_is_unique_name(text) && strlen(text) <= BUS_NAME_MAX)
                return NULL;
        return g_strdup_printf("a D-Bus name such as org.example.Calc, at most %d characters", BUS_NAME_MAX);
}
