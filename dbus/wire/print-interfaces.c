/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the introspection XML of every interface, as the tables say: what is installed for code generators,
 * and compared with what a running daemon answers. */
#include "dbus/wire/wire.h"

#include <stdio.h>

int main(void)
{
        puts("<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
             " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>");
        for (const BusInterface *const *i = wire_interfaces(); *i; i++) {
                g_autofree char *xml = bus_interface_to_xml(*i);
                fputs(xml, stdout);
        }
        puts("</node>");
        return fflush(stdout) == 0 ? 0 : 1;
}
