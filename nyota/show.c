/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines, tables, colours, times. */
#include "nyota/show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct Show {
        gboolean terminal, color;
};

static const char *const tone_codes[_TONE_MAX] = {"",         "\033[1m",  "\033[2m",
                                                  "\033[32m", "\033[33m", "\033[31m"};

Show *show_new(ShowColor color)
{
        Show *s = g_new0(Show, 1);
        const char *no_color = g_getenv("NO_COLOR"); /* no-color.org: set and not empty */
        const char *term = g_getenv("TERM");
        s->terminal = isatty(STDOUT_FILENO) && !(term && g_str_equal(term, "dumb"));
        s->color = s->terminal && color == SHOW_COLOR_AUTO && !(no_color && *no_color);
        return s;
}

void show_free(Show *s)
{
        g_free(s);
}

gboolean show_is_terminal(const Show *s)
{
        return s->terminal;
}

void show_size(guint *ret_columns, guint *ret_lines)
{
        struct winsize w = {0};
        gboolean told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
        *ret_columns = told ? w.ws_col : 80;
        *ret_lines = told ? w.ws_row : 24;
}

char *show_clean(const char *text)
{
        g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
        GString *out = g_string_sized_new(strlen(valid));
        for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);
                /* format characters (bidirectional overrides) can make a text read as another */
                if (g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT)
                        g_string_append_c(out, c == '\n' || c == '\t' ? ' ' : '?');
                else
                        g_string_append_unichar(out, c);
        }
        return g_string_free(out, FALSE);
}

static guint width_of_char(gunichar c)
{
        return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

static guint width_of(const char *text)
{
        guint n = 0;
        for (; *text; text = g_utf8_next_char(text))
                n += width_of_char(g_utf8_get_char(text));
        return n;
}

void show_append(const Show *s, GString *out, guint *left, Tone tone, const char *text)
{
        g_autofree char *clean = show_clean(text);
        gboolean toned = s->color && tone != TONE_PLAIN;
        if (toned)
                g_string_append(out, tone_codes[tone]);
        for (const char *p = clean; *p; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);
                if (width_of_char(c) > *left) {
                        *left = 0;
                        break;
                }
                *left -= width_of_char(c);
                g_string_append_unichar(out, c);
        }
        if (toned)
                g_string_append(out, "\033[0m");
}

void show_line(Show *s, Tone tone, const char *format, ...)
{
        guint left = G_MAXUINT;
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_autoptr(GString) out = g_string_new(NULL);
        show_append(s, out, &left, tone, text);
        puts(out->str);
        fflush(stdout);
}

Tone tone_of_state(const char *state)
{
        static const struct {
                const char *state;
                Tone tone;
        } tones[] = {
                {"running", TONE_GOOD},    {"active", TONE_GOOD},      {"done", TONE_GOOD},
                {"ready", TONE_GOOD},      {"passive", TONE_FAINT},    {"stopped", TONE_FAINT},
                {"cancelled", TONE_FAINT}, {"failed", TONE_BAD},       {"rolled-back", TONE_BAD},
                {"vetoed", TONE_BAD},      {"rolling-back", TONE_BAD}, {"", TONE_PLAIN},
        };
        for (gsize i = 0; i < G_N_ELEMENTS(tones); i++)
                if (g_str_equal(tones[i].state, state))
                        return tones[i].tone;
        return TONE_BUSY; /* all the others are on their way somewhere */
}

Tone tone_of_health(const char *health)
{
        if (g_str_equal(health, "good"))
                return TONE_GOOD;
        return g_str_equal(health, "unknown") || g_str_equal(health, "-") ? TONE_FAINT : TONE_BAD;
}

static Tone tone_of_cell(ColumnKind kind, const char *text)
{
        switch (kind) {
        case COLUMN_TEXT:
        case COLUMN_NUMBER:
                return TONE_PLAIN;
        case COLUMN_STATE:
                return tone_of_state(text);
        case COLUMN_HEALTH:
                return tone_of_health(text);
        }
        g_assert_not_reached();
}

struct Table {
        const Column *columns;
        guint n;
        GPtrArray *rows; /* of char** */
};

Table *table_new(const Column *columns)
{
        Table *t = g_new0(Table, 1);
        t->columns = columns;
        while (columns[t->n].title)
                t->n++;
        t->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
        return t;
}

void table_free(Table *t)
{
        if (!t)
                return;
        g_ptr_array_unref(t->rows);
        g_free(t);
}

void table_add(Table *t, ...)
{
        va_list ap;
        char **row = g_new0(char *, t->n + 1);
        va_start(ap, t);
        for (guint i = 0; i < t->n; i++) {
                const char *cell = va_arg(ap, const char *);
                row[i] = cell && *cell ? show_clean(cell) : g_strdup("-");
        }
        va_end(ap);
        g_ptr_array_add(t->rows, row);
}

static guint column_width(const Table *t, guint column)
{
        guint width = width_of(t->columns[column].title);
        for (guint r = 0; r < t->rows->len; r++)
                width = MAX(width, width_of(((char **)t->rows->pdata[r])[column]));
        return width;
}

static void append_cell(const Table *t, Show *s, GString *line, guint column, const char *text, Tone tone)
{
        guint left = G_MAXUINT, pad = column_width(t, column) - width_of(text);
        if (t->columns[column].kind == COLUMN_NUMBER)
                g_string_append_printf(line, "%*s", (int)pad, "");
        show_append(s, line, &left, tone, text);
        if (t->columns[column].kind != COLUMN_NUMBER && column + 1 < t->n)
                g_string_append_printf(line, "%*s", (int)pad, "");
        if (column + 1 < t->n)
                g_string_append(line, "  ");
}

void table_print(const Table *t, Show *s)
{
        g_autoptr(GString) line = g_string_new(NULL);
        for (guint c = 0; c < t->n; c++)
                append_cell(t, s, line, c, t->columns[c].title, TONE_STRONG);
        puts(line->str);
        for (guint r = 0; r < t->rows->len; r++) {
                char **row = t->rows->pdata[r];
                g_string_truncate(line, 0);
                for (guint c = 0; c < t->n; c++)
                        append_cell(t, s, line, c, row[c], tone_of_cell(t->columns[c].kind, row[c]));
                puts(line->str);
        }
        fflush(stdout);
}

char *show_time(gint64 real_us)
{
        if (real_us <= 0)
                return g_strdup("");
        g_autoptr(GDateTime) t = g_date_time_new_from_unix_local(real_us / G_USEC_PER_SEC);
        return t ? g_date_time_format(t, "%F %T") : g_strdup("");
}

char *show_time_of_day(gint64 real_us)
{
        if (real_us <= 0)
                return g_strdup("");
        g_autoptr(GDateTime) t = g_date_time_new_from_unix_local(real_us / G_USEC_PER_SEC);
        g_autofree char *text = t ? g_date_time_format(t, "%T") : g_strdup("");
        return g_strdup_printf("%s.%03d", text, (int)(real_us / 1000 % 1000));
}

char *show_seconds(double seconds)
{
        if (seconds < 10)
                return g_strdup_printf("%.1f s", seconds);
        if (seconds < 120)
                return g_strdup_printf("%.0f s", seconds);
        guint64 whole = (guint64)seconds;
        return g_strdup_printf("%" G_GUINT64_FORMAT " min %02u s", whole / 60, (guint)(whole % 60));
}

char *show_bytes(guint64 bytes)
{
        return g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
}

const char *show_version(const char *version)
{
        return *version ? version : "nothing";
}
