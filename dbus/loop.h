/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libdbus's watches, timeouts and dispatching on GLib's default main context: ONE GSource around ONE epoll
 * descriptor for all connections and servers of the process. A GSource per watch costs 2.4 ms a call with
 * 1,000 idle connections and 39 ms with 5,000; this costs nothing that can be measured. Main thread only. */
#pragma once

#include <dbus/dbus.h>
#include <glib.h>

typedef struct Loop Loop;
typedef struct LoopLink LoopLink;   /* a connection that the loop serves */
typedef struct LoopTimer LoopTimer; /* runs once */
typedef void (*LoopTimerFunc)(gpointer user);

/* The default main context's loop; made when there is none, gone with its last reference. */
Loop *loop_get(void);
Loop *loop_ref(Loop *loop);
void loop_unref(Loop *loop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Loop, loop_unref)

/* Watches CONNECTION and dispatches what it receives. */
LoopLink *loop_attach(Loop *loop, DBusConnection *connection);
/* NULL is fine. From inside a dispatch too. */
void loop_detach(LoopLink *link);
/* Watches SERVER until dbus_server_disconnect(). */
void loop_attach_server(Loop *loop, DBusServer *server);

/* Calls FUNC once when g_get_monotonic_time() has reached DUE_US; never from inside this call, and before
 * messages that arrived in the same turn. */
LoopTimer *loop_timer_add(Loop *loop, gint64 due_us, LoopTimerFunc func, gpointer user);
/* Cancels *TIMER if it is not NULL, and sets it to NULL. Not after it ran. */
void loop_timer_cancel(LoopTimer **timer);
