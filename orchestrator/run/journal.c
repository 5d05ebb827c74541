/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal as the main thread sees it: batches are built and handed over, what the thread finished is
 * told on the default main context, in the thread's order, by one source that the thread wakes. */
#include <string.h>

#include "orchestrator/run/journal-private.h"

typedef struct Listener {
        void (*changed)(const char *trouble_or_null, gpointer user);
        gpointer user;
} Listener;

struct Journal {
        JournalDb *db;
        JournalThread *thread;
        GAsyncQueue *inbox; /* to the thread */
        GSource *source;
        GMutex lock;     /* guards finished */
        GQueue finished; /* from the thread */
        GArray *listeners;
        char *trouble; /* as last told; the thread has its own */
        guint64 last_sequence;
        gboolean dispatching;
};

typedef struct JournalSource {
        GSource source;
        Journal *journal;
} JournalSource;

/* ---- batches ---- */

static void op_clear(gpointer data)
{
        JournalOp *op = data;

        g_free(op->kind);
        g_free(op->id);
        g_free(op->battery);
        g_free(op->text);
}

JournalBatch *journal_batch_new(void)
{
        JournalBatch *b = g_new0(JournalBatch, 1);

        b->ops = g_array_new(FALSE, TRUE, sizeof(JournalOp));
        g_array_set_clear_func(b->ops, op_clear);
        return b;
}

void journal_batch_free(JournalBatch *b)
{
        if (!b)
                return;
        g_array_unref(b->ops);
        g_free(b);
}

static void batch_add(JournalBatch *b, JournalOp op)
{
        g_assert(b->ops->len < JOURNAL_BATCH_MAX);
        b->bytes += op.text ? strlen(op.text) : 0;
        g_array_append_val(b->ops, op);
}

/* Consumes a floating BODY, as GVariant's own functions do. */
static char *body_print(GVariant *body)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(body);
        char *text;

        g_assert(g_variant_is_of_type(owned, G_VARIANT_TYPE_VARDICT));
        text = g_variant_print(owned, TRUE);
        g_assert(strlen(text) <= JOURNAL_BODY_MAX);
        return text;
}

void journal_batch_put(JournalBatch *b, const char *kind, const char *id, const char *battery, GVariant *body)
{
        batch_add(b, (JournalOp){.op = JOURNAL_OP_PUT,
                                 .kind = g_strdup(kind),
                                 .id = g_strdup(id),
                                 .battery = g_strdup(battery ? battery : ""),
                                 .text = body_print(body)});
}

void journal_batch_delete(JournalBatch *b, const char *kind, const char *id)
{
        batch_add(b, (JournalOp){.op = JOURNAL_OP_DELETE, .kind = g_strdup(kind), .id = g_strdup(id)});
}

void journal_batch_event(JournalBatch *b, guint64 sequence, const char *kind, gint64 time_us,
                         const char *battery, GVariant *detail)
{
        g_assert(sequence > 0 && sequence <= G_MAXINT64); /* SQLite's integers have a sign */
        batch_add(b, (JournalOp){.op = JOURNAL_OP_EVENT,
                                 .kind = g_strdup(kind),
                                 .battery = g_strdup(battery ? battery : ""),
                                 .text = body_print(detail),
                                 .sequence = sequence,
                                 .time_us = time_us});
}

gboolean journal_batch_is_empty(const JournalBatch *b)
{
        return b->ops->len == 0;
}

gboolean journal_batch_is_full(const JournalBatch *b)
{
        return b->ops->len >= JOURNAL_BATCH_MAX;
}

/* ---- jobs ---- */

static JournalJob *job_new(JournalJobKind kind)
{
        JournalJob *job = g_new0(JournalJob, 1);

        job->kind = kind;
        return job;
}

void journal_job_free(JournalJob *job)
{
        if (!job)
                return;
        journal_batch_free(job->batch);
        g_free(job->record_kind);
        g_free(job->battery);
        g_free(job->trouble);
        g_clear_pointer(&job->result, g_variant_unref);
        g_clear_error(&job->error);
        g_free(job);
}

static guint64 batch_last_sequence(const JournalBatch *b)
{
        guint64 last = 0;

        for (guint i = 0; i < b->ops->len; i++)
                last = MAX(last, g_array_index(b->ops, JournalOp, i).sequence);
        return last;
}

void journal_write(Journal *j, JournalBatch *batch, JournalDone done, gpointer user)
{
        JournalJob *job = job_new(JOURNAL_JOB_WRITE);

        j->last_sequence = MAX(j->last_sequence, batch_last_sequence(batch));
        job->batch = batch;
        job->done = done;
        job->user = user;
        g_async_queue_push(j->inbox, job);
}

void journal_trim(Journal *j, guint keep_events, const char *kind, guint keep_records)
{
        JournalBatch *batch = journal_batch_new();

        batch_add(batch, (JournalOp){.op = JOURNAL_OP_TRIM,
                                     .kind = g_strdup(kind),
                                     .keep_events = keep_events,
                                     .keep_records = keep_records});
        journal_write(j, batch, NULL, NULL);
}

void journal_since(Journal *j, guint64 sequence, const char *battery, guint most, JournalResult func,
                   gpointer user)
{
        JournalJob *job = job_new(JOURNAL_JOB_SINCE);

        job->sequence = sequence;
        job->battery = g_strdup(battery);
        job->most = most;
        job->func = func;
        job->user = user;
        g_async_queue_push(j->inbox, job);
}

void journal_records(Journal *j, const char *kind, const char *battery, guint most, JournalResult func,
                     gpointer user)
{
        JournalJob *job = job_new(JOURNAL_JOB_RECORDS);

        job->record_kind = g_strdup(kind);
        job->battery = g_strdup(battery);
        job->most = most;
        job->func = func;
        job->user = user;
        g_async_queue_push(j->inbox, job);
}

gboolean journal_load(Journal *j, const char *kind, JournalRecordFunc func, gpointer user, GError **error)
{
        g_autoptr(GAsyncQueue) reply = g_async_queue_new();
        g_autoptr(JournalJob) job = job_new(JOURNAL_JOB_LOAD);
        const char *id, *battery;
        GVariantIter rows;
        GVariant *body;

        job->record_kind = g_strdup(kind);
        job->reply = reply;
        g_async_queue_push(j->inbox, job);
        g_async_queue_pop(reply);
        if (!job->result) {
                g_propagate_error(error, g_steal_pointer(&job->error));
                return FALSE;
        }
        g_variant_iter_init(&rows, job->result);
        while (g_variant_iter_loop(&rows, "(&s&s@a{sv})", &id, &battery, &body))
                func(id, battery, body, user);
        return TRUE;
}

guint64 journal_last_sequence(Journal *j)
{
        return j->last_sequence;
}

/* ---- what comes back ---- */

/* On the thread. */
static void job_finished(JournalJob *job, gpointer user)
{
        Journal *j = user;

        g_mutex_lock(&j->lock);
        g_queue_push_tail(&j->finished, job);
        g_mutex_unlock(&j->lock);
        g_source_set_ready_time(j->source, 0);
}

static JournalJob *finished_pop(Journal *j)
{
        JournalJob *job;

        g_mutex_lock(&j->lock);
        job = g_queue_pop_head(&j->finished);
        g_mutex_unlock(&j->lock);
        return job;
}

static void trouble_tell(Journal *j, JournalJob *job)
{
        g_free(j->trouble);
        j->trouble = g_steal_pointer(&job->trouble);
        for (guint i = 0; i < j->listeners->len; i++) {
                const Listener *l = &g_array_index(j->listeners, Listener, i);
                l->changed(j->trouble, l->user);
        }
}

static void job_tell(Journal *j, JournalJob *job)
{
        switch (job->kind) {
        case JOURNAL_JOB_WRITE:
                if (job->done)
                        job->done(job->user);
                return;
        case JOURNAL_JOB_SINCE:
        case JOURNAL_JOB_RECORDS:
                job->func(job->result, job->error, job->user);
                return;
        case JOURNAL_JOB_TROUBLE:
                trouble_tell(j, job);
                return;
        case JOURNAL_JOB_LOAD:
        case JOURNAL_JOB_STOP:
                break;
        }
        g_assert_not_reached();
}

/* At most one group a turn, so that a long queue that drains at once does not hold up the loop. */
static gboolean source_dispatch(GSource *source, GSourceFunc unused, gpointer unused_user)
{
        Journal *j = ((JournalSource *)source)->journal;
        guint told = 0;
        JournalJob *job;

        g_source_set_ready_time(source, -1); /* before looking: what comes later wakes us again */
        j->dispatching = TRUE;
        while (told++ < JOURNAL_GROUP_BATCHES && (job = finished_pop(j))) {
                job_tell(j, job);
                journal_job_free(job);
        }
        j->dispatching = FALSE;
        if (told > JOURNAL_GROUP_BATCHES)
                g_source_set_ready_time(source, 0);
        return G_SOURCE_CONTINUE;
}

const char *journal_trouble(Journal *j)
{
        return j->trouble;
}

void journal_on_trouble(Journal *j, void (*changed)(const char *trouble_or_null, gpointer user),
                        gpointer user)
{
        Listener l = {changed, user};

        g_array_append_val(j->listeners, l);
}

/* ---- its life ---- */

static GSource *source_attach(Journal *j)
{
        static GSourceFuncs funcs = {.dispatch = source_dispatch};
        GSource *source = g_source_new(&funcs, sizeof(JournalSource));

        ((JournalSource *)source)->journal = j;
        g_source_set_static_name(source, "journal");
        g_source_set_priority(source, G_PRIORITY_DEFAULT);
        g_source_attach(source, NULL);
        return source;
}

Journal *journal_open(const char *path, GError **error)
{
        g_autoptr(JournalDb) db = journal_db_open(path, error);
        guint64 last_sequence = 0;
        Journal *j;

        if (!db || !journal_db_last_sequence(db, &last_sequence, error))
                return NULL;
        j = g_new0(Journal, 1);
        j->db = g_steal_pointer(&db);
        j->last_sequence = last_sequence;
        j->inbox = g_async_queue_new();
        j->listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
        g_mutex_init(&j->lock);
        g_queue_init(&j->finished);
        j->source = source_attach(j);
        j->thread = journal_thread_start(j->db, j->inbox, job_finished, j);
        return j;
}

void journal_close(Journal *j)
{
        if (!j)
                return;
        g_assert(!j->dispatching); /* not from one of its own callbacks */
        journal_thread_stop(j->thread);
        g_source_destroy(j->source);
        g_source_unref(j->source);
        g_queue_clear_full(&j->finished, (GDestroyNotify)journal_job_free);
        g_async_queue_unref(j->inbox);
        g_mutex_clear(&j->lock);
        g_array_unref(j->listeners);
        g_free(j->trouble);
        journal_db_close(j->db);
        g_free(j);
}
