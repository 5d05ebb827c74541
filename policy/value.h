/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values of our files: times, amounts, lists, commands, names. Pure. Each reader returns NULL when the
 * text is good (outputs are then set; without it untouched), else what was expected, in words, owned by
 * the caller, such as "a time such as 30s or 5min"; the caller says of which key and instead of what. */
#pragma once

#include "orchestrator/model/battery-config.h"

#define VALUE_LIST_MAX 64                     /* items of a list, words of a command: more is a script */
#define VALUE_TIME_MAX (30 * 24 * G_TIME_SPAN_HOUR) /* a longer wait is a mistake, and sums never overflow */
#define VALUE_COUNT_MAX 1000                  /* replicants: each is a process and objects on the bus */

/* "10s", "5min", "1h 30min", "250ms" (us, ms, s, min, h, d), a plain number is seconds; MIN and MAX in
 * microseconds. There is no infinity: an update must end. */
char *value_time(const char *text, gint64 min, gint64 max, gint64 *ret_us);
char *value_number(const char *text, guint64 min, guint64 max, guint64 *ret);
/* "2" (MIN to VALUE_COUNT_MAX) or "25%" (at least 1% if MIN > 0, to 100%). */
char *value_amount(const char *text, guint min, Amount *ret);
/* yes, no, true, false, on, off, 1, 0 in any case. */
char *value_boolean(const char *text, gboolean *ret);
/* Separated by ';', one at the end is allowed; space around items is cut off; no empty items. */
char *value_list(const char *text, char ***ret);
/* Only %i, %b, %r and %%. */
char *value_placeholders(const char *text);
/* "exec:/absolute/program words", quoted as in a shell, without a shell's variables, globs, comments. */
char *value_exec(const char *text, char ***ret_argv);
/* Absolute, or relative to something; no '.', '..' or empty part. */
char *value_path(const char *text);
/* "calc" (a Kantan package) or "dpkg:calc", "pacman:…", "rpm:…". */
char *value_package(const char *text);
/* The form only; whether the user exists is seen when a replicant starts. */
char *value_user(const char *text);
/* A well-known D-Bus name, short enough for ".rN" behind it. */
char *value_bus_name(const char *text);
