/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of refusals. */
#include "base/refusal.h"

static const char *const refusal_table[] = {
        "None",         "NotFound",    "Busy",           "FloorWouldBreak", "OutsideWindow",   "Held",
        "Vetoed",       "BadPackage",  "BadSignature",   "NotAuthorized",   "InvalidArgument", "Timeout",
        "Disagreement", "NoReplicant", "LimitsExceeded", "Unsupported",
};
STRTAB_DEFINE(refusal, Refusal, refusal_table, _REFUSAL_MAX)

Refusal refuse(char **ret_why, Refusal code, const char *format, ...)
{
        if (ret_why) {
                va_list ap;
                va_start(ap, format);
                g_free(*ret_why);
                *ret_why = g_strdup_vprintf(format, ap);
                va_end(ap);
        }
        return code;
}
