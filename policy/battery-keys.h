/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of battery files, and what must hold between them. */
#pragma once

#include "base/keyfile.h"
#include "orchestrator/model/battery-config.h"
#include "policy/problem.h"

/* ENTRIES (of KeyfileEntry, lowest precedence first) become the configuration of battery NAME; MAIN_FILE is
 * named where a key is missing. What is wrong goes to SINK; the result is only good if no error did. */
BatteryConfig *battery_keys_read(const char *name, const char *main_file, GPtrArray *entries,
                                 ProblemSink *sink);
