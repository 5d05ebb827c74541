/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader of ini-like files that keeps line numbers (GKeyFile has none). One line is one thing: empty, a
 * comment (# or ; as its first character), [Section], or Key=Value. Space around key and value is cut off;
 * nothing is quoted, continued or commented inside a line. UTF-8; lines end in LF or CRLF. What keys mean,
 * and that later ones override earlier ones, is the reader's user's business. */
#pragma once

#include <glib.h>

/* Files come from packages and administrators, yet one mistake (a log, an image) must not fill memory. */
#define KEYFILE_BYTES_MAX (256 * 1024) /* a whole file: hundreds of times what a real one has */
#define KEYFILE_LINE_MAX 8192          /* bytes of one line: a long argument list still fits */
#define KEYFILE_LINES_MAX 10000        /* lines, so entries, of one file */
#define KEYFILE_NAME_MAX 255           /* bytes of a section's or key's name: a D-Bus method's full name */

typedef struct KeyfileEntry {
        const char *file; /* the Keyfile's name */
        guint line;       /* 1-based */
        const char *section;
        guint section_line; /* where that section was opened: entries of one header share it */
        char *key;
        char *value; /* may be "", never NULL; valid UTF-8 without control characters but tab */
} KeyfileEntry;

typedef struct Keyfile {
        char *name;
        GPtrArray *entries;  /* of KeyfileEntry, in the order of the file */
        GPtrArray *sections; /* of char *, each header's name: what the entries point to */
} Keyfile;

#define KEYFILE_ERROR (keyfile_error_quark())
GQuark keyfile_error_quark(void);
typedef enum { KEYFILE_ERROR_SYNTAX, KEYFILE_ERROR_LIMIT, KEYFILE_ERROR_NOT_REGULAR } KeyfileError;

/* Pure: reads LENGTH bytes; NAME is what entries carry as their file. On failure NULL, and *RET_LINE (may
 * be NULL) the line at fault, 0 if it is the file as a whole. The error's text names neither. */
Keyfile *keyfile_parse(const char *name, const char *bytes, gsize length, guint *ret_line, GError **error);
/* Opens PATH once, a regular file only (a FIFO or device neither blocks nor is read; symbolic links are
 * followed), and parses it. G_FILE_ERROR_NOENT if there is none. */
Keyfile *keyfile_load(const char *path, guint *ret_line, GError **error);
void keyfile_free(Keyfile *k);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Keyfile, keyfile_free)
