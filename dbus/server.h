/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private connections: a listening socket that hands each new peer over as a Bus. */
#pragma once

#include "dbus/bus.h"

typedef struct BusServer BusServer;
/* PEER has its credentials (uid, pid from the socket); keep it with bus_ref() or it is closed. */
typedef void (*BusServerFunc)(BusServer *server, Bus *peer, guint uid, guint pid, gpointer user);

/* ADDRESS such as "unix:path=/run/…" or "unix:dir=/tmp". At most MOST peers at once. Only EXTERNAL
 * authentication; only peers of uid ALLOW_UID, or anyone if (guint)-1. */
BusServer *bus_server_new(const char *address, guint most, guint allow_uid, BusServerFunc func, gpointer user,
                          GError **error);
void bus_server_free(BusServer *server);
const char *bus_server_address(BusServer *server); /* with guid, as a client needs it */
