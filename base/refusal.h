/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What we say no with. A refusal is an expected answer (busy, the floor would break) that every caller
 * handles; a fault (I/O, out of memory) is gboolean + GError; a bug is g_assert. Refusals become D-Bus
 * error names in one place, dbus/error.c. */
#pragma once

#include "base/strtab.h"

typedef enum Refusal {
        REFUSAL_NONE, /* granted */
        REFUSAL_NOT_FOUND,
        REFUSAL_BUSY,
        REFUSAL_FLOOR_WOULD_BREAK,
        REFUSAL_OUTSIDE_WINDOW,
        REFUSAL_HELD,
        REFUSAL_VETOED,
        REFUSAL_BAD_PACKAGE,
        REFUSAL_BAD_SIGNATURE,
        REFUSAL_NOT_AUTHORIZED,
        REFUSAL_INVALID_ARGUMENT,
        REFUSAL_TIMEOUT,
        REFUSAL_DISAGREEMENT,
        REFUSAL_NO_REPLICANT,
        REFUSAL_LIMITS_EXCEEDED,
        REFUSAL_UNSUPPORTED,
        _REFUSAL_MAX,
        _REFUSAL_INVALID = -1,
} Refusal;

/* "None", "NotFound", "Busy", ...: the last part of org.kantan.Error.X. */
STRTAB_DECLARE(refusal, Refusal);

/* Sets *RET_WHY (owned by the caller; RET_WHY may be NULL) to the words and returns CODE, so that a
 * refusing function ends in one line:  return refuse(ret_why, REFUSAL_BUSY, "…", …). */
Refusal refuse(char **ret_why, Refusal code, const char *format, ...) G_GNUC_PRINTF(3, 4);
