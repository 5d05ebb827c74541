/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port events on their way to the sink: copied, kept in order, delivered from the main loop and so never
 * from inside a port's call. One queue per adapter: what it reports cannot overtake itself. */
#pragma once

#include "orchestrator/run/ports.h"

typedef struct EventQueue EventQueue;

EventQueue *event_queue_new(PortSink sink, gpointer user);
/* Drops what was not delivered. Not to be called from inside the sink. */
void event_queue_free(EventQueue *q);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EventQueue, event_queue_free)
/* Copies battery and text of EVENT; the strings of PORT_UNPACKED are not carried. */
void event_queue_post(EventQueue *q, const PortEvent *event);
/* Takes back what waits of KIND for COOKIE. */
void event_queue_drop(EventQueue *q, PortEventKind kind, guint64 cookie);
