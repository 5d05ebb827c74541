/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Outcomes as D-Bus error names: the one switch. */
#include "dbus/error.h"

#include <dbus/dbus.h>
#include <gio/gio.h>

#define PREFIX "org.kantan.Error."

const char *bus_error_name(Refusal refusal)
{
        switch (refusal) {
        case REFUSAL_NOT_FOUND:
                return PREFIX "NotFound";
        case REFUSAL_BUSY:
                return PREFIX "Busy";
        case REFUSAL_FLOOR_WOULD_BREAK:
                return PREFIX "FloorWouldBreak";
        case REFUSAL_OUTSIDE_WINDOW:
                return PREFIX "OutsideWindow";
        case REFUSAL_HELD:
                return PREFIX "Held";
        case REFUSAL_VETOED:
                return PREFIX "Vetoed";
        case REFUSAL_BAD_PACKAGE:
                return PREFIX "BadPackage";
        case REFUSAL_BAD_SIGNATURE:
                return PREFIX "BadSignature";
        case REFUSAL_NOT_AUTHORIZED:
                return PREFIX "NotAuthorized";
        case REFUSAL_INVALID_ARGUMENT:
                return PREFIX "InvalidArgument";
        case REFUSAL_TIMEOUT:
                return PREFIX "Timeout";
        case REFUSAL_DISAGREEMENT:
                return PREFIX "Disagreement";
        case REFUSAL_NO_REPLICANT:
                return PREFIX "NoReplicant";
        case REFUSAL_LIMITS_EXCEEDED:
                return PREFIX "LimitsExceeded";
        case REFUSAL_UNSUPPORTED:
                return PREFIX "Unsupported";
        case REFUSAL_NONE:
        case _REFUSAL_MAX:
        case _REFUSAL_INVALID:
                break;
        }
        g_assert_not_reached(); /* nothing was refused */
}

Refusal bus_error_refusal(const char *name)
{
        Refusal refusal;

        if (!name || !g_str_has_prefix(name, PREFIX))
                return REFUSAL_NONE;
        refusal = refusal_from_string(name + strlen(PREFIX));
        return refusal == _REFUSAL_INVALID ? REFUSAL_NONE : refusal;
}

typedef struct FaultName {
        int code;
        const char *name;
} FaultName;

static const FaultName io_names[] = {
        {G_IO_ERROR_NOT_FOUND, DBUS_ERROR_FILE_NOT_FOUND},
        {G_IO_ERROR_EXISTS, DBUS_ERROR_FILE_EXISTS},
        {G_IO_ERROR_PERMISSION_DENIED, DBUS_ERROR_ACCESS_DENIED},
        {G_IO_ERROR_INVALID_ARGUMENT, DBUS_ERROR_INVALID_ARGS},
        {G_IO_ERROR_NOT_SUPPORTED, DBUS_ERROR_NOT_SUPPORTED},
        {G_IO_ERROR_TIMED_OUT, DBUS_ERROR_TIMEOUT},
        {G_IO_ERROR_NO_SPACE, DBUS_ERROR_IO_ERROR},
        {G_IO_ERROR_TOO_MANY_OPEN_FILES, DBUS_ERROR_LIMITS_EXCEEDED},
        {G_IO_ERROR_READ_ONLY, DBUS_ERROR_IO_ERROR},
        {G_IO_ERROR_BROKEN_PIPE, DBUS_ERROR_IO_ERROR},
};

static const FaultName file_names[] = {
        {G_FILE_ERROR_NOENT, DBUS_ERROR_FILE_NOT_FOUND},  {G_FILE_ERROR_EXIST, DBUS_ERROR_FILE_EXISTS},
        {G_FILE_ERROR_ACCES, DBUS_ERROR_ACCESS_DENIED},   {G_FILE_ERROR_PERM, DBUS_ERROR_ACCESS_DENIED},
        {G_FILE_ERROR_NOMEM, DBUS_ERROR_NO_MEMORY},       {G_FILE_ERROR_INVAL, DBUS_ERROR_INVALID_ARGS},
        {G_FILE_ERROR_MFILE, DBUS_ERROR_LIMITS_EXCEEDED}, {G_FILE_ERROR_NFILE, DBUS_ERROR_LIMITS_EXCEEDED},
        {G_FILE_ERROR_IO, DBUS_ERROR_IO_ERROR},           {G_FILE_ERROR_NOSPC, DBUS_ERROR_IO_ERROR},
        {G_FILE_ERROR_ROFS, DBUS_ERROR_IO_ERROR},         {G_FILE_ERROR_PIPE, DBUS_ERROR_IO_ERROR},
};

static const char *fault_find(const FaultName *names, gsize n, int code)
{
        for (gsize i = 0; i < n; i++)
                if (names[i].code == code)
                        return names[i].name;
        return DBUS_ERROR_FAILED;
}

const char *bus_error_name_of_fault(const GError *error)
{
        if (error && error->domain == G_IO_ERROR)
                return fault_find(io_names, G_N_ELEMENTS(io_names), error->code);
        if (error && error->domain == G_FILE_ERROR)
                return fault_find(file_names, G_N_ELEMENTS(file_names), error->code);
        return DBUS_ERROR_FAILED;
}
