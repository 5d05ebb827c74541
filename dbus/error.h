/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place where outcomes become D-Bus error names and back. */
#pragma once

#include "base/refusal.h"

/* "org.kantan.Error.Busy" …; one exhaustive switch. */
const char *bus_error_name(Refusal refusal);
/* The refusal of that name; REFUSAL_NONE for any other name. */
Refusal bus_error_refusal(const char *name);
/* For faults: org.freedesktop.DBus.Error.NoMemory, .FileNotFound, .IOError … or .Failed. */
const char *bus_error_name_of_fault(const GError *error);
