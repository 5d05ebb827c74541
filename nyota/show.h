/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people see: lines and aligned tables. Colours only on a terminal, never with NO_COLOR or
 * --no-color. Text from elsewhere is cleaned: a control character in a reason must not drive the
 * terminal. */
#pragma once

#include <glib.h>

typedef enum Tone { TONE_PLAIN, TONE_STRONG, TONE_FAINT, TONE_GOOD, TONE_BUSY, TONE_BAD, _TONE_MAX } Tone;

typedef struct Show Show;
typedef enum ShowColor { SHOW_COLOR_AUTO, SHOW_COLOR_NEVER } ShowColor;
/* Writes to standard output. */
Show *show_new(ShowColor color);
void show_free(Show *s);
gboolean show_is_terminal(const Show *s);
/* Columns and lines of the terminal; 80 x 24 where nobody tells. */
void show_size(guint *ret_columns, guint *ret_lines);

/* One line; the text is cleaned. */
void show_line(Show *s, Tone tone, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* TEXT cleaned, cut to *LEFT columns (which it takes away from it), in that tone; appended to OUT. */
void show_append(const Show *s, GString *out, guint *left, Tone tone, const char *text);
/* TEXT without control characters; owned by the caller. */
char *show_clean(const char *text);
/* The tone of a state of a battery, replicant or update. */
Tone tone_of_state(const char *state);
/* "good", "unknown", or what is wrong. */
Tone tone_of_health(const char *health);

typedef enum ColumnKind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_STATE, COLUMN_HEALTH } ColumnKind;
typedef struct Column {
        const char *title; /* NULL ends the columns */
        ColumnKind kind;
} Column;

typedef struct Table Table;
Table *table_new(const Column *columns); /* static */
void table_free(Table *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* As many cells as there are columns; "" or NULL shows as "-". */
void table_add(Table *t, ...);
void table_print(const Table *t, Show *s);

/* "2026-11-22 23:18:23" and "23:18:23.123" of a real time in microseconds, local; "" for 0. */
char *show_time(gint64 real_us);
char *show_time_of_day(gint64 real_us);
char *show_seconds(double seconds); /* "0.4 s", "12 s", "3 min 05 s" */
char *show_bytes(guint64 bytes);
/* VERSION, or "nothing" where none is installed: before a first installation, after a removal. */
const char *show_version(const char *version);
