/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Battery files: layers of key files become one checked BatteryConfig. Precedence, lowest first:
 *   1. VENDOR/batteries/B.battery
 *   2. VENDOR/batteries/B.battery.d/NAME.conf, in byte order of NAME
 *   3. CONFIG/batteries/B.battery
 *   4. CONFIG/batteries/B.battery.d/NAME.conf, in byte order of NAME
 * A later file adds to and overrides the earlier ones key by key (it does not hide them, nor does a drop-in
 * hide another directory's drop-in of the same name); inside one file the last value of a key counts. An
 * empty value clears a list or restores the default. At least one B.battery must exist. Unknown keys and
 * sections warn; wrong values are errors (warnings, once a later file gives that key another value); both
 * carry file and line. docs/battery-files.md is the manual. */
#pragma once

#include "orchestrator/model/battery-config.h"
#include "policy/problem.h"

#define BATTERY_FILES_MAX 1024 /* batteries of one instance: each costs objects on the bus and timers */
#define BATTERY_DROPINS_MAX 64 /* per directory: reading them is on the way of every reload */

/* Names of all batteries for which either directory has a batteries/NAME.battery with a valid name, sorted;
 * files with an invalid name are added to PROBLEMS (GPtrArray of Problem, owned by the caller) as
 * warnings, directories that cannot be read and names beyond BATTERY_FILES_MAX as errors. Never NULL. */
char **battery_files_list(const char *vendor_dir, const char *config_dir, GPtrArray *problems);

/* Reads and checks battery NAME. NULL when any error was added to PROBLEMS. Never partial. */
BatteryConfig *battery_file_load(const char *vendor_dir, const char *config_dir, const char *name,
                                 GPtrArray *problems);

/* The same, pure, of bytes: LAYERS lowest precedence first, at least one. FILE is only for telling. */
typedef struct BatteryLayer {
        const char *file;
        const char *bytes;
        gsize length;
} BatteryLayer;
BatteryConfig *battery_file_parse(const char *name, const BatteryLayer *layers, gsize n_layers,
                                  GPtrArray *problems);
