/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Message bodies as GVariants, both ways, every D-Bus type. */
#pragma once

#include <dbus/dbus.h>
#include <glib.h>

/* Appends the children of tuple VALUES. 'h' values index FDS. FALSE when out of memory or a value is
 * not valid on D-Bus (string not UTF-8, maybe type, …). */
gboolean bus_message_append(DBusMessage *message, GVariant *values, const int *fds, gsize n_fds);
/* The body as a tuple (sunk, owned by the caller). Descriptors are appended to RET_FDS (GArray of int,
 * may be NULL: then closed), 'h' values index it. NULL when it holds more values than we care to decode. */
GVariant *bus_message_body(DBusMessage *message, GArray *ret_fds);
