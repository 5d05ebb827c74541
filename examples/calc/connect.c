/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting as libdbus wants it. */
#include "examples/calc/connect.h"

#include <string.h>

DBusConnection *calc_connect(const char *where, DBusError *error)
{
        if (strcmp(where, "system") == 0)
                return dbus_bus_get_private(DBUS_BUS_SYSTEM, error);
        if (strcmp(where, "session") == 0)
                return dbus_bus_get_private(DBUS_BUS_SESSION, error);
        DBusConnection *bus = dbus_connection_open_private(where, error);
        if (bus && !dbus_bus_register(bus, error)) {
                dbus_connection_close(bus);
                dbus_connection_unref(bus);
                return NULL;
        }
        return bus;
}
