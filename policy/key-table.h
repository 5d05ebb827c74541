/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files against a table of (section, key, how its value is read, where it goes): what all our files share.
 * The last value of a key counts; an empty one leaves the default. Unknown sections and keys warn. A wrong
 * value is an error, unless a later file gives that key another value: then it only warns, so that an
 * administrator can mend what a package ships without touching it. */
#pragma once

#include "base/keyfile.h"
#include "policy/problem.h"

typedef struct KeyRow KeyRow;
struct KeyRow {
        const char *section;
        const char *key; /* NULL: any other key of the section that has a '.' in it */
        /* Reads VALUE (never "") into FIELD; returns NULL or what was expected, in words. */
        char *(*read)(const KeyRow *row, const char *value, gpointer field);
        gsize offset;    /* of the field in the target; KEY_NOWHERE: FIELD is NULL */
        gint64 min, max; /* for READ */
};
#define KEY_NOWHERE G_MAXSIZE

/* Reads ENTRIES (of KeyfileEntry, lowest precedence first) into TARGET, which holds the defaults; values
 * that do not count are read into SCRATCH, another target, to check them. RET_WINNERS has N_ROWS places:
 * the entry that counted for each row, NULL if none or an empty one did. */
void key_table_read(const KeyRow *rows, gsize n_rows, GPtrArray *entries, gpointer target, gpointer scratch,
                    const KeyfileEntry **ret_winners, ProblemSink *sink);

/* Readers for rows; the field's type in brackets. */
char *key_read_time(const KeyRow *row, const char *value, gpointer field);    /* gint64, or NULL */
char *key_read_boolean(const KeyRow *row, const char *value, gpointer field); /* gboolean, or NULL */
char *key_read_count(const KeyRow *row, const char *value, gpointer field);   /* guint, or NULL */
char *key_read_text(const KeyRow *row, const char *value, gpointer field);    /* char * */
