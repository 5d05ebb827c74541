/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Problems as text; foreign bytes are made printable here and nowhere else. */
#include "policy/problem.h"

#include <string.h>

#define QUOTE_MAX                                                                                            \
        64 /* bytes of a foreign value that we repeat: enough to find it, no way to smuggle a page */

void problem_free(Problem *p)
{
        if (!p)
                return;
        g_free(p->file);
        g_free(p->text);
        g_free(p);
}

static const char *const level_words[] = {"warning", "error"};
G_STATIC_ASSERT(G_N_ELEMENTS(level_words) == _PROBLEM_LEVEL_MAX);

/* At most MOST bytes of it; a newline in a file's name must not begin a line of the log. */
static char *printable(const char *text, gsize most)
{
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        g_autoptr(GString) s = g_string_new(NULL);
        for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
                gunichar c = g_utf8_get_char(p);
                char piece[16];
                if (g_unichar_isprint(c))
                        piece[g_unichar_to_utf8(c, piece)] = '\0';
                else
                        g_snprintf(piece, sizeof piece, "\\u%04x", c);
                if (s->len + strlen(piece) > most) {
                        g_string_append(s, "…");
                        break;
                }
                g_string_append(s, piece);
        }
        return g_string_free(g_steal_pointer(&s), FALSE);
}

char *problem_quote(const char *value)
{
        g_autofree char *text = printable(value, QUOTE_MAX);
        return g_strdup_printf("'%s'", text);
}

char *problem_to_string(const Problem *p)
{
        g_autofree char *file = printable(p->file, G_MAXSIZE);
        if (p->line == 0)
                return g_strdup_printf("%s: %s: %s", file, level_words[p->level], p->text);
        return g_strdup_printf("%s:%u: %s: %s", file, p->line, level_words[p->level], p->text);
}

void problem_report(ProblemSink *sink, ProblemLevel level, const char *file, guint line, const char *format,
                    ...)
{
        va_list ap;
        guint nth = ++sink->count[level];
        if (nth > PROBLEMS_MAX)
                return;
        Problem *p = g_new0(Problem, 1);
        p->level = level;
        p->file = g_strdup(file);
        p->line = line;
        if (nth < PROBLEMS_MAX) {
                va_start(ap, format);
                p->text = g_strdup_vprintf(format, ap);
                va_end(ap);
        } else {
                p->text = g_strdup_printf("expected fewer mistakes: further %ss are not listed",
                                          level_words[level]);
        }
        g_ptr_array_add(sink->problems, p);
}
