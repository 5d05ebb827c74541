/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening the journal's database: its mode, its lock, its integrity, its schema. Everything here blocks
 * and runs at start-up only. Reading and writing rows is journal-query.c. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orchestrator/run/journal-private.h"

/* 256 pages of 4 KiB: the log is folded into the database at each MiB, so both stay small. */
#define SETTINGS                                                                                             \
        "PRAGMA wal_autocheckpoint=256;"                                                                     \
        "PRAGMA journal_size_limit=4194304;"                                                                 \
        "PRAGMA temp_store=MEMORY;" /* a read sorts without the disk, which may be full */

/* WITHOUT ROWID: a record's replacement touches one tree. last_sequence survives the trim of all events. */
static const char schema_sql[] =
        "BEGIN IMMEDIATE;"
        "CREATE TABLE record(kind TEXT NOT NULL, id TEXT NOT NULL, battery TEXT NOT NULL, body TEXT NOT NULL,"
        " PRIMARY KEY(kind, id)) WITHOUT ROWID;"
        "CREATE INDEX record_battery ON record(kind, battery);"
        "CREATE TABLE event(sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, time_us INTEGER NOT NULL,"
        " battery TEXT NOT NULL, detail TEXT NOT NULL);"
        "CREATE INDEX event_battery ON event(battery);"
        "CREATE TABLE meta(schema INTEGER NOT NULL, last_sequence INTEGER NOT NULL DEFAULT 0);"
        "INSERT INTO meta(schema) VALUES(" G_STRINGIFY(JOURNAL_SCHEMA) ");"
                                                                       "COMMIT;";

/* From JOURNAL_SCHEMA - 1. Schema 0 was never released; it lacked what is added here. */
static const char migration_sql[] = "BEGIN IMMEDIATE;"
                                    "ALTER TABLE meta ADD COLUMN last_sequence INTEGER NOT NULL DEFAULT 0;"
                                    "CREATE INDEX record_battery ON record(kind, battery);"
                                    "CREATE INDEX event_battery ON event(battery);"
                                    "UPDATE meta SET schema=" G_STRINGIFY(JOURNAL_SCHEMA) ";"
                                                                                          "COMMIT;";
G_STATIC_ASSERT(JOURNAL_SCHEMA == 1); /* a new schema needs a new migration_sql, from the one before */

char *journal_db_why(JournalDb *db)
{
        return g_strdup(sqlite3_errmsg(db->sqlite));
}

static gboolean db_damaged(JournalDb *db, const char *why, GError **error)
{
        g_set_error(
                error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "the journal %s is damaged (%s); move it, its -wal and its -shm file away and start again "
                "(what is lost then: docs/worst-day)",
                db->path, why);
        return FALSE;
}

static gboolean db_fail(JournalDb *db, const char *doing, GError **error)
{
        int primary = sqlite3_extended_errcode(db->sqlite) & 0xff;
        g_autofree char *why = journal_db_why(db);

        if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
                return db_damaged(db, why, error);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s the journal %s: %s", doing, db->path, why);
        return FALSE;
}

static gboolean db_exec(JournalDb *db, const char *sql, const char *doing, GError **error)
{
        if (sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
                return TRUE;
        return db_fail(db, doing, error);
}

/* The first column of the first row, NULL with ERROR unset if there is none. */
static gboolean db_ask(JournalDb *db, const char *sql, char **ret_answer, GError **error)
{
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &st, NULL);

        *ret_answer = NULL;
        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                *ret_answer = g_strdup((const char *)sqlite3_column_text(st, 0));
        else if (rc != SQLITE_DONE)
                db_fail(db, "reading", error);
        sqlite3_finalize(st);
        return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static gboolean db_expect(JournalDb *db, const char *sql, const char *expected, GError **error)
{
        g_autofree char *answer = NULL;

        if (!db_ask(db, sql, &answer, error))
                return FALSE;
        if (g_strcmp0(answer, expected) == 0)
                return TRUE;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "the journal %s: %s answers %s instead of %s", db->path, sql, answer ? answer : "nothing",
                    expected);
        return FALSE;
}

static gboolean db_check(JournalDb *db, GError **error)
{
        g_autofree char *answer = NULL;

        if (!db_ask(db, "PRAGMA quick_check(1)", &answer, error))
                return FALSE;
        return g_strcmp0(answer, "ok") == 0 || db_damaged(db, answer ? answer : "no answer", error);
}

static gboolean db_settle(JournalDb *db, GError **error)
{
        return db_expect(db, "PRAGMA journal_mode=WAL", "wal", error) &&
               db_exec(db, "PRAGMA synchronous=FULL;" SETTINGS, "setting up", error) &&
               db_expect(db, "PRAGMA synchronous", "2", error);
}

static gboolean db_migrate(JournalDb *db, const char *found, GError **error)
{
        gint64 schema = found ? g_ascii_strtoll(found, NULL, 10) : -1;

        if (schema == JOURNAL_SCHEMA)
                return TRUE;
        if (schema == JOURNAL_SCHEMA - 1)
                return db_exec(db, migration_sql, "migrating", error);
        if (!found)
                return db_damaged(db, "no schema number in it", error);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "the journal %s has schema %s; this version of kantan-orchestratord reads %d and %d, "
                    "so install %s one",
                    db->path, found, JOURNAL_SCHEMA - 1, JOURNAL_SCHEMA,
                    schema > JOURNAL_SCHEMA ? "a newer" : "an intermediate");
        return FALSE;
}

static gboolean db_schema(JournalDb *db, GError **error)
{
        g_autofree char *tables = NULL, *found = NULL;

        if (!db_ask(db, "SELECT count(*) FROM sqlite_master", &tables, error))
                return FALSE;
        if (g_strcmp0(tables, "0") == 0)
                return db_exec(db, schema_sql, "creating", error);
        g_clear_pointer(&tables, g_free);
        if (!db_ask(db, "SELECT name FROM sqlite_master WHERE type='table' AND name='meta'", &tables, error))
                return FALSE;
        if (!tables)
                return db_damaged(db, "it is some other database", error);
        if (!db_ask(db, "SELECT schema FROM meta", &found, error))
                return FALSE;
        return db_migrate(db, found, error);
}

/* SQLite gives the -wal and -shm files the mode of the database, so the database's is set first. The
 * directory is synced so that a new journal's name is as durable as its first record. */
static gboolean db_create_file(const char *path, GError **error)
{
        g_autofree char *dir = g_path_get_dirname(path);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        gboolean ok = fd >= 0 && fchmod(fd, 0600) == 0;
        int dir_fd = ok ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int saved;

        ok = ok && dir_fd >= 0 && fsync(dir_fd) == 0;
        saved = errno;
        if (dir_fd >= 0)
                close(dir_fd);
        if (fd >= 0)
                close(fd);
        if (!ok)
                g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(saved),
                            "opening the journal %s: %s", path, g_strerror(saved));
        return ok;
}

static gboolean db_connect(JournalDb *db, GError **error)
{
        /* Used by one thread at a time: by this one now, by the journal's from its start to its end. */
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

        if (sqlite3_open_v2(db->path, &db->sqlite, flags, NULL) != SQLITE_OK)
                return db_fail(db, "opening", error);
        sqlite3_busy_timeout(db->sqlite, JOURNAL_BUSY_MS);
        return TRUE;
}

JournalDb *journal_db_open(const char *path, GError **error)
{
        g_autoptr(JournalDb) db = g_new0(JournalDb, 1);

        db->path = g_strdup(path);
        db->lock_fd = journal_lock(path, error);
        if (db->lock_fd < 0)
                return NULL;
        if (!db_create_file(path, error) || !db_connect(db, error) || !db_check(db, error) ||
            !db_settle(db, error) || !db_schema(db, error) || !journal_db_prepare(db, error))
                return NULL;
        return g_steal_pointer(&db);
}

void journal_db_close(JournalDb *db)
{
        if (!db)
                return;
        for (guint i = 0; i < _JOURNAL_ST_MAX; i++)
                sqlite3_finalize(db->statements[i]);
        sqlite3_close(db->sqlite);
        if (db->lock_fd >= 0)
                close(db->lock_fd);
        g_free(db->path);
        g_free(db);
}
