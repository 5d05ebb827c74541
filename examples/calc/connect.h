/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to "system", "session", or a bus at an address. */
#pragma once

#include <dbus/dbus.h>

/* Registered with the bus, private to the caller, who closes it; NULL and an error. */
DBusConnection *calc_connect(const char *where, DBusError *error);
