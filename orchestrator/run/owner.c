/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pidfd per cookie. */
#include "orchestrator/run/owner.h"
#include "orchestrator/run/event-queue.h"
#include "orchestrator/run/process.h"

#include <glib-unix.h>
#include <unistd.h>

typedef struct Owners {
        OwnerPort port; /* first: an OwnerPort* is one of these */
        EventQueue *queue;
        GHashTable *by_cookie; /* guint64* -> Owner */
} Owners;

typedef struct Owner {
        guint64 cookie;
        Owners *all;
        int pidfd;
        guint source;
} Owner;

static void owner_entry_free(gpointer p)
{
        Owner *n = p;
        g_source_remove(n->source);
        close(n->pidfd);
        g_free(n);
}

static gboolean on_gone(int fd, GIOCondition condition, gpointer user)
{
        Owner *n = user;
        PortEvent e = {.kind = PORT_OWNER_GONE, .cookie = n->cookie};
        event_queue_post(n->all->queue, &e);
        g_hash_table_remove(n->all->by_cookie, &e.cookie); /* frees it and its source */
        return G_SOURCE_CONTINUE;
}

static void unwatch(OwnerPort *port, guint64 cookie)
{
        Owners *o = (Owners *)port;
        event_queue_drop(o->queue, PORT_OWNER_GONE, cookie);
        g_hash_table_remove(o->by_cookie, &cookie);
}

/* Watching a cookie again replaces what it watched. */
static gboolean watch(OwnerPort *port, guint64 cookie, int pid, guint64 start_ticks, guint64 *ret_ticks)
{
        Owners *o = (Owners *)port;
        unwatch(port, cookie);
        int fd =
                g_hash_table_size(o->by_cookie) < OWNERS_MAX ? process_open(pid, start_ticks, ret_ticks) : -1;
        if (fd < 0)
                return FALSE;
        Owner *n = g_new0(Owner, 1);
        *n = (Owner){.cookie = cookie, .all = o, .pidfd = fd};
        n->source = g_unix_fd_add(fd, G_IO_IN, on_gone, n);
        g_hash_table_insert(o->by_cookie, &n->cookie, n);
        return TRUE;
}

OwnerPort *owner_new(PortSink sink, gpointer user)
{
        Owners *o = g_new0(Owners, 1);
        o->port = (OwnerPort){.watch = watch, .unwatch = unwatch};
        o->queue = event_queue_new(sink, user);
        o->by_cookie = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, owner_entry_free);
        return &o->port;
}

void owner_free(OwnerPort *port)
{
        Owners *o = (Owners *)port;
        if (!o)
                return;
        g_hash_table_unref(o->by_cookie);
        event_queue_free(o->queue);
        g_free(o);
}
