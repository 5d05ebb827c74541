/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of files meet the table of keys. */
#include "policy/key-table.h"

#include "policy/value.h"

#include <string.h>

char *key_read_time(const KeyRow *row, const char *value, gpointer field)
{
        gint64 unused;
        return value_time(value, row->min, row->max, field ? field : &unused);
}

char *key_read_boolean(const KeyRow *row, const char *value, gpointer field)
{
        gboolean unused;
        return value_boolean(value, field ? field : &unused);
}

char *key_read_count(const KeyRow *row, const char *value, gpointer field)
{
        guint64 n;
        char *expected = value_number(value, row->min, row->max, &n);
        if (!expected && field)
                *(guint *)field = n;
        return expected;
}

char *key_read_text(const KeyRow *row, const char *value, gpointer field)
{
        char **text = field;
        g_free(*text);
        *text = g_strdup(value);
        return NULL;
}

typedef struct Reading {
        const KeyRow *rows;
        gsize n_rows;
        GPtrArray *entries;
        gsize *row_of; /* of each entry; n_rows: unknown */
        gsize *last;   /* of each row: the entry that counts, entries->len: none */
        ProblemSink *sink;
} Reading;

static gsize find_row(const Reading *r, const KeyfileEntry *e)
{
        for (gsize i = 0; i < r->n_rows; i++) {
                const KeyRow *row = &r->rows[i];
                gboolean fits = row->key ? g_str_equal(row->key, e->key) : strchr(e->key, '.') != NULL;
                if (fits && g_str_equal(row->section, e->section))
                        return i;
        }
        return r->n_rows;
}

static gboolean section_known(const Reading *r, const char *section)
{
        for (gsize i = 0; i < r->n_rows; i++)
                if (g_str_equal(r->rows[i].section, section))
                        return TRUE;
        return FALSE;
}

/* What the writer of an unknown key may have meant: the same word elsewhere, or in another case. */
static const KeyRow *find_similar(const Reading *r, const char *key)
{
        for (gsize i = 0; i < r->n_rows; i++)
                if (r->rows[i].key && g_ascii_strcasecmp(r->rows[i].key, key) == 0)
                        return &r->rows[i];
        return NULL;
}

/* BEFORE: the entry before this one, or NULL; a section is complained of once. */
static void report_unknown(Reading *r, const KeyfileEntry *e, const KeyfileEntry *before)
{
        gboolean told = before && before->file == e->file && before->section_line == e->section_line;
        if (!section_known(r, e->section)) {
                g_autofree char *section = problem_quote(e->section);
                if (!told)
                        problem_report(r->sink, PROBLEM_WARNING, e->file, e->section_line,
                                       "unknown section %s, ignored", section);
                return;
        }
        g_autofree char *key = problem_quote(e->key);
        const KeyRow *similar = find_similar(r, e->key);
        if (similar)
                problem_report(r->sink, PROBLEM_WARNING, e->file, e->line,
                               "unknown key %s in [%s], ignored; expected %s= in [%s]?", key, e->section,
                               similar->key, similar->section);
        else
                problem_report(r->sink, PROBLEM_WARNING, e->file, e->line, "unknown key %s in [%s], ignored",
                               key, e->section);
}

static void report_wrong(Reading *r, gsize i, const char *expected)
{
        const KeyfileEntry *e = g_ptr_array_index(r->entries, i);
        const KeyfileEntry *winner = g_ptr_array_index(r->entries, r->last[r->row_of[i]]);
        g_autofree char *value = problem_quote(e->value);
        const char *hint = strstr(e->value, " #") ? " (a comment needs a line of its own)" : "";
        /* Rows for any key have no single value, so nothing overrides. */
        if (!r->rows[r->row_of[i]].key || winner->file == e->file)
                problem_report(r->sink, PROBLEM_ERROR, e->file, e->line, "%s=: expected %s, not %s%s", e->key,
                               expected, value, hint);
        else
                problem_report(r->sink, PROBLEM_WARNING, e->file, e->line,
                               "%s=: expected %s, not %s%s; overridden by %s:%u", e->key, expected, value,
                               hint, winner->file, winner->line);
}

/* Which entry belongs to which row, and which one counts. Rows for any key have no single one. */
static void match_entries(Reading *r)
{
        for (gsize i = 0; i < r->n_rows; i++)
                r->last[i] = r->entries->len;
        for (gsize i = 0; i < r->entries->len; i++) {
                r->row_of[i] = find_row(r, g_ptr_array_index(r->entries, i));
                if (r->row_of[i] < r->n_rows)
                        r->last[r->row_of[i]] = i;
        }
}

static void read_entry(Reading *r, gsize i, gpointer target, gpointer scratch)
{
        const KeyfileEntry *e = g_ptr_array_index(r->entries, i);
        if (r->row_of[i] == r->n_rows) {
                report_unknown(r, e, i > 0 ? g_ptr_array_index(r->entries, i - 1) : NULL);
                return;
        }
        const KeyRow *row = &r->rows[r->row_of[i]];
        guint8 *base = r->last[r->row_of[i]] == i ? target : scratch;
        if (!*e->value)
                return;
        g_autofree char *expected =
                row->read(row, e->value, row->offset == KEY_NOWHERE ? NULL : base + row->offset);
        if (expected)
                report_wrong(r, i, expected);
}

void key_table_read(const KeyRow *rows, gsize n_rows, GPtrArray *entries, gpointer target, gpointer scratch,
                    const KeyfileEntry **ret_winners, ProblemSink *sink)
{
        g_autofree gsize *row_of = g_new0(gsize, entries->len + 1);
        g_autofree gsize *last = g_new0(gsize, n_rows + 1);
        Reading r = {rows, n_rows, entries, row_of, last, sink};
        match_entries(&r);
        for (gsize i = 0; i < entries->len; i++)
                read_entry(&r, i, target, scratch);
        for (gsize i = 0; i < n_rows; i++) {
                const KeyfileEntry *e = last[i] < entries->len ? g_ptr_array_index(entries, last[i]) : NULL;
                ret_winners[i] = e && *e->value ? e : NULL;
        }
}
