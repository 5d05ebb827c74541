/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal from inside: what its files share. journal.c is the main thread's side, journal-thread.c
 * the writer's, journal-db.c opens the database, journal-query.c reads and writes it, journal-lock.c
 * keeps a second daemon out. */
#pragma once

#include <gio/gio.h>
#include <sqlite3.h>

#include "orchestrator/run/journal.h"

/* One transaction never holds more than this many batches and bytes of text: it bounds how long a read
 * waits behind it, and how far the write-ahead log overshoots its checkpoint. */
#define JOURNAL_GROUP_BATCHES 256
#define JOURNAL_GROUP_BYTES (4 * 1024 * 1024)
/* A read ends after this much text even if MOST is not reached: its answer must fit one bus message
 * (32 MiB on the system bus), with room for what the text form is shorter than the binary one. */
#define JOURNAL_READ_BYTES (8 * 1024 * 1024)
/* A person's sqlite3 shell may hold the database for a moment; reads wait no longer than this for it. */
#define JOURNAL_BUSY_MS 200
#define JOURNAL_RETRY_US G_USEC_PER_SEC
/* How long a close goes on trying, and how often. */
#define JOURNAL_CLOSE_US G_USEC_PER_SEC
#define JOURNAL_CLOSE_RETRY_US (G_USEC_PER_SEC / 10)

/* ---- batches ---- */
typedef enum JournalOpKind {
        JOURNAL_OP_PUT,
        JOURNAL_OP_DELETE,
        JOURNAL_OP_EVENT,
        JOURNAL_OP_TRIM,
} JournalOpKind;

typedef struct JournalOp {
        JournalOpKind op;
        char *kind, *id, *battery, *text;
        guint64 sequence;
        gint64 time_us;
        guint keep_events, keep_records;
} JournalOp;

struct JournalBatch {
        GArray *ops; /* JournalOp */
        gsize bytes; /* of text */
};

/* ---- the database ---- */
typedef enum JournalStatement {
        JOURNAL_ST_BEGIN,
        JOURNAL_ST_COMMIT,
        JOURNAL_ST_PUT,
        JOURNAL_ST_DELETE,
        JOURNAL_ST_EVENT,
        JOURNAL_ST_TRIM_MARK,
        JOURNAL_ST_TRIM_EVENTS,
        JOURNAL_ST_TRIM_RECORDS,
        JOURNAL_ST_LOAD,
        JOURNAL_ST_RECORDS,
        JOURNAL_ST_SINCE,
        JOURNAL_ST_SINCE_BATTERY,
        JOURNAL_ST_LAST_SEQUENCE,
        _JOURNAL_ST_MAX,
} JournalStatement;

typedef struct JournalDb {
        char *path;
        sqlite3 *sqlite;
        sqlite3_stmt *statements[_JOURNAL_ST_MAX];
        int lock_fd;
} JournalDb;

JournalDb *journal_db_open(const char *path, GError **error);
void journal_db_close(JournalDb *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalDb, journal_db_close)

/* Returns the descriptor that holds the lock for PATH, -1 with ERROR (G_IO_ERROR_BUSY: held). */
int journal_lock(const char *path, GError **error);

gboolean journal_db_prepare(JournalDb *db, GError **error);
/* All of the N batches or none; *RET_WHY is the trouble's text. */
gboolean journal_db_write(JournalDb *db, JournalBatch *const *batches, guint n, char **ret_why);
/* These return a strong reference, or NULL with ERROR. load: a(ssa{sv}) (id, battery, body). */
GVariant *journal_db_since(JournalDb *db, guint64 sequence, const char *battery, guint most, GError **error);
GVariant *journal_db_records(JournalDb *db, const char *kind, const char *battery, guint most,
                             GError **error);
GVariant *journal_db_load(JournalDb *db, const char *kind, GError **error);
gboolean journal_db_last_sequence(JournalDb *db, guint64 *ret_sequence, GError **error);
/* What SQLite says of its last failure; a copy, for the next call changes it. */
char *journal_db_why(JournalDb *db);

/* ---- jobs: what travels to the thread and comes back ---- */
typedef enum JournalJobKind {
        JOURNAL_JOB_WRITE,
        JOURNAL_JOB_SINCE,
        JOURNAL_JOB_RECORDS,
        JOURNAL_JOB_LOAD,
        JOURNAL_JOB_STOP,
        JOURNAL_JOB_TROUBLE, /* only back: trouble began, changed its text, or ended (NULL) */
} JournalJobKind;

typedef struct JournalJob {
        JournalJobKind kind;
        JournalBatch *batch;
        JournalDone done;
        JournalResult func;
        gpointer user;
        char *record_kind, *battery, *trouble;
        guint64 sequence;
        guint most;
        GAsyncQueue *reply; /* LOAD: the caller waits here, not on the main context */
        GVariant *result;
        GError *error;
} JournalJob;

void journal_job_free(JournalJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalJob, journal_job_free)

/* ---- the thread ---- */
typedef struct JournalThread JournalThread;
/* FINISHED runs on the thread, takes the job. DB and INBOX stay the caller's, untouched until stop. */
typedef void (*JournalFinished)(JournalJob *job, gpointer user);
JournalThread *journal_thread_start(JournalDb *db, GAsyncQueue *inbox, JournalFinished finished,
                                    gpointer user);
void journal_thread_stop(JournalThread *t);
