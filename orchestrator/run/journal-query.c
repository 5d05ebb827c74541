/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal's rows: batches written in one transaction, records and events read back. Text that
 * SQLite hands out is checked like anything from outside: a person may have edited it. */
#include <string.h>

#include "orchestrator/run/journal-private.h"

/* Ids are decimal numbers or names: numbers by value, names (which count as 0) by their bytes. */
#define BY_NUMBER_UP "CAST(id AS INTEGER) ASC, id ASC"
#define BY_NUMBER_DOWN "CAST(id AS INTEGER) DESC, id DESC"

/* Replacing, events too: a batch is written again after a failure that left it in doubt. */
static const char *const statement_sql[_JOURNAL_ST_MAX] = {
        [JOURNAL_ST_BEGIN] = "BEGIN IMMEDIATE",
        [JOURNAL_ST_COMMIT] = "COMMIT",
        [JOURNAL_ST_PUT] = "INSERT OR REPLACE INTO record(kind, id, battery, body) VALUES(?1, ?2, ?3, ?4)",
        [JOURNAL_ST_DELETE] = "DELETE FROM record WHERE kind=?1 AND id=?2",
        [JOURNAL_ST_EVENT] = "INSERT OR REPLACE INTO event(sequence, kind, time_us, battery, detail)"
                             " VALUES(?1, ?2, ?3, ?4, ?5)",
        [JOURNAL_ST_TRIM_MARK] = "UPDATE meta SET last_sequence ="
                                 " max(last_sequence, (SELECT ifnull(max(sequence), 0) FROM event))",
        [JOURNAL_ST_TRIM_EVENTS] = "DELETE FROM event WHERE sequence <="
                                   " (SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1 OFFSET ?1)",
        [JOURNAL_ST_TRIM_RECORDS] = "DELETE FROM record WHERE kind=?1 AND id IN (SELECT id FROM"
                                    " (SELECT id, row_number() OVER"
                                    " (PARTITION BY battery ORDER BY " BY_NUMBER_DOWN ") AS place"
                                    " FROM record WHERE kind=?1) WHERE place > ?2)",
        [JOURNAL_ST_LOAD] = "SELECT id, battery, body FROM record WHERE kind=?1 ORDER BY " BY_NUMBER_UP,
        [JOURNAL_ST_RECORDS] = "SELECT id, body FROM record WHERE kind=?1 AND (?2 IS NULL OR battery=?2)"
                               " ORDER BY " BY_NUMBER_DOWN " LIMIT ?3",
        [JOURNAL_ST_SINCE] = "SELECT sequence, kind, time_us, battery, detail FROM event"
                             " WHERE sequence > ?1 ORDER BY sequence LIMIT ?3",
        [JOURNAL_ST_SINCE_BATTERY] = "SELECT sequence, kind, time_us, battery, detail FROM event"
                                     " WHERE sequence > ?1 AND battery=?2 ORDER BY sequence LIMIT ?3",
        [JOURNAL_ST_LAST_SEQUENCE] = "SELECT max((SELECT ifnull(max(sequence), 0) FROM event),"
                                     " (SELECT last_sequence FROM meta))",
};

gboolean journal_db_prepare(JournalDb *db, GError **error)
{
        for (guint i = 0; i < _JOURNAL_ST_MAX; i++) {
                if (sqlite3_prepare_v3(db->sqlite, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                       &db->statements[i], NULL) != SQLITE_OK) {
                        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                                    "the journal %s does not have the tables of its schema: %s", db->path,
                                    sqlite3_errmsg(db->sqlite));
                        return FALSE;
                }
        }
        return TRUE;
}

/* TEXT must live until the statement was run. */
static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
        if (text)
                sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
        else
                sqlite3_bind_null(st, at);
}

static void statement_end(sqlite3_stmt *st)
{
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
}

/* Runs a statement without rows; the reason must be taken before anything else touches the database. */
static gboolean statement_run(JournalDb *db, JournalStatement which, char **ret_why)
{
        sqlite3_stmt *st = db->statements[which];
        gboolean ok = sqlite3_step(st) == SQLITE_DONE;

        if (!ok)
                *ret_why = journal_db_why(db);
        statement_end(st);
        return ok;
}

static gboolean write_put(JournalDb *db, const JournalOp *op, char **ret_why)
{
        sqlite3_stmt *st = db->statements[JOURNAL_ST_PUT];

        bind_text(st, 1, op->kind);
        bind_text(st, 2, op->id);
        bind_text(st, 3, op->battery);
        bind_text(st, 4, op->text);
        return statement_run(db, JOURNAL_ST_PUT, ret_why);
}

static gboolean write_delete(JournalDb *db, const JournalOp *op, char **ret_why)
{
        sqlite3_stmt *st = db->statements[JOURNAL_ST_DELETE];

        bind_text(st, 1, op->kind);
        bind_text(st, 2, op->id);
        return statement_run(db, JOURNAL_ST_DELETE, ret_why);
}

static gboolean write_event(JournalDb *db, const JournalOp *op, char **ret_why)
{
        sqlite3_stmt *st = db->statements[JOURNAL_ST_EVENT];

        sqlite3_bind_int64(st, 1, (gint64)op->sequence);
        bind_text(st, 2, op->kind);
        sqlite3_bind_int64(st, 3, op->time_us);
        bind_text(st, 4, op->battery);
        bind_text(st, 5, op->text);
        return statement_run(db, JOURNAL_ST_EVENT, ret_why);
}

static gboolean write_trim(JournalDb *db, const JournalOp *op, char **ret_why)
{
        sqlite3_stmt *records = db->statements[JOURNAL_ST_TRIM_RECORDS];

        if (!statement_run(db, JOURNAL_ST_TRIM_MARK, ret_why))
                return FALSE;
        sqlite3_bind_int64(db->statements[JOURNAL_ST_TRIM_EVENTS], 1, op->keep_events);
        if (!statement_run(db, JOURNAL_ST_TRIM_EVENTS, ret_why))
                return FALSE;
        if (!op->kind)
                return TRUE;
        bind_text(records, 1, op->kind);
        sqlite3_bind_int64(records, 2, op->keep_records);
        return statement_run(db, JOURNAL_ST_TRIM_RECORDS, ret_why);
}

static gboolean write_op(JournalDb *db, const JournalOp *op, char **ret_why)
{
        switch (op->op) {
        case JOURNAL_OP_PUT:
                return write_put(db, op, ret_why);
        case JOURNAL_OP_DELETE:
                return write_delete(db, op, ret_why);
        case JOURNAL_OP_EVENT:
                return write_event(db, op, ret_why);
        case JOURNAL_OP_TRIM:
                return write_trim(db, op, ret_why);
        }
        g_assert_not_reached();
}

static gboolean write_batch(JournalDb *db, const JournalBatch *batch, char **ret_why)
{
        for (guint i = 0; i < batch->ops->len; i++)
                if (!write_op(db, &g_array_index(batch->ops, JournalOp, i), ret_why))
                        return FALSE;
        return TRUE;
}

static gboolean write_batches(JournalDb *db, JournalBatch *const *batches, guint n, char **ret_why)
{
        if (!statement_run(db, JOURNAL_ST_BEGIN, ret_why))
                return FALSE;
        for (guint i = 0; i < n; i++)
                if (!write_batch(db, batches[i], ret_why))
                        return FALSE;
        return statement_run(db, JOURNAL_ST_COMMIT, ret_why);
}

gboolean journal_db_write(JournalDb *db, JournalBatch *const *batches, guint n, char **ret_why)
{
        if (write_batches(db, batches, n, ret_why))
                return TRUE;
        /* Some failures roll back by themselves. */
        if (!sqlite3_get_autocommit(db->sqlite))
                sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
        return FALSE;
}

/* ---- reading ---- */

static gboolean column_text(sqlite3_stmt *st, int column, const char **ret_text)
{
        const char *text = (const char *)sqlite3_column_text(st, column);
        int bytes = sqlite3_column_bytes(st, column);

        *ret_text = text;
        return text && g_utf8_validate(text, bytes, NULL);
}

/* NULL if it is no a{sv} in GVariant's text form. */
static GVariant *column_dict(sqlite3_stmt *st, int column)
{
        const char *text;

        if (!column_text(st, column, &text))
                return NULL;
        return g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
}

/* One row into the builder; FALSE if the row cannot be understood. */
typedef gboolean (*RowFunc)(sqlite3_stmt *st, GVariantBuilder *rows);

static gboolean row_load(sqlite3_stmt *st, GVariantBuilder *rows)
{
        const char *id, *battery;
        g_autoptr(GVariant) body = column_dict(st, 2);

        if (!body || !column_text(st, 0, &id) || !column_text(st, 1, &battery))
                return FALSE;
        g_variant_builder_add(rows, "(ss@a{sv})", id, battery, body);
        return TRUE;
}

static gboolean row_record(sqlite3_stmt *st, GVariantBuilder *rows)
{
        const char *id;
        g_autoptr(GVariant) body = column_dict(st, 1);

        if (!body || !column_text(st, 0, &id))
                return FALSE;
        g_variant_builder_add(rows, "(s@a{sv})", id, body);
        return TRUE;
}

static gboolean row_event(sqlite3_stmt *st, GVariantBuilder *rows)
{
        const char *kind, *battery;
        g_autoptr(GVariant) detail = column_dict(st, 4);

        if (!detail || !column_text(st, 1, &kind) || !column_text(st, 3, &battery))
                return FALSE;
        g_variant_builder_add(rows, "(tsxs@a{sv})", (guint64)sqlite3_column_int64(st, 0), kind,
                              (gint64)sqlite3_column_int64(st, 2), battery, detail);
        return TRUE;
}

static void row_refuse(JournalDb *db, sqlite3_stmt *st, const char *what, GError **error)
{
        const char *id = (const char *)sqlite3_column_text(st, 0);
        g_autofree char *name = g_utf8_make_valid(id ? id : "", -1);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the journal %s: %s %s does not hold a dictionary (a{sv}) in GVariant's text form",
                    db->path, what, name);
}

static gsize row_bytes(sqlite3_stmt *st)
{
        gsize bytes = 0;

        for (int i = 0; i < sqlite3_column_count(st); i++)
                bytes += (gsize)sqlite3_column_bytes(st, i);
        return bytes;
}

/* Runs the bound statement; WHAT names a row in errors. The strong reference is the caller's. */
static GVariant *rows_read(JournalDb *db, sqlite3_stmt *st, const char *type, RowFunc row, const char *what,
                           gsize most_bytes, GError **error)
{
        g_auto(GVariantBuilder) rows = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE(type));
        gsize bytes = 0;
        gboolean ok = TRUE;
        int rc = SQLITE_DONE;

        while (ok && bytes < most_bytes && (rc = sqlite3_step(st)) == SQLITE_ROW) {
                ok = row(st, &rows);
                if (!ok)
                        row_refuse(db, st, what, error);
                bytes += row_bytes(st);
        }
        if (ok && rc != SQLITE_DONE && rc != SQLITE_ROW) {
                g_autofree char *why = journal_db_why(db);
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "reading the journal %s: %s", db->path,
                            why);
                ok = FALSE;
        }
        statement_end(st);
        return ok ? g_variant_ref_sink(g_variant_builder_end(&rows)) : NULL;
}

GVariant *journal_db_since(JournalDb *db, guint64 sequence, const char *battery, guint most, GError **error)
{
        sqlite3_stmt *st = db->statements[battery ? JOURNAL_ST_SINCE_BATTERY : JOURNAL_ST_SINCE];

        sqlite3_bind_int64(st, 1, (gint64)MIN(sequence, (guint64)G_MAXINT64));
        if (battery)
                bind_text(st, 2, battery);
        sqlite3_bind_int64(st, 3, MIN(most, JOURNAL_READ_MAX));
        return rows_read(db, st, "a(tsxsa{sv})", row_event, "event", JOURNAL_READ_BYTES, error);
}

GVariant *journal_db_records(JournalDb *db, const char *kind, const char *battery, guint most, GError **error)
{
        sqlite3_stmt *st = db->statements[JOURNAL_ST_RECORDS];

        bind_text(st, 1, kind);
        bind_text(st, 2, battery);
        sqlite3_bind_int64(st, 3, MIN(most, JOURNAL_READ_MAX));
        return rows_read(db, st, "a(sa{sv})", row_record, kind, JOURNAL_READ_BYTES, error);
}

GVariant *journal_db_load(JournalDb *db, const char *kind, GError **error)
{
        sqlite3_stmt *st = db->statements[JOURNAL_ST_LOAD];

        bind_text(st, 1, kind);
        return rows_read(db, st, "a(ssa{sv})", row_load, kind, G_MAXSIZE, error);
}

gboolean journal_db_last_sequence(JournalDb *db, guint64 *ret_sequence, GError **error)
{
        sqlite3_stmt *st = db->statements[JOURNAL_ST_LAST_SEQUENCE];
        gboolean ok = sqlite3_step(st) == SQLITE_ROW;

        if (ok) {
                *ret_sequence = (guint64)sqlite3_column_int64(st, 0);
        } else {
                g_autofree char *why = journal_db_why(db);
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "reading the journal %s: %s", db->path,
                            why);
        }
        statement_end(st);
        return ok;
}
