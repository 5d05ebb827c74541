/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Battery files: layers of key files become one checked BatteryConfig. Precedence, lowest first:
 * VENDOR/batteries/B.battery, CONFIG/batteries/B.battery (a later *file* of the same name adds to and
 * overrides the earlier one key by key), CONFIG/batteries/B.battery.d/NAME.conf in byte order of NAME
 * (VENDOR's .battery.d likewise, before CONFIG's B.battery). An empty value clears a list or restores
 * the default. Unknown keys and sections warn; wrong values are errors; both carry file and line. */
#pragma once

#include "orchestrator/model/battery-config.h"

typedef enum ProblemLevel { PROBLEM_WARNING, PROBLEM_ERROR } ProblemLevel;

typedef struct Problem {
        ProblemLevel level;
        char *file; /* as opened */
        guint line; /* 1-based; 0: the file as a whole */
        char *text; /* what was expected; never repeats more than 64 bytes of the value, escaped */
} Problem;
void problem_free(Problem *p);
/* "FILE:LINE: error: TEXT" */
char *problem_to_string(const Problem *p);

/* Names of all batteries for which either directory has a NAME.battery with a valid name, sorted; files
 * with an invalid name are added to PROBLEMS (GPtrArray of Problem, owned by the caller) as warnings. */
char **battery_files_list(const char *vendor_dir, const char *config_dir, GPtrArray *problems);

/* Reads and checks battery NAME. NULL when any error was added to PROBLEMS. Never partial. */
BatteryConfig *battery_file_load(const char *vendor_dir, const char *config_dir, const char *name,
                                 GPtrArray *problems);
