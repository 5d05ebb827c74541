/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal's thread. Batches that wait are written together, in order, in one transaction; if that
 * fails, one by one up to the one that fails alone. That one keeps its place and is tried again every
 * second and whenever another comes. Reads are answered between transactions, so neither a long queue
 * nor a full disk holds them up; with no trouble they see everything that was written before them,
 * unless the queue is longer than one transaction takes. */
#include "orchestrator/run/journal-private.h"

struct JournalThread {
        JournalDb *db;
        GAsyncQueue *inbox; /* JournalJob */
        JournalFinished finished;
        gpointer user;
        GThread *thread;
        /* From here on the thread's alone. */
        GQueue writes, reads;
        char *trouble;
        gint64 retry_us;   /* the next try while there is trouble; monotonic */
        gint64 stop_by_us; /* 0: not stopping */
};

static void trouble_set(JournalThread *t, const char *why)
{
        JournalJob *job;

        if (g_strcmp0(t->trouble, why) == 0)
                return;
        g_free(t->trouble);
        t->trouble = g_strdup(why);
        job = g_new0(JournalJob, 1);
        job->kind = JOURNAL_JOB_TROUBLE;
        job->trouble = g_strdup(why);
        t->finished(job, t->user);
}

static void job_sort(JournalThread *t, JournalJob *job)
{
        switch (job->kind) {
        case JOURNAL_JOB_WRITE:
                g_queue_push_tail(&t->writes, job);
                t->retry_us = 0;
                return;
        case JOURNAL_JOB_SINCE:
        case JOURNAL_JOB_RECORDS:
        case JOURNAL_JOB_LOAD:
                g_queue_push_tail(&t->reads, job);
                return;
        case JOURNAL_JOB_STOP:
                t->stop_by_us = g_get_monotonic_time() + JOURNAL_CLOSE_US;
                t->retry_us = 0;
                journal_job_free(job);
                return;
        case JOURNAL_JOB_TROUBLE:
                break;
        }
        g_assert_not_reached();
}

/* How long the thread has nothing to do but wait for a job: -1 without end. */
static gint64 thread_patience(const JournalThread *t)
{
        if (g_queue_is_empty((GQueue *)&t->writes))
                return -1;
        return t->trouble ? MAX(0, t->retry_us - g_get_monotonic_time()) : 0;
}

static void thread_collect(JournalThread *t)
{
        gint64 wait_us = thread_patience(t);
        JournalJob *job;

        if (wait_us < 0)
                job = g_async_queue_pop(t->inbox);
        else if (wait_us > 0)
                job = g_async_queue_timeout_pop(t->inbox, (guint64)wait_us);
        else
                job = g_async_queue_try_pop(t->inbox);
        for (guint i = 1; job; i++) {
                job_sort(t, job);
                job = i < JOURNAL_GROUP_BATCHES ? g_async_queue_try_pop(t->inbox) : NULL;
        }
}

/* Fills BATCHES with the head of the queue, at least one; in trouble, only with the one that is stuck. */
static guint group_form(JournalThread *t, JournalBatch **batches)
{
        guint most = t->trouble ? 1 : JOURNAL_GROUP_BATCHES;
        gsize bytes = 0;
        guint n = 0;

        for (GList *l = t->writes.head; l && n < most; l = l->next) {
                JournalJob *job = l->data;

                bytes += job->batch->bytes;
                if (n > 0 && bytes > JOURNAL_GROUP_BYTES)
                        break;
                batches[n++] = job->batch;
        }
        return n;
}

static void group_finish(JournalThread *t, guint n)
{
        trouble_set(t, NULL);
        for (guint i = 0; i < n; i++)
                t->finished(g_queue_pop_head(&t->writes), t->user);
}

/* One transaction for each, up to the first that fails. */
static gboolean group_write_singly(JournalThread *t, JournalBatch *const *batches, guint n, char **ret_why)
{
        for (guint i = 0; i < n; i++) {
                g_clear_pointer(ret_why, g_free);
                if (!journal_db_write(t->db, &batches[i], 1, ret_why))
                        return FALSE;
                group_finish(t, 1);
        }
        return TRUE;
}

static void thread_write(JournalThread *t)
{
        JournalBatch *batches[JOURNAL_GROUP_BATCHES];
        g_autofree char *why = NULL;
        guint n;

        if (g_queue_is_empty(&t->writes) || (t->trouble && g_get_monotonic_time() < t->retry_us))
                return;
        n = group_form(t, batches);
        if (journal_db_write(t->db, batches, n, &why)) {
                group_finish(t, n);
                return;
        }
        if (n > 1 && group_write_singly(t, batches, n, &why))
                return;
        trouble_set(t, why);
        t->retry_us = g_get_monotonic_time() + (t->stop_by_us ? JOURNAL_CLOSE_RETRY_US : JOURNAL_RETRY_US);
}

static void read_answer(JournalThread *t, JournalJob *job)
{
        switch (job->kind) {
        case JOURNAL_JOB_SINCE:
                job->result = journal_db_since(t->db, job->sequence, job->battery, job->most, &job->error);
                break;
        case JOURNAL_JOB_RECORDS:
                job->result =
                        journal_db_records(t->db, job->record_kind, job->battery, job->most, &job->error);
                break;
        case JOURNAL_JOB_LOAD:
                job->result = journal_db_load(t->db, job->record_kind, &job->error);
                g_async_queue_push(job->reply, job);
                return;
        case JOURNAL_JOB_WRITE:
        case JOURNAL_JOB_STOP:
        case JOURNAL_JOB_TROUBLE:
                g_assert_not_reached();
        }
        t->finished(job, t->user);
}

static void thread_read(JournalThread *t)
{
        JournalJob *job;

        while ((job = g_queue_pop_head(&t->reads)))
                read_answer(t, job);
}

static gboolean thread_is_over(const JournalThread *t)
{
        if (!t->stop_by_us)
                return FALSE;
        return g_queue_is_empty((GQueue *)&t->writes) || g_get_monotonic_time() >= t->stop_by_us;
}

static gpointer thread_run(gpointer data)
{
        JournalThread *t = data;

        while (!thread_is_over(t)) {
                thread_collect(t);
                thread_write(t);
                thread_read(t);
        }
        return NULL;
}

JournalThread *journal_thread_start(JournalDb *db, GAsyncQueue *inbox, JournalFinished finished,
                                    gpointer user)
{
        JournalThread *t = g_new0(JournalThread, 1);

        t->db = db;
        t->inbox = inbox;
        t->finished = finished;
        t->user = user;
        t->thread = g_thread_new("journal", thread_run, t);
        return t;
}

void journal_thread_stop(JournalThread *t)
{
        JournalJob *stop = g_new0(JournalJob, 1);

        stop->kind = JOURNAL_JOB_STOP;
        g_async_queue_push(t->inbox, stop);
        g_thread_join(t->thread);
        g_queue_clear_full(&t->writes, (GDestroyNotify)journal_job_free);
        g_queue_clear_full(&t->reads, (GDestroyNotify)journal_job_free);
        g_free(t->trouble);
        g_free(t);
}
