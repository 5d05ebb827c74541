/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one GSource: epoll for the watches, a sorted sequence of timers, a queue of connections that have
 * messages to dispatch. Who calls what: libdbus adds, toggles and removes watches at any moment, also from
 * inside our dispatch; nothing of libdbus is ever dispatched from inside one of its own callbacks. */
#include "dbus/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Messages of one connection in one turn: a flood on one must not starve the others and the timers. */
#define MESSAGES_PER_TURN 256
/* Descriptors looked at in one turn; the rest stay ready in the kernel. Bounds the stack. */
#define EVENTS_PER_TURN 64
/* libdbus has two watches (read, write) for a descriptor; more than this is not its way. */
#define WATCHES_PER_FD 4

typedef struct Descriptor {
        int fd;
        guint32 generation; /* tells apart two users of one number within one epoll_wait() */
        guint32 polled;     /* what epoll was told; 0: not in the set */
        gboolean dirty;
        guint n_watches;
        DBusWatch *watches[WATCHES_PER_FD];
} Descriptor;

struct Loop {
        GSource source; /* first: the source is the loop */
        int epoll_fd;
        gpointer tag;
        guint32 generation;
        GHashTable *descriptors; /* fd → Descriptor, owned */
        GPtrArray *dirty;        /* of Descriptor whose interest may differ from what epoll was told */
        GSequence *timers;       /* of LoopTimer, by due */
        GQueue ready;            /* of LoopLink with messages to dispatch */
        guint users;
};

struct LoopLink {
        guint refs;
        Loop *loop;
        DBusConnection *connection; /* NULL once detached */
        gboolean queued, dispatching;
};

struct LoopTimer {
        GSequenceIter *place;
        gint64 due_us;
        LoopTimerFunc func;
        gpointer user;
};

/* ---- descriptors ---- */

static guint32 descriptor_wants(const Descriptor *d)
{
        guint32 wants = 0;

        for (guint i = 0; i < d->n_watches; i++) {
                if (!dbus_watch_get_enabled(d->watches[i]))
                        continue;
                unsigned flags = dbus_watch_get_flags(d->watches[i]);
                wants |= (flags & DBUS_WATCH_READABLE ? EPOLLIN : 0u) |
                         (flags & DBUS_WATCH_WRITABLE ? EPOLLOUT : 0u);
        }
        return wants;
}

/* A descriptor that nobody wants leaves the set altogether: epoll would go on to tell of hang-ups. */
static void descriptor_sync(Loop *loop, Descriptor *d)
{
        guint32 wants = descriptor_wants(d);
        int op = wants == 0 ? EPOLL_CTL_DEL : d->polled == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        struct epoll_event event = {.events = wants};

        if (wants == d->polled)
                return;
        event.data.u64 = (guint64)d->generation << 32 | (guint32)d->fd;
        if (epoll_ctl(loop->epoll_fd, op, d->fd, &event) < 0 && op != EPOLL_CTL_DEL)
                g_critical("epoll_ctl on descriptor %d: %s", d->fd, g_strerror(errno));
        d->polled = wants;
}

/* libdbus toggles the write watch around each message that the socket does not take at once; telling
 * epoll only before sleeping makes most of that free. */
static void descriptor_touch(Loop *loop, Descriptor *d)
{
        if (d->dirty)
                return;
        d->dirty = TRUE;
        g_ptr_array_add(loop->dirty, d);
}

static void loop_sync_descriptors(Loop *loop)
{
        for (guint i = 0; i < loop->dirty->len; i++) {
                Descriptor *d = loop->dirty->pdata[i];
                d->dirty = FALSE;
                descriptor_sync(loop, d);
        }
        g_ptr_array_set_size(loop->dirty, 0);
}

static Descriptor *descriptor_get(Loop *loop, int fd)
{
        Descriptor *d = g_hash_table_lookup(loop->descriptors, GINT_TO_POINTER(fd));

        if (d)
                return d;
        d = g_new0(Descriptor, 1);
        d->fd = fd;
        d->generation = ++loop->generation;
        g_hash_table_insert(loop->descriptors, GINT_TO_POINTER(fd), d);
        return d;
}

static dbus_bool_t watch_add(DBusWatch *watch, void *data)
{
        Loop *loop = data;
        Descriptor *d = descriptor_get(loop, dbus_watch_get_unix_fd(watch));

        if (d->n_watches == WATCHES_PER_FD)
                return FALSE;
        d->watches[d->n_watches++] = watch;
        descriptor_touch(loop, d);
        return TRUE;
}

static void watch_toggle(DBusWatch *watch, void *data)
{
        Loop *loop = data;
        Descriptor *d =
                g_hash_table_lookup(loop->descriptors, GINT_TO_POINTER(dbus_watch_get_unix_fd(watch)));

        if (d)
                descriptor_touch(loop, d);
}

/* At once, not lazily: libdbus closes the descriptor next, and its number may be another file's then. */
static void watch_remove(DBusWatch *watch, void *data)
{
        Loop *loop = data;
        int fd = dbus_watch_get_unix_fd(watch);
        Descriptor *d = g_hash_table_lookup(loop->descriptors, GINT_TO_POINTER(fd));

        for (guint i = 0; d && i < d->n_watches; i++) {
                if (d->watches[i] != watch)
                        continue;
                d->watches[i] = d->watches[--d->n_watches];
                descriptor_sync(loop, d);
                break;
        }
        if (!d || d->n_watches > 0)
                return;
        if (d->dirty)
                g_ptr_array_remove_fast(loop->dirty, d);
        g_hash_table_remove(loop->descriptors, GINT_TO_POINTER(fd));
}

/* A handler may remove watches, this one's neighbours or other descriptors': everything is looked up
 * again after each. */
static void loop_handle_event(Loop *loop, const struct epoll_event *event)
{
        int fd = (int)(guint32)event->data.u64;
        guint32 generation = event->data.u64 >> 32;
        unsigned happened = (event->events & EPOLLIN ? DBUS_WATCH_READABLE : 0u) |
                            (event->events & EPOLLOUT ? DBUS_WATCH_WRITABLE : 0u) |
                            (event->events & EPOLLERR ? DBUS_WATCH_ERROR : 0u) |
                            (event->events & EPOLLHUP ? DBUS_WATCH_HANGUP : 0u);

        for (guint i = 0; i < WATCHES_PER_FD; i++) {
                Descriptor *d = g_hash_table_lookup(loop->descriptors, GINT_TO_POINTER(fd));
                if (!d || d->generation != generation || i >= d->n_watches)
                        return;
                unsigned flags = happened &
                                 (dbus_watch_get_flags(d->watches[i]) | DBUS_WATCH_ERROR | DBUS_WATCH_HANGUP);
                if (flags && dbus_watch_get_enabled(d->watches[i]))
                        dbus_watch_handle(d->watches[i], flags);
        }
}

static void loop_handle_events(Loop *loop)
{
        struct epoll_event events[EVENTS_PER_TURN];
        int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, 0);

        for (int i = 0; i < n; i++)
                loop_handle_event(loop, &events[i]);
}

/* ---- timers ---- */

static int timer_compare(gconstpointer a, gconstpointer b, gpointer unused)
{
        const LoopTimer *x = a, *y = b;

        return x->due_us < y->due_us ? -1 : x->due_us > y->due_us;
}

LoopTimer *loop_timer_add(Loop *loop, gint64 due_us, LoopTimerFunc func, gpointer user)
{
        LoopTimer *timer = g_new0(LoopTimer, 1);

        timer->due_us = due_us;
        timer->func = func;
        timer->user = user;
        timer->place = g_sequence_insert_sorted(loop->timers, timer, timer_compare, NULL);
        return timer;
}

void loop_timer_cancel(LoopTimer **timer)
{
        if (!*timer)
                return;
        g_sequence_remove((*timer)->place);
        g_clear_pointer(timer, g_free);
}

static LoopTimer *loop_first_timer(Loop *loop)
{
        GSequenceIter *first = g_sequence_get_begin_iter(loop->timers);

        return g_sequence_iter_is_end(first) ? NULL : g_sequence_get(first);
}

/* Timers that a timer adds wait for the next turn, or two of them could keep us here for ever. */
static void loop_run_timers(Loop *loop)
{
        gint64 now = g_get_monotonic_time();
        LoopTimer *timer;

        for (int n = g_sequence_get_length(loop->timers); n > 0; n--) {
                timer = loop_first_timer(loop);
                if (!timer || timer->due_us > now)
                        return;
                g_sequence_remove(timer->place);
                timer->func(timer->user);
                g_free(timer);
        }
}

/* libdbus's own timeouts; they repeat until they are removed or disabled. */
typedef struct Timeout {
        Loop *loop;
        DBusTimeout *timeout;
        LoopTimer *timer;
} Timeout;

static void timeout_free(void *data)
{
        Timeout *t = data;

        loop_timer_cancel(&t->timer);
        g_free(t);
}

static void timeout_run(gpointer user);

static void timeout_arm(Timeout *t)
{
        gint64 interval_us = (gint64)dbus_timeout_get_interval(t->timeout) * 1000;

        loop_timer_cancel(&t->timer);
        if (dbus_timeout_get_enabled(t->timeout))
                t->timer = loop_timer_add(t->loop, g_get_monotonic_time() + interval_us, timeout_run, t);
}

static void timeout_run(gpointer user)
{
        Timeout *t = user;

        t->timer = NULL;
        timeout_arm(t); /* first: handling it may free it */
        dbus_timeout_handle(t->timeout);
}

static dbus_bool_t timeout_add(DBusTimeout *timeout, void *data)
{
        Timeout *t = g_new0(Timeout, 1);

        t->loop = data;
        t->timeout = timeout;
        dbus_timeout_set_data(timeout, t, timeout_free);
        timeout_arm(t);
        return TRUE;
}

static void timeout_toggle(DBusTimeout *timeout, void *data)
{
        timeout_arm(dbus_timeout_get_data(timeout));
}

static void timeout_remove(DBusTimeout *timeout, void *data)
{
        dbus_timeout_set_data(timeout, NULL, NULL);
}

/* ---- connections ---- */

static void link_unref(LoopLink *link)
{
        if (--link->refs == 0)
                g_free(link);
}

static void link_queue(LoopLink *link)
{
        if (link->queued || link->dispatching || !link->connection)
                return;
        link->queued = TRUE;
        g_queue_push_tail(&link->loop->ready, link);
}

static void link_status(DBusConnection *connection, DBusDispatchStatus status, void *data)
{
        if (status != DBUS_DISPATCH_COMPLETE)
                link_queue(data);
}

/* A handler may detach the link, or close the connection. */
static void link_dispatch(LoopLink *link)
{
        DBusConnection *connection = dbus_connection_ref(link->connection);

        link->refs++;
        link->queued = FALSE;
        link->dispatching = TRUE;
        for (guint i = 0; i < MESSAGES_PER_TURN && link->connection; i++)
                if (dbus_connection_dispatch(connection) != DBUS_DISPATCH_DATA_REMAINS)
                        break;
        link->dispatching = FALSE;
        if (dbus_connection_get_dispatch_status(connection) != DBUS_DISPATCH_COMPLETE)
                link_queue(link);
        link_unref(link);
        dbus_connection_unref(connection);
}

static void loop_dispatch_links(Loop *loop)
{
        for (guint n = loop->ready.length; n > 0; n--) {
                LoopLink *link = g_queue_pop_head(&loop->ready);
                if (!link)
                        return;
                link_dispatch(link);
        }
}

LoopLink *loop_attach(Loop *loop, DBusConnection *connection)
{
        LoopLink *link = g_new0(LoopLink, 1);

        link->refs = 1;
        link->loop = loop_ref(loop);
        link->connection = connection;
        if (!dbus_connection_set_watch_functions(connection, watch_add, watch_remove, watch_toggle, loop,
                                                 NULL) ||
            !dbus_connection_set_timeout_functions(connection, timeout_add, timeout_remove, timeout_toggle,
                                                   loop, NULL))
                g_error("out of memory");
        /* No wake-up function: only this thread sends, and it looks before it sleeps. */
        dbus_connection_set_dispatch_status_function(connection, link_status, link, NULL);
        link_status(connection, dbus_connection_get_dispatch_status(connection), link);
        return link;
}

void loop_detach(LoopLink *link)
{
        if (!link)
                return;
        dbus_connection_set_dispatch_status_function(link->connection, NULL, NULL, NULL);
        dbus_connection_set_watch_functions(link->connection, NULL, NULL, NULL, NULL, NULL);
        dbus_connection_set_timeout_functions(link->connection, NULL, NULL, NULL, NULL, NULL);
        if (link->queued)
                g_queue_remove(&link->loop->ready, link);
        link->queued = FALSE;
        link->connection = NULL;
        loop_unref(g_steal_pointer(&link->loop));
        link_unref(link);
}

void loop_attach_server(Loop *loop, DBusServer *server)
{
        if (!dbus_server_set_watch_functions(server, watch_add, watch_remove, watch_toggle, loop_ref(loop),
                                             (DBusFreeFunction)loop_unref) ||
            !dbus_server_set_timeout_functions(server, timeout_add, timeout_remove, timeout_toggle, loop,
                                               NULL))
                g_error("out of memory");
}

/* ---- the source ---- */

static gboolean loop_prepare(GSource *source, int *timeout)
{
        Loop *loop = (Loop *)source;
        LoopTimer *first = loop_first_timer(loop);

        loop_sync_descriptors(loop);
        *timeout = -1;
        if (loop->ready.length > 0)
                *timeout = 0;
        else if (first)
                *timeout = CLAMP((first->due_us - g_source_get_time(source) + 999) / 1000, 0, G_MAXINT);
        return *timeout == 0;
}

static gboolean loop_check(GSource *source)
{
        Loop *loop = (Loop *)source;
        LoopTimer *first = loop_first_timer(loop);

        return loop->ready.length > 0 || (first && first->due_us <= g_source_get_time(source)) ||
               g_source_query_unix_fd(source, loop->tag) != 0;
}

static gboolean loop_dispatch(GSource *source, GSourceFunc callback, gpointer user)
{
        g_autoptr(Loop) loop = loop_ref((Loop *)source); /* the last connection may go meanwhile */

        loop_handle_events(loop);
        loop_run_timers(loop);
        loop_dispatch_links(loop);
        return G_SOURCE_CONTINUE;
}

static void loop_finalize(GSource *source)
{
        Loop *loop = (Loop *)source;

        close(loop->epoll_fd);
        g_hash_table_unref(loop->descriptors);
        g_ptr_array_unref(loop->dirty);
        g_assert(g_sequence_is_empty(loop->timers));
        g_sequence_free(loop->timers);
        g_queue_clear(&loop->ready);
}

static const GSourceFuncs loop_funcs = {loop_prepare, loop_check, loop_dispatch, loop_finalize};

static gboolean loop_never_called(gpointer user)
{
        g_assert_not_reached();
}

static Loop *loop_new(void)
{
        Loop *loop = (Loop *)g_source_new((GSourceFuncs *)&loop_funcs, sizeof(Loop));

        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                g_error("epoll_create1: %s", g_strerror(errno));
        loop->descriptors = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        loop->dirty = g_ptr_array_new();
        loop->timers = g_sequence_new(NULL);
        g_queue_init(&loop->ready);
        loop->tag = g_source_add_unix_fd(&loop->source, loop->epoll_fd, G_IO_IN);
        /* Else GLib unblocks the descriptor again after each dispatch: two eventfd writes. */
        g_source_set_can_recurse(&loop->source, TRUE);
        g_source_set_name(&loop->source, "libdbus");
        /* The callback is only what loop_get() finds the source by. */
        g_source_set_callback(&loop->source, loop_never_called, NULL, NULL);
        g_source_attach(&loop->source, NULL);
        return loop;
}

/* The main context itself remembers its loop: no global of ours. */
Loop *loop_get(void)
{
        Loop *loop = (Loop *)g_main_context_find_source_by_funcs_user_data(NULL, (GSourceFuncs *)&loop_funcs,
                                                                           NULL);

        if (loop)
                return loop_ref(loop);
        loop = loop_new();
        loop->users = 1;
        return loop;
}

Loop *loop_ref(Loop *loop)
{
        loop->users++;
        return loop;
}

void loop_unref(Loop *loop)
{
        if (!loop || --loop->users > 0)
                return;
        g_source_destroy(&loop->source);
        g_source_unref(&loop->source);
}
