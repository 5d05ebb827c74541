/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with a file, told to the person who can mend it: file, line, what was expected. */
#pragma once

#include <glib.h>

typedef enum ProblemLevel { PROBLEM_WARNING, PROBLEM_ERROR, _PROBLEM_LEVEL_MAX } ProblemLevel;

typedef struct Problem {
        ProblemLevel level;
        char *file; /* as opened */
        guint line; /* 1-based; 0: the file as a whole */
        char *text; /* what was expected; never repeats more than 64 bytes of the value, escaped */
} Problem;
void problem_free(Problem *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Problem, problem_free)
/* "FILE:LINE: error: TEXT"; without LINE if it is 0. Always valid UTF-8, one line. */
char *problem_to_string(const Problem *p);

/* Problems listed of one thing that is read, warnings and errors each: a file of 10,000 mistakes is one
 * mistake, and its messages go to the log and over the bus. */
#define PROBLEMS_MAX 50

/* Where one reading reports to. Errors are counted even when they are no longer listed. */
typedef struct ProblemSink {
        GPtrArray *problems; /* of Problem; the caller's */
        guint count[_PROBLEM_LEVEL_MAX];
} ProblemSink;
void problem_report(ProblemSink *sink, ProblemLevel level, const char *file, guint line, const char *format,
                    ...) G_GNUC_PRINTF(5, 6);

/* VALUE in single quotes, printable, cut to 64 bytes. */
char *problem_quote(const char *value);
