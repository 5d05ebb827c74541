/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The orchestrator on the bus (docs/dbus.md): translates between the application's interface
 * (orchestrator/manager.h) and objects on a connection (dbus/object.h), both ways. Decides nothing but who
 * may ask and whether what is asked is well formed. */
#pragma once

#include "dbus/bus.h"
#include "dbus/object.h"
#include "orchestrator/manager.h"

#define WIRE_NAME "org.kantan.Orchestrator1" /* on the bus, and before each interface's last part */
#define WIRE_ROOT "/org/kantan/Orchestrator1"

typedef struct Wire Wire;

/* REMOVED: of char *, "NAME/VERSION"; NULL with ERROR. Both stay the caller's. */
typedef void (*WireCollectDone)(GPtrArray *removed, guint64 bytes, const GError *error, gpointer done_user);

typedef struct WireConfig {
        const char *instance; /* the state directory */
        guint calls_per_sender, calls; /* method calls that may await their reply, of one sender and of all */
        /* Removes installed versions that are neither IN_USE ("NAME/VERSION", borrowed) nor to be kept;
         * DRY_RUN: says only which. Calls DONE exactly once, now or later, on the main context. NULL: the
         * method is refused as Unsupported. */
        void (*collect)(gboolean dry_run, char **in_use, WireCollectDone done, gpointer done_user,
                        gpointer user);
        gpointer user;
} WireConfig;

/* Puts the tree on BUS; the manager's objects come through wire_publisher(). CONFIG is copied, BUS is
 * referenced, M must outlive it. */
Wire *wire_new(Bus *bus, Manager *m, const WireConfig *config);
/* Calls not answered yet are answered with an error. */
void wire_free(Wire *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Wire, wire_free)
/* For manager_set_publisher(); its user is the Wire. */
const Publisher *wire_publisher(void);

/* All interfaces of the orchestrator, NULL-terminated: for introspection without a daemon. */
const BusInterface *const *wire_interfaces(void);
