/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of port events, delivered by one idle source at ordinary priority. */
#include "orchestrator/run/event-queue.h"

#define DELIVER_PER_TURN 64 /* so that a burst of events does not hold up the bus */

struct EventQueue {
        PortSink sink;
        gpointer user;
        GQueue events; /* PortEvent* with battery and text owned */
        guint source;
};

static void event_free(gpointer p)
{
        PortEvent *e = p;
        g_free((char *)e->battery);
        g_free((char *)e->text);
        g_free(e);
}

static gboolean deliver(gpointer user)
{
        EventQueue *q = user;
        for (guint n = 0; n < DELIVER_PER_TURN && !g_queue_is_empty(&q->events); n++) {
                PortEvent *e = g_queue_pop_head(&q->events);
                q->sink(e, q->user);
                event_free(e);
        }
        if (!g_queue_is_empty(&q->events))
                return G_SOURCE_CONTINUE;
        q->source = 0;
        return G_SOURCE_REMOVE;
}

EventQueue *event_queue_new(PortSink sink, gpointer user)
{
        EventQueue *q = g_new0(EventQueue, 1);
        q->sink = sink;
        q->user = user;
        g_queue_init(&q->events);
        return q;
}

void event_queue_free(EventQueue *q)
{
        if (!q)
                return;
        if (q->source)
                g_source_remove(q->source);
        g_queue_clear_full(&q->events, event_free);
        g_free(q);
}

void event_queue_post(EventQueue *q, const PortEvent *event)
{
        PortEvent *copy = g_memdup2(event, sizeof *event);
        copy->battery = g_strdup(event->battery);
        copy->text = g_strdup(event->text);
        g_queue_push_tail(&q->events, copy);
        if (!q->source)
                q->source = g_idle_add_full(G_PRIORITY_DEFAULT, deliver, q, NULL);
}

void event_queue_drop(EventQueue *q, PortEventKind kind, guint64 cookie)
{
        for (GList *l = q->events.head, *next; l; l = next) {
                PortEvent *e = l->data;
                next = l->next;
                if (e->kind != kind || e->cookie != cookie)
                        continue;
                g_queue_delete_link(&q->events, l);
                event_free(e);
        }
}
