/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pre hook's wait for its verdict. It waits for the service alone, never for a lock that the package
 * manager may hold, and never longer than it was given. */
#pragma once

#include "dbus/bus.h"
#include "kantan-hooks/hook-call.h"

typedef enum HookOutcome {
        HOOK_GRANTED,
        HOOK_REFUSED,
        HOOK_TIMED_OUT,
        HOOK_INTERRUPTED, /* by SIGTERM, SIGINT or SIGHUP */
        HOOK_UNREACHABLE, /* nobody there who could give a verdict */
} HookOutcome;

/* Begins (or joins) the transaction of process OWNER and runs the main loop until there is an outcome, at
 * most TIMEOUT_US. *RET_WHY, owned by the caller, says why it is not granted. */
HookOutcome hook_wait(Bus *bus, const HookCall *call, guint owner, gint64 timeout_us, char **ret_why);
