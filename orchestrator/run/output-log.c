/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One inotify descriptor over the directory says which files grew; an idle source reads them in turn.
 * Files are opened for each reading, so that a battery of hundreds costs no descriptors. */
#include "orchestrator/run/output-log.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024       /* a longer line is logged in pieces */
#define READ_BYTES 16384          /* of one file in one turn */
#define BACKLOG_MAX (1024 * 1024) /* of one file; who prints faster than we log loses the middle */

typedef struct Output {
        char *name, *label;
        off_t at, punched;
        GString *line; /* begun, not ended */
        gboolean dirty;
} Output;

struct OutputLog {
        char *dir;
        int inotify_fd;
        guint source, idle;
        GHashTable *outputs; /* name -> Output */
        GQueue dirty;        /* Output* */
};

static void output_free(gpointer p)
{
        Output *f = p;
        g_string_free(f->line, TRUE);
        g_free(f->name);
        g_free(f->label);
        g_free(f);
}

static int output_open(const OutputLog *o, const char *name, int flags)
{
        g_autofree char *path = g_build_filename(o->dir, name, NULL);
        return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void line_flush(Output *f)
{
        if (f->line->len == 0)
                return;
        g_autofree char *text = g_utf8_make_valid(f->line->str, (gssize)f->line->len);
        for (char *c = text; *c; c++)
                if (g_ascii_iscntrl(*c) && *c != '\t')
                        *c = '?';
        g_message("%s: %s", f->label, text);
        g_string_truncate(f->line, 0);
}

static void bytes_take(Output *f, const char *bytes, gsize n)
{
        for (gsize i = 0; i < n; i++) {
                if (bytes[i] != '\n' && bytes[i] != '\0') /* a hole reads as zeroes */
                        g_string_append_c(f->line, bytes[i]);
                if (bytes[i] == '\n' || f->line->len >= LINE_MAX_BYTES)
                        line_flush(f);
        }
}

/* Gives what was logged back to the filesystem, up to the line just begun. Unlike truncating, it cannot
 * lose what is written meanwhile; what is left is what an heir of ours has to log. Where a filesystem
 * cannot do it, the file grows and an heir repeats it. */
static void punch(Output *f, int fd)
{
        off_t to = f->at - (off_t)f->line->len;
        if (to <= f->punched)
                return;
        if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, to) < 0)
                g_debug("%s: output file cannot be punched: %s", f->label, g_strerror(errno));
        f->punched = to;
}

static void skip_backlog(Output *f, int fd)
{
        struct stat st;
        if (fstat(fd, &st) < 0 || st.st_size - f->at <= BACKLOG_MAX)
                return;
        off_t to = st.st_size - READ_BYTES;
        line_flush(f);
        g_message("%s: … %" G_GINT64_FORMAT " bytes of output left out", f->label, (gint64)(to - f->at));
        f->at = to;
}

/* TRUE while there is more. */
static gboolean output_read(OutputLog *o, Output *f)
{
        char buffer[READ_BYTES];
        int fd = output_open(o, f->name, O_RDWR);
        if (fd < 0)
                return FALSE; /* somebody removed it: nothing more to log */
        skip_backlog(f, fd);
        ssize_t n = pread(fd, buffer, sizeof buffer, f->at);
        if (n > 0) {
                f->at += n;
                bytes_take(f, buffer, (gsize)n);
                punch(f, fd);
        }
        close(fd);
        return n == (ssize_t)sizeof buffer;
}

static gboolean on_idle(gpointer user)
{
        OutputLog *o = user;
        Output *f = g_queue_pop_head(&o->dirty);
        f->dirty = output_read(o, f);
        if (f->dirty)
                g_queue_push_tail(&o->dirty, f);
        if (!g_queue_is_empty(&o->dirty))
                return G_SOURCE_CONTINUE;
        o->idle = 0;
        return G_SOURCE_REMOVE;
}

static void mark_dirty(OutputLog *o, Output *f)
{
        if (f->dirty)
                return;
        f->dirty = TRUE;
        g_queue_push_tail(&o->dirty, f);
        if (!o->idle)
                o->idle = g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, on_idle, o, NULL);
}

static void mark_all(OutputLog *o)
{
        GHashTableIter it;
        gpointer f;
        g_hash_table_iter_init(&it, o->outputs);
        while (g_hash_table_iter_next(&it, NULL, &f))
                mark_dirty(o, f);
}

static gboolean on_inotify(int fd, GIOCondition condition, gpointer user)
{
        OutputLog *o = user;
        _Alignas(struct inotify_event) char buffer[16384];
        ssize_t n = read(fd, buffer, sizeof buffer);
        for (char *p = buffer; n > 0 && p < buffer + n;) {
                const struct inotify_event *e = (const struct inotify_event *)p;
                Output *f = e->len ? g_hash_table_lookup(o->outputs, e->name) : NULL;
                if (e->mask & IN_Q_OVERFLOW)
                        mark_all(o);
                if (f)
                        mark_dirty(o, f);
                p += sizeof *e + e->len;
        }
        return G_SOURCE_CONTINUE;
}

OutputLog *output_log_new(const char *dir, GError **error)
{
        int fd = -1;
        if (g_mkdir_with_parents(dir, 0700) < 0 || (fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0 ||
            inotify_add_watch(fd, dir, IN_MODIFY | IN_ONLYDIR) < 0) {
                int e = errno;
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(e), "%s: %s", dir, g_strerror(e));
                if (fd >= 0)
                        close(fd);
                return NULL;
        }
        OutputLog *o = g_new0(OutputLog, 1);
        o->dir = g_strdup(dir);
        o->inotify_fd = fd;
        o->outputs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, output_free);
        g_queue_init(&o->dirty);
        o->source = g_unix_fd_add(fd, G_IO_IN, on_inotify, o);
        return o;
}

void output_log_free(OutputLog *o)
{
        if (!o)
                return;
        g_source_remove(o->source);
        if (o->idle)
                g_source_remove(o->idle);
        g_queue_clear(&o->dirty);
        g_hash_table_unref(o->outputs);
        close(o->inotify_fd);
        g_free(o->dir);
        g_free(o);
}

static Output *output_add(OutputLog *o, const char *name, const char *label)
{
        Output *f = g_new0(Output, 1);
        f->name = g_strdup(name);
        f->label = g_strdup(label);
        f->line = g_string_new(NULL);
        g_hash_table_replace(o->outputs, f->name, f);
        return f;
}

int output_log_start(OutputLog *o, const char *name, const char *label, uid_t uid, gid_t gid, GError **error)
{
        g_autofree char *path = g_build_filename(o->dir, name, NULL);
        output_log_end(o, name);
        unlink(path); /* of an earlier run that ended unseen */
        int fd = output_open(o, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL);
        if (fd < 0 || (geteuid() == 0 && fchown(fd, uid, gid) < 0)) {
                int e = errno;
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(e), "output file %s: %s", path,
                            g_strerror(e));
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        output_add(o, name, label);
        return fd;
}

void output_log_resume(OutputLog *o, const char *name, const char *label)
{
        int fd = output_open(o, name, O_RDONLY);
        if (fd < 0)
                return;
        Output *f = output_add(o, name, label);
        off_t data = lseek(fd, 0, SEEK_DATA); /* what was punched out was logged; none left: all of it */
        f->at = f->punched = data >= 0 ? data : lseek(fd, 0, SEEK_END);
        close(fd);
        mark_dirty(o, f);
}

void output_log_end(OutputLog *o, const char *name)
{
        Output *f = g_hash_table_lookup(o->outputs, name);
        if (!f)
                return;
        for (off_t most = f->at + BACKLOG_MAX; f->at < most && output_read(o, f);)
                ;
        line_flush(f);
        if (f->dirty)
                g_queue_remove(&o->dirty, f);
        if (g_queue_is_empty(&o->dirty) && o->idle) {
                g_source_remove(o->idle);
                o->idle = 0;
        }
        g_autofree char *path = g_build_filename(o->dir, name, NULL);
        unlink(path);
        g_hash_table_remove(o->outputs, name);
}
