/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's clock on GLib's main loop, and the fake one for tests. Timers live in one sorted
 * sequence; the system clock keeps a single GSource armed for the earliest of them. */
#include "base/clock.h"

#include <time.h>

typedef struct Timer {
        guint64 id;
        gint64 due_us;
        ClockFunc func;
        gpointer user;
} Timer;

struct Clock {
        gboolean fake;
        gint64 boot_us, real_us; /* fake only */
        guint64 last_id;
        GSequence *timers;
        GHashTable *by_id; /* guint64* -> GSequenceIter* */
        GSource *source;   /* system only */
};

static gint64 now_us(clockid_t id)
{
        struct timespec ts;
        clock_gettime(id, &ts);
        return (gint64)ts.tv_sec * G_USEC_PER_SEC + ts.tv_nsec / 1000;
}

gint64 clock_boot_us(Clock *c)
{
        return c->fake ? c->boot_us : now_us(CLOCK_BOOTTIME);
}

gint64 clock_real_us(Clock *c)
{
        return c->fake ? c->real_us : now_us(CLOCK_REALTIME);
}

static int timer_compare(gconstpointer a, gconstpointer b, gpointer unused)
{
        const Timer *x = a, *y = b;
        if (x->due_us != y->due_us)
                return x->due_us < y->due_us ? -1 : 1;
        return x->id < y->id ? -1 : x->id > y->id;
}

static Timer *first_timer(Clock *c)
{
        GSequenceIter *it = g_sequence_get_begin_iter(c->timers);
        return g_sequence_iter_is_end(it) ? NULL : g_sequence_get(it);
}

/* Arms the GSource for the earliest timer. Monotonic time is what GSource knows; the distance is what
 * counts, and it is computed anew at every wake-up, so a suspend only delays it to the resume. */
static void rearm(Clock *c)
{
        if (c->fake)
                return;
        Timer *t = first_timer(c);
        if (!t) {
                g_source_set_ready_time(c->source, -1);
                return;
        }
        gint64 left = t->due_us - now_us(CLOCK_BOOTTIME);
        g_source_set_ready_time(c->source, left <= 0 ? 0 : g_get_monotonic_time() + left);
}

static void run_due(Clock *c)
{
        for (;;) {
                Timer *t = first_timer(c);
                if (!t || t->due_us > clock_boot_us(c))
                        break;
                ClockFunc func = t->func;
                gpointer user = t->user;
                guint64 id = t->id;
                clock_cancel(c, &id);
                func(user);
        }
        rearm(c);
}

static gboolean source_dispatch(GSource *source, GSourceFunc unused, gpointer user)
{
        run_due(user);
        return G_SOURCE_CONTINUE;
}

static GSourceFuncs clock_source_funcs = {.dispatch = source_dispatch};

static Clock *clock_new(gboolean fake)
{
        Clock *c = g_new0(Clock, 1);
        c->fake = fake;
        c->timers = g_sequence_new(g_free);
        c->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
        return c;
}

Clock *clock_new_system(void)
{
        Clock *c = clock_new(FALSE);
        c->source = g_source_new(&clock_source_funcs, sizeof(GSource));
        g_source_set_static_name(c->source, "clock");
        g_source_set_callback(c->source, NULL, c, NULL);
        g_source_set_ready_time(c->source, -1);
        g_source_attach(c->source, NULL);
        return c;
}

Clock *clock_new_fake(gint64 boot_us, gint64 real_us)
{
        Clock *c = clock_new(TRUE);
        c->boot_us = boot_us;
        c->real_us = real_us;
        return c;
}

void clock_free(Clock *c)
{
        if (!c)
                return;
        if (c->source) {
                g_source_destroy(c->source);
                g_source_unref(c->source);
        }
        g_hash_table_unref(c->by_id);
        g_sequence_free(c->timers);
        g_free(c);
}

guint64 clock_at(Clock *c, gint64 due_us, ClockFunc func, gpointer user)
{
        Timer *t = g_new0(Timer, 1);
        *t = (Timer){.id = ++c->last_id, .due_us = due_us, .func = func, .user = user};
        GSequenceIter *it = g_sequence_insert_sorted(c->timers, t, timer_compare, NULL);
        g_hash_table_insert(c->by_id, &t->id, it);
        rearm(c);
        return t->id;
}

void clock_cancel(Clock *c, guint64 *id)
{
        if (*id == 0)
                return;
        GSequenceIter *it = g_hash_table_lookup(c->by_id, id);
        if (it) {
                g_hash_table_remove(c->by_id, id);
                g_sequence_remove(it);
                rearm(c);
        }
        *id = 0;
}

void clock_advance(Clock *c, gint64 by_us)
{
        g_assert(c->fake && by_us >= 0);
        gint64 end = c->boot_us + by_us;
        for (;;) {
                Timer *t = first_timer(c);
                if (!t || t->due_us > end)
                        break;
                gint64 step = MAX(t->due_us - c->boot_us, 0);
                c->boot_us += step;
                c->real_us += step;
                run_due(c);
        }
        c->real_us += end - c->boot_us;
        c->boot_us = end;
}
