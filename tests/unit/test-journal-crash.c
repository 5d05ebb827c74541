/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal when the world ends: a full disk that gets room again, and processes killed while they
 * write. The victims are this program again, with --child MODE DATABASE; they tell each acknowledged
 * number on standard output. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/journal-help.h"

#define SKIPPED 77
#define VICTIM_NAME "kantan-orchestr" /* whom crash-at-write looks for */

/* ---- a full disk ---- */

#define STUCK_WRITES 20

typedef struct Disk {
        const char *db;
        char *filler;
        const char *trouble; /* what is said when it is full */
        void (*take_room)(struct Disk *d);
        void (*give_room)(struct Disk *d);
} Disk;

static gboolean count_tick(gpointer user)
{
        ++*(guint *)user;
        return G_SOURCE_CONTINUE;
}

static void write_big(Journal *j, guint n, guint *done)
{
        g_autofree char *text = g_strnfill(8192, 'x'), *id = g_strdup_printf("%u", n);
        JournalBatch *b = journal_batch_new();

        journal_batch_put(b, "big", id, "b", g_variant_new_parsed("{'t': <%s>}", text));
        journal_write(j, b, count_done, done);
}

static void disk_scene(Disk *d)
{
        Place p = {.db = (char *)d->db};
        Journal *j = place_open(&p);
        guint done = 0, ticks = 0, timer = g_timeout_add(5, count_tick, &ticks);
        Told told = {0};

        journal_on_trouble(j, trouble_told, &told);
        write_and_wait(j, batch_put("small", "1", "b", 1));
        d->take_room(d);
        for (guint i = 1; i <= STUCK_WRITES; i++)
                write_big(j, i, &done);
        run_until(&told.count, 1);
        g_assert_cmpstr(told.text, ==, d->trouble);
        g_assert_cmpstr(journal_trouble(j), ==, d->trouble);
        ASSERT_TEXT(records_text(j, "small", NULL, 10), "1 "); /* reads are not stuck */
        ASSERT_TEXT(records_text(j, "big", NULL, 10), "");
        run_until(&ticks, ticks + 300); /* over a retry or two the loop turns, nothing is done or told */
        g_assert_cmpuint(done, ==, 0);
        g_assert_cmpuint(told.count, ==, 1);
        d->give_room(d);
        run_until(&done, STUCK_WRITES);
        g_assert_null(journal_trouble(j));
        g_assert_cmpuint(told.count, ==, 2);
        g_assert_null(told.text);
        g_source_remove(timer);
        journal_close(j);
        j = place_open(&p);
        ASSERT_TEXT(records_text(j, "big", NULL, 3), "20 19 18 ");
        journal_close(j);
}

static void tmpfs_take(Disk *d)
{
        static const char block[4096];
        int fd = open(d->filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
        while (write(fd, block, sizeof block) > 0)
                continue;
        g_assert_cmpint(errno, ==, ENOSPC);
        close(fd);
}

static void tmpfs_give(Disk *d)
{
        g_assert_cmpint(g_unlink(d->filler), ==, 0);
}

static int child_tmpfs(const char *db)
{
        g_autofree char *dir = g_path_get_dirname(db);
        g_autofree char *filler = g_build_filename(dir, "filler", NULL);
        Disk d = {db, filler, "database or disk is full", tmpfs_take, tmpfs_give};

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0)
                return SKIPPED;
        disk_scene(&d);
        return 0;
}

static void limit_set(rlim_t bytes)
{
        struct rlimit limit;

        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        limit.rlim_cur = MIN(bytes, limit.rlim_max);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

static void limit_take(Disk *d)
{
        g_autofree char *wal = g_strconcat(d->db, "-wal", NULL);
        struct stat st;

        g_assert_cmpint(stat(wal, &st), ==, 0);
        limit_set((rlim_t)st.st_size);
}

static void limit_give(Disk *d)
{
        limit_set(RLIM_INFINITY);
}

static int child_limit(const char *db)
{
        Disk d = {db, NULL, "disk I/O error", limit_take, limit_give};

        signal(SIGXFSZ, SIG_IGN);
        disk_scene(&d);
        return 0;
}

/* ---- a process that writes until it is killed ---- */

typedef struct Writer {
        Journal *journal;
        guint64 next, acked;
} Writer;

static void writer_push(Writer *w);

static void writer_acked(gpointer user)
{
        Writer *w = user;

        w->acked++;
        g_assert_cmpint(write(STDOUT_FILENO, &w->acked, sizeof w->acked), ==, sizeof w->acked);
        writer_push(w);
}

static void writer_push(Writer *w)
{
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, ++w->next);
        JournalBatch *b = journal_batch_new();

        journal_batch_put(b, "k", id, "b", body((gint32)w->next));
        journal_batch_event(b, w->next, "kind", 0, "b", body((gint32)w->next));
        journal_write(w->journal, b, writer_acked, w);
}

static int child_write(const char *db)
{
        Place p = {.db = (char *)db};
        Writer w = {0};

        prctl(PR_SET_NAME, VICTIM_NAME);
        w.journal = place_open(&p);
        w.next = w.acked = journal_last_sequence(w.journal);
        for (guint i = 0; i < 3; i++) /* so that some are written together */
                writer_push(&w);
        for (;;) /* until killed */
                g_main_context_iteration(NULL, TRUE);
        return 0;
}

/* A held child of the daemon, which outlives it by a moment and shares its lock. */
static int child_orphan(const char *db)
{
        Place p = {.db = (char *)db};
        guint64 ready = 1;

        place_open(&p);
        if (fork() == 0) {
                poll(NULL, 0, 200);
                _exit(0);
        }
        g_assert_cmpint(write(STDOUT_FILENO, &ready, sizeof ready), ==, sizeof ready);
        for (;;) /* until killed */
                pause();
        return 0;
}

static int child_main(const char *mode, const char *db)
{
        static const struct {
                const char *mode;
                int (*func)(const char *db);
        } modes[] = {{"tmpfs", child_tmpfs},
                     {"limit", child_limit},
                     {"write", child_write},
                     {"orphan", child_orphan}};

        for (guint i = 0; i < G_N_ELEMENTS(modes); i++)
                if (g_str_equal(modes[i].mode, mode))
                        return modes[i].func(db);
        return 2;
}

/* ---- the parent ---- */

static GPid child_start(Place *p, const char *mode, char **environment, int *ret_out)
{
        char *argv[] = {(char *)"/proc/self/exe", (char *)"--child", (char *)mode, p->db, NULL};
        g_autoptr(GError) error = NULL;
        GPid pid;

        g_spawn_async_with_pipes(NULL, argv, environment, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL,
                                 ret_out, NULL, &error);
        g_assert_no_error(error);
        return pid;
}

static int child_wait(GPid pid)
{
        int status = 0;

        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        return status;
}

/* The last number told, once it is at least ENOUGH or the child is gone. */
static guint64 acks_read(int out, guint64 enough)
{
        guint64 last = 0, number;

        while (last < enough && read(out, &number, sizeof number) == sizeof number) {
                g_assert_true(last == 0 || number == last + 1);
                last = number;
        }
        return last;
}

static void disk_test(Place *p, const char *mode)
{
        int out, status = child_wait(child_start(p, mode, NULL, &out));

        close(out);
        g_assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == SKIPPED)
                g_test_skip("no private mounts here");
        else
                g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void test_full(Place *p, gconstpointer unused)
{
        disk_test(p, "tmpfs");
}

static void test_too_large(Place *p, gconstpointer unused)
{
        disk_test(p, "limit");
}

static void load_next(const char *id, const char *battery, GVariant *dict, gpointer user)
{
        guint64 *last = user;
        gint32 n = -1;

        g_assert_cmpuint(g_ascii_strtoull(id, NULL, 10), ==, ++*last);
        g_assert_true(g_variant_lookup(dict, "n", "i", &n));
        g_assert_cmpint(n, ==, (gint32)*last);
}

/* All that was acknowledged is there, nothing in between is missing, no batch is there by half. */
static guint64 survivors_check(Place *p, guint64 acked)
{
        g_autoptr(Journal) j = place_open(p);
        g_autoptr(GError) error = NULL;
        guint64 last = 0;

        g_assert_true(journal_load(j, "k", load_next, &last, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(last, >=, acked);
        g_assert_cmpuint(journal_last_sequence(j), ==, last);
        return last;
}

static void test_kill(Place *p, gconstpointer unused)
{
        guint64 last = 0;

        for (guint i = 0; i < 10; i++) {
                guint64 acked;
                int out;
                GPid pid = child_start(p, "write", NULL, &out);

                acked = acks_read(out, last + 20 + i * 7);
                g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
                acked = MAX(acked, acks_read(out, G_MAXUINT64));
                g_assert_true(WIFSIGNALED(child_wait(pid)));
                close(out);
                last = survivors_check(p, acked);
        }
        g_assert_cmpuint(last, >, 200);
}

static char **crash_environment(const char *count_file, guint at, const char *when)
{
        g_autofree char *library =
                g_build_filename(g_getenv("BUILDDIR"), "tests/fake/crash-at-write.so", NULL);
        g_autofree char *number = g_strdup_printf("%u", at);
        char **environment = g_get_environ();

        environment = g_environ_setenv(environment, "LD_PRELOAD", library, TRUE);
        environment = g_environ_setenv(environment, "ASAN_OPTIONS", "verify_asan_link_order=0", TRUE);
        environment = g_environ_setenv(environment, "CRASH_COUNT_FILE", count_file, TRUE);
        environment = g_environ_setenv(environment, "CRASH_AT", number, TRUE);
        return g_environ_setenv(environment, "CRASH_WHEN", when, TRUE);
}

/* Killed at each of the first writes, those of the schema too; the count goes on over restarts. */
static void crash_everywhere(Place *p, const char *when)
{
        g_autofree char *count_file = g_build_filename(p->dir, "count", NULL);
        guint64 last = 0;
        struct stat st;

        for (guint at = 1; at <= 40; at += at < 12 ? 1 : 7) {
                g_auto(GStrv) environment = crash_environment(count_file, at, when);
                guint64 acked;
                int out, status;
                GPid pid = child_start(p, "write", environment, &out);

                acked = acks_read(out, G_MAXUINT64);
                status = child_wait(pid);
                g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
                close(out);
                g_assert_cmpint(stat(count_file, &st), ==, 0);
                g_assert_cmpint(st.st_size, ==, at);
                last = survivors_check(p, acked);
        }
        g_assert_cmpuint(last, >, 5);
        g_unlink(count_file);
}

static void test_crash(Place *p, gconstpointer when)
{
        if (g_getenv("BUILDDIR"))
                crash_everywhere(p, when);
        else
                g_test_skip("BUILDDIR is not set");
}

static void test_orphan(Place *p, gconstpointer unused)
{
        int out;
        GPid pid = child_start(p, "orphan", NULL, &out);
        g_autofree char *lock = g_build_filename(p->dir, "journal.lock", NULL);
        struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd;

        g_assert_cmpuint(acks_read(out, 1), ==, 1);
        kill(pid, SIGKILL);
        child_wait(pid);
        fd = open(lock, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &probe), ==, -1); /* the orphan has it */
        close(fd);
        journal_close(place_open(p));
        close(out);
}

int main(int argc, char **argv)
{
        if (argc == 4 && g_str_equal(argv[1], "--child"))
                return child_main(argv[2], argv[3]);
        g_test_init(&argc, &argv, NULL);
        place_test("/journal-crash/full", test_full);
        place_test("/journal-crash/too-large", test_too_large);
        place_test("/journal-crash/kill", test_kill);
        place_test("/journal-crash/orphan", test_orphan);
        g_test_add("/journal-crash/before", Place, "before", place_make, test_crash, place_remove);
        g_test_add("/journal-crash/after", Place, "after", place_make, test_crash, place_remove);
        return g_test_run();
}
