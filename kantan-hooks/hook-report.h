/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the post and abort hooks do: report the end, and leave. */
#pragma once

#include "dbus/bus.h"

/* Finishes the transaction of process OWNER, if there is one. A service that goes away meanwhile, or with
 * EXPECTED is not there at first, is waited for (HOOK_AWAY_US). FALSE and *RET_WHY (owned by the caller) when
 * it could not be told; it then finds out by itself, when the owner ends. */
gboolean hook_report(Bus *bus, guint owner, gboolean success, gboolean expected, char **ret_why);
