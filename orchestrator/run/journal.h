/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: what the daemon must still know after it died at any moment. SQLite (WAL,
 * synchronous=FULL) on a thread of its own; the main loop never waits for the disk. Batches are written
 * in the order given, each in one SQLite transaction, and completed in that order on the main context.
 * A batch that cannot be written (disk full) stays first in the queue and is tried again every
 * second; nothing after it is written or completed before it.
 *
 * Three tables: record(kind, id, battery, body) for what is, event(sequence, kind, time_us, battery,
 * detail) for what happened, meta(schema). Bodies are GVariant text (a{sv}, g_variant_print with types)
 * so that a person with the sqlite3 shell can read them. */
#pragma once

#include <glib.h>

typedef struct Journal Journal;
typedef struct JournalBatch JournalBatch;

#define JOURNAL_SCHEMA 1 /* what we write; JOURNAL_SCHEMA - 1 is still read */

/* Exceeding the first two is the caller's bug: what comes from outside is measured before it gets here. */
#define JOURNAL_BATCH_MAX 4096         /* changes in a batch: a transaction's length, so a read's wait */
/* Bytes of a body's text: one record's share of memory and disk. The largest is a whole distribution's
 * upgrade: 10,000 package changes of some 200 bytes. */
#define JOURNAL_BODY_MAX (4 * 1024 * 1024)
#define JOURNAL_READ_MAX 1000          /* rows of one answer, whatever MOST says: one bus message */

/* Opens or creates PATH, takes an exclusive lock on it for this daemon's life (a second one gets an
 * error that says so), checks the schema, starts the thread. Blocking: for start-up only. */
Journal *journal_open(const char *path, GError **error);
/* Writes what is queued if it can within a second, stops the thread, closes. No callback comes after it,
 * not even for what it still wrote. Not to be called from a callback of the journal. */
void journal_close(Journal *j);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Journal, journal_close)

JournalBatch *journal_batch_new(void);
void journal_batch_free(JournalBatch *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalBatch, journal_batch_free)
/* BODY: a{sv}, floating is consumed. Replaces the record (KIND, ID). BATTERY "" if it is about none. */
void journal_batch_put(JournalBatch *b, const char *kind, const char *id, const char *battery,
                       GVariant *body);
void journal_batch_delete(JournalBatch *b, const char *kind, const char *id);
void journal_batch_event(JournalBatch *b, guint64 sequence, const char *kind, gint64 time_us,
                         const char *battery, GVariant *detail);
gboolean journal_batch_is_empty(const JournalBatch *b);
/* It holds JOURNAL_BATCH_MAX changes: nothing more may be added. */
gboolean journal_batch_is_full(const JournalBatch *b);

typedef void (*JournalDone)(gpointer user);
/* Takes BATCH. DONE (may be NULL) runs on the default main context once it is durable. */
void journal_write(Journal *j, JournalBatch *batch, JournalDone done, gpointer user);
/* NULL while all is well, else why the first batch of the queue cannot be written ("database or disk is
 * full"). CHANGED is called on the main context when that begins or ends. */
const char *journal_trouble(Journal *j);
void journal_on_trouble(Journal *j, void (*changed)(const char *trouble_or_null, gpointer user),
                        gpointer user);

/* Start-up only, blocking: all records of KIND in the order of their number (ids are decimal) or name. */
typedef void (*JournalRecordFunc)(const char *id, const char *battery, GVariant *body, gpointer user);
gboolean journal_load(Journal *j, const char *kind, JournalRecordFunc func, gpointer user, GError **error);
/* Start-up only: the highest event sequence ever given out, 0 if none. */
guint64 journal_last_sequence(Journal *j);

/* Asynchronous reads on the thread, completed on the main context; RESULT owned by the callee's caller.
 * since: a(tsxsa{sv}) (sequence, kind, time_us, battery, detail), battery NULL for all, oldest first.
 * records: a(sa{sv}) of (id, body) of a KIND and battery (NULL: all), the highest ids first. */
typedef void (*JournalResult)(GVariant *result, const GError *error, gpointer user);
void journal_since(Journal *j, guint64 sequence, const char *battery, guint most, JournalResult func,
                   gpointer user);
void journal_records(Journal *j, const char *kind, const char *battery, guint most, JournalResult func,
                     gpointer user);

/* Keeps the newest KEEP events and, of KIND, the newest KEEP_RECORDS per battery; queued like a batch. */
void journal_trim(Journal *j, guint keep_events, const char *kind, guint keep_records);
