/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The outbox: one batch and its effects for a turn of the loop and the one after it. */
#include "orchestrator/run/outbox.h"

typedef struct Effect {
        OutboxFunc func;
        gpointer user;
        GVariant *args;
} Effect;

/* Effects that wait for one batch. Effects put while nothing is to be written join the newest batch on its
 * way, so that order holds. */
typedef struct Parcel {
        Outbox *outbox;
        GArray *effects;
} Parcel;

struct Outbox {
        Journal *journal;
        JournalBatch *batch;
        GArray *effects;
        GArray *soon;     /* those that wait for no batch */
        GQueue under_way; /* of Parcel */
        GSource *idle;
        gboolean armed, graced; /* graced: the turn after has come */
};

static void effect_clear(gpointer p)
{
        Effect *e = p;
        if (e->args)
                g_variant_unref(e->args);
}

static GArray *effects_new(void)
{
        GArray *a = g_array_new(FALSE, FALSE, sizeof(Effect));
        g_array_set_clear_func(a, effect_clear);
        return a;
}

static void effects_run(GArray *effects)
{
        for (guint i = 0; i < effects->len; i++) {
                Effect *e = &g_array_index(effects, Effect, i);
                e->func(e->user, e->args);
        }
}

static void parcel_free(gpointer data)
{
        Parcel *p = data;
        g_array_unref(p->effects);
        g_free(p);
}

static void parcel_done(gpointer user)
{
        Parcel *p = user;
        Parcel *first = g_queue_pop_head(&p->outbox->under_way);
        g_assert(first == p);
        effects_run(p->effects);
        parcel_free(p);
}

static void hand_over(Outbox *o, GArray *effects)
{
        Parcel *p = g_new0(Parcel, 1);
        p->outbox = o;
        p->effects = effects;
        g_queue_push_tail(&o->under_way, p);
        JournalBatch *batch = o->batch;
        o->batch = journal_batch_new();
        journal_write(o->journal, batch, parcel_done, p);
}

/* A turn that changes more than a batch may hold is written in several, one after the other; its effects
 * wait for the last. A crash between them is one between turns. */
static void make_room(Outbox *o)
{
        if (journal_batch_is_full(o->batch))
                hand_over(o, effects_new());
}

static void flush(Outbox *o)
{
        g_autoptr(GArray) soon = g_steal_pointer(&o->soon);
        o->soon = effects_new();
        effects_run(soon);
        g_autoptr(GArray) effects = g_steal_pointer(&o->effects);
        o->effects = effects_new();
        if (!journal_batch_is_empty(o->batch)) {
                hand_over(o, g_steal_pointer(&effects));
        } else if (!g_queue_is_empty(&o->under_way)) {
                Parcel *last = g_queue_peek_tail(&o->under_way);
                for (guint i = 0; i < effects->len; i++) {
                        Effect e = g_array_index(effects, Effect, i);
                        g_array_append_val(last->effects, e);
                }
                g_array_set_clear_func(effects, NULL); /* moved */
        } else {
                effects_run(effects);
        }
}

static gboolean on_idle(gpointer user)
{
        Outbox *o = user;
        if (!o->graced) { /* still ready: called again in the next turn */
                o->graced = TRUE;
                return G_SOURCE_CONTINUE;
        }
        o->armed = FALSE;
        g_source_set_ready_time(o->idle, -1);
        flush(o);
        return G_SOURCE_CONTINUE;
}

static gboolean idle_dispatch(GSource *source, GSourceFunc func, gpointer user)
{
        return func(user);
}
static GSourceFuncs idle_funcs = {.dispatch = idle_dispatch};

Outbox *outbox_new(Journal *journal)
{
        Outbox *o = g_new0(Outbox, 1);
        o->journal = journal;
        o->batch = journal_batch_new();
        o->effects = effects_new();
        o->soon = effects_new();
        g_queue_init(&o->under_way);
        o->idle = g_source_new(&idle_funcs, sizeof(GSource));
        g_source_set_static_name(o->idle, "outbox");
        g_source_set_callback(o->idle, on_idle, o, NULL);
        g_source_set_ready_time(o->idle, -1);
        g_source_attach(o->idle, NULL);
        return o;
}

void outbox_free(Outbox *o)
{
        if (!o)
                return;
        g_queue_clear_full(&o->under_way, parcel_free);
        g_source_destroy(o->idle);
        g_source_unref(o->idle);
        journal_batch_free(o->batch);
        g_array_unref(o->effects);
        g_array_unref(o->soon);
        g_free(o);
}

/* After everything that is ready now has been dispatched once, and what followed from it at once, too: a port
 * that answers without delay (a held process) saves a write of its own. One turn and no more, or a flood of
 * calls could put the write off for ever. */
static void arm(Outbox *o)
{
        if (o->armed)
                return;
        o->armed = TRUE;
        o->graced = FALSE;
        g_source_set_ready_time(o->idle, 0);
}

void outbox_put(Outbox *o, const char *kind, const char *id, const char *battery, GVariant *body)
{
        make_room(o);
        journal_batch_put(o->batch, kind, id, battery, body);
        arm(o);
}

void outbox_delete(Outbox *o, const char *kind, const char *id)
{
        make_room(o);
        journal_batch_delete(o->batch, kind, id);
        arm(o);
}

void outbox_event(Outbox *o, guint64 sequence, const char *kind, gint64 time_us, const char *battery,
                  GVariant *detail)
{
        make_room(o);
        journal_batch_event(o->batch, sequence, kind, time_us, battery, detail);
        arm(o);
}

void outbox_after(Outbox *o, OutboxFunc func, gpointer user, GVariant *args)
{
        Effect e = {func, user, args ? g_variant_ref_sink(args) : NULL};
        g_array_append_val(o->effects, e);
        arm(o);
}

void outbox_soon(Outbox *o, OutboxFunc func, gpointer user, GVariant *args)
{
        Effect e = {func, user, args ? g_variant_ref_sink(args) : NULL};
        g_array_append_val(o->soon, e);
        arm(o);
}
