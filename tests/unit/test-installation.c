/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links of replicants, garbage collection, and the installer that does both on threads. */
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "store/installation.h"
#include "store/installer.h"
#include "store/staging.h"
#include "tests/unit/store-build.h"

/* Nothing here takes longer than a moment; the deadline is for hangs. */
#define DEADLINE_SECONDS 30

typedef struct Fixture {
        char *scratch, *state;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
        f->scratch = scratch_new();
        f->state = g_build_filename(f->scratch, "state", NULL);
        unpack_calc(f->scratch, "1.0");
        unpack_calc(f->scratch, "1.1");
}

static void tear_down(Fixture *f, gconstpointer data)
{
        g_free(f->state);
        scratch_free(f->scratch);
}

static void assert_version(const Fixture *f, guint replicant, const char *expected)
{
        g_autofree char *version = installation_version(f->state, "calc", replicant, "calc");
        g_assert_cmpstr(version, ==, expected);
}

static void switch_to(const Fixture *f, guint replicant, const char *version)
{
        g_autoptr(GError) error = NULL;
        g_assert_true(installation_switch(f->state, "calc", replicant, "calc", version, &error));
        g_assert_no_error(error);
}

static void test_switch(Fixture *f, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        assert_version(f, 1, NULL);
        g_assert_null(installation_program(f->state, "calc", 1, "calc", "bin/calcd"));
        switch_to(f, 1, "1.0");
        switch_to(f, 2, "1.0");
        switch_to(f, 2, "1.1");
        switch_to(f, 2, "1.1");
        assert_version(f, 1, "1.0");
        assert_version(f, 2, "1.1");

        /* What the link leads to is the program of that version. */
        g_autofree char *text = NULL;
        g_autofree char *through = g_build_filename(f->state, "installations/calc/2/calc/bin/calcd", NULL);
        g_assert_true(g_file_get_contents(through, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, "1.1");
        g_autofree char *program = installation_program(f->state, "calc", 2, "calc", "bin/calcd");
        g_assert_true(g_str_has_suffix(program, "packages/calc/1.1/bin/calcd"));
        g_assert_true(g_file_test(program, G_FILE_TEST_IS_EXECUTABLE));
        g_assert_null(installation_program(f->state, "calc", 2, "calc", "../1.0/bin/calcd"));

        g_assert_false(installation_switch(f->state, "calc", 2, "calc", "9.9", &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
        assert_version(f, 2, "1.1");
        g_clear_error(&error);
        g_assert_false(installation_switch(f->state, "../x", 2, "calc", "1.1", &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

/* What a crash in the middle of a switch leaves does not hinder the next one. */
static void test_leftover_link(Fixture *f, gconstpointer data)
{
        switch_to(f, 1, "1.0");
        g_autofree char *left = g_build_filename(f->state, "installations/calc/1/.calc.new", NULL);
        g_assert_cmpint(symlink("nowhere", left), ==, 0);
        switch_to(f, 1, "1.1");
        assert_version(f, 1, "1.1");
        g_assert_cmpint(readlink(left, (char[8]){0}, 8), ==, -1);
}

static void test_current(Fixture *f, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_assert_null(installation_current(f->state, "calc"));
        g_assert_true(installation_set_current(f->state, "calc", "1.1", &error));
        g_autofree char *current = installation_current(f->state, "calc");
        g_assert_cmpstr(current, ==, "1.1");
        g_assert_false(installation_set_current(f->state, "calc", "9.9", &error));
        g_clear_error(&error);
        g_assert_true(installation_set_current(f->state, "calc", NULL, &error));
        g_assert_true(installation_set_current(f->state, "calc", NULL, &error));
        g_assert_true(installation_set_current(f->state, "none", NULL, &error));
        g_assert_null(installation_current(f->state, "calc"));
}

static void test_info(Fixture *f, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(PackageInfo) info = installation_info(f->state, "calc", "1.1", &error);
        g_assert_no_error(error);
        g_assert_cmpstr(info->version, ==, "1.1");
        g_assert_cmpstr(info->batteries[0], ==, "calc");
        g_assert_null(installation_info(f->state, "calc", "9.9", &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

typedef struct Watch {
        const char *state;
        gint stop; /* atomic */
        guint looked, wrong;
} Watch;

/* Nothing but readlink(2), over and over: the moment without a link would be short. */
static gpointer watch_link(gpointer data)
{
        Watch *w = data;
        char target[64];
        g_autofree char *link = g_build_filename(w->state, "installations", "calc", "1", "calc", NULL);
        while (!g_atomic_int_get(&w->stop)) {
                ssize_t n = readlink(link, target, sizeof target - 1);
                target[MAX(n, 0)] = '\0';
                w->looked++;
                if (!g_str_has_suffix(target, "/calc/1.0") && !g_str_has_suffix(target, "/calc/1.1"))
                        w->wrong++;
        }
        return NULL;
}

/* Whoever looks at any moment sees the old version or the new one. */
static void test_atomic(Fixture *f, gconstpointer data)
{
        Watch w = {.state = f->state};
        switch_to(f, 1, "1.0");
        GThread *thread = g_thread_new("watch", watch_link, &w);
        for (guint i = 0; i < 200; i++)
                switch_to(f, 1, i % 2 ? "1.0" : "1.1");
        g_atomic_int_set(&w.stop, 1);
        g_thread_join(thread);
        g_assert_cmpuint(w.looked, >, 200);
        g_assert_cmpuint(w.wrong, ==, 0);
}

/* ---- garbage collection ---- */

static char *collect(const Fixture *f, guint keep, const char *const *also, gboolean dry, guint64 *bytes)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) removed = installation_gc(f->state, keep, also, dry, bytes, &error);
        g_assert_no_error(error);
        g_ptr_array_add(removed, NULL);
        return g_strjoinv(" ", (char **)removed->pdata);
}

static void test_gc(Fixture *f, gconstpointer data)
{
        guint64 bytes, dry_bytes;
        const char *also[] = {"calc/1.2", NULL};
        unpack_calc(f->scratch, "1.2");
        unpack_calc(f->scratch, "1.9");
        unpack_calc(f->scratch, "1.10");
        switch_to(f, 3, "1.0");
        installation_set_current(f->state, "calc", "1.9", NULL);
        g_autofree char *left = g_build_filename(f->state, "packages", STAGING_PREFIX "x/y", NULL);
        g_mkdir_with_parents(left, 0700);

        /* 1.10 is the newest, 1.9 current, 1.0 linked, 1.2 asked for. */
        g_autofree char *before = listing(f->state);
        g_autofree char *would = collect(f, 1, also, TRUE, &dry_bytes);
        g_autofree char *after = listing(f->state);
        g_assert_cmpstr(would, ==, "calc/1.1");
        g_assert_cmpstr(before, ==, after);
        g_autofree char *did = collect(f, 1, also, FALSE, &bytes);
        g_assert_cmpstr(did, ==, "calc/1.1");
        g_assert_cmpuint(bytes, ==, dry_bytes);
        g_assert_cmpuint(bytes, >, 100);
        g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
        g_autofree char *again = collect(f, 1, also, FALSE, &bytes);
        g_assert_cmpstr(again, ==, "");
        g_assert_cmpuint(bytes, ==, 0);
        assert_version(f, 3, "1.0");

        installation_set_current(f->state, "calc", NULL, NULL);
        g_autofree char *most = collect(f, 0, NULL, FALSE, &bytes);
        g_assert_cmpstr(most, ==, "calc/1.10 calc/1.9 calc/1.2");
        g_autofree char *kept = g_build_filename(f->state, "installations/calc/3/calc/bin/calcd", NULL);
        g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
}

static void test_gc_empty(Fixture *f, gconstpointer data)
{
        guint64 bytes;
        g_autoptr(GError) error = NULL;
        g_autofree char *none = g_build_filename(f->scratch, "none", NULL);
        g_autoptr(GPtrArray) removed = installation_gc(none, 2, NULL, FALSE, &bytes, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(removed->len, ==, 0);
}

/* ---- the installer ---- */

typedef struct Seen {
        GPtrArray *told; /* one line an event */
        guint64 last;
} Seen;

static void on_event(const PortEvent *e, gpointer user)
{
        Seen *s = user;
        s->last = e->cookie;
        g_ptr_array_add(s->told, g_strdup_printf("%d %" G_GUINT64_FORMAT " ok=%d fault=%d %s %s %s %s",
                                                 (int)e->kind, e->cookie, e->ok, e->fault,
                                                 e->package ? e->package : "-", e->version ? e->version : "-",
                                                 e->compatibility ? e->compatibility : "-",
                                                 e->batteries && e->batteries[0] ? e->batteries[0] : "-"));
}

static gboolean on_deadline(gpointer user)
{
        g_error("no event within %d s", DEADLINE_SECONDS);
        return G_SOURCE_REMOVE;
}

static void wait_for(Seen *s, guint count)
{
        guint deadline = g_timeout_add_seconds(DEADLINE_SECONDS, on_deadline, NULL);
        while (s->told->len < count)
                g_main_context_iteration(NULL, TRUE);
        g_source_remove(deadline);
}

static int open_made(const Fixture *f, const char *version)
{
        g_autofree char *path = make_calc(f->scratch, version);
        int fd = package_open(path, NULL);
        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static char *told(PortEventKind kind, const char *rest)
{
        return g_strdup_printf("%d %s", (int)kind, rest);
}

static void test_installer(Fixture *f, gconstpointer data)
{
        Seen s = {g_ptr_array_new_with_free_func(g_free), 0};
        g_autoptr(InstallerPort) p = installer_new(f->state, on_event, &s);
        p->unpack(p, 7, open_made(f, "2.0"), "calc_2.0.kantan");
        g_assert_cmpuint(s.told->len, ==, 0); /* never from inside the call */
        wait_for(&s, 1);
        g_autofree char *unpacked = told(PORT_UNPACKED, "7 ok=1 fault=0 calc 2.0 2 calc");
        g_assert_cmpstr(s.told->pdata[0], ==, unpacked);

        p->unpack(p, 8, open_made(f, "2.0"), "calc_9.9.kantan");
        wait_for(&s, 2);
        g_autofree char *refused = told(PORT_UNPACKED, "8 ok=0 fault=0 - - - -");
        g_assert_cmpstr(s.told->pdata[1], ==, refused);

        p->set_current(p, 9, "calc", "2.0");
        wait_for(&s, 3); /* different links may be made in any order */
        p->switch_to(p, 10, "calc", 1, "calc", "5.0");
        wait_for(&s, 4);
        g_autofree char *set = told(PORT_CURRENT_SET, "9 ok=1 fault=0 calc 2.0 - -");
        g_autofree char *not_there = told(PORT_SWITCHED, "10 ok=0 fault=1 calc 5.0 - -");
        g_assert_cmpstr(s.told->pdata[2], ==, set);
        g_assert_cmpstr(s.told->pdata[3], ==, not_there);
        g_autofree char *current = p->current_of(p, "calc");
        g_assert_cmpstr(current, ==, "2.0");
        g_autofree char *compatibility = p->compatibility_of(p, "calc", "2.0");
        g_assert_cmpstr(compatibility, ==, "2");
        g_assert_null(p->compatibility_of(p, "calc", "5.0"));
        g_ptr_array_unref(s.told);
}

/* Links are switched in the order asked for: the last word wins. */
static void test_installer_order(Fixture *f, gconstpointer data)
{
        Seen s = {g_ptr_array_new_with_free_func(g_free), 0};
        g_autoptr(InstallerPort) p = installer_new(f->state, on_event, &s);
        for (guint i = 1; i <= 20; i++)
                p->switch_to(p, i, "calc", 1, "calc", i % 2 ? "1.1" : "1.0");
        wait_for(&s, 20);
        g_assert_cmpuint(s.last, ==, 20);
        g_autofree char *version = p->version_of(p, "calc", 1, "calc");
        g_assert_cmpstr(version, ==, "1.0");
        g_ptr_array_unref(s.told);
}

static void test_installer_freed(Fixture *f, gconstpointer data)
{
        Seen s = {g_ptr_array_new_with_free_func(g_free), 0};
        InstallerPort *p = installer_new(f->state, on_event, &s);
        p->unpack(p, 1, open_made(f, "3.0"), NULL);
        p->switch_to(p, 2, "calc", 1, "calc", "1.1");
        p->switch_to(p, 3, "calc", 1, "calc", "1.0");
        installer_free(p);
        /* Another installer's event comes after those that must not come. */
        g_autoptr(InstallerPort) q = installer_new(f->state, on_event, &s);
        q->unpack(q, 4, open_made(f, "1.1"), NULL);
        wait_for(&s, 1);
        while (g_main_context_iteration(NULL, FALSE))
                ;
        g_assert_cmpuint(s.told->len, ==, 1);
        g_assert_cmpuint(s.last, ==, 4);
        g_ptr_array_unref(s.told);
}

/* ---- a full disk: a small tmpfs of our own, in a mount namespace of our own ---- */

static void test_full_disk(void)
{
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                g_test_skip("needs root and a mount namespace");
                return;
        }
        Fixture f;
        set_up(&f, NULL);
        g_autofree char *small = g_build_filename(f.scratch, "small", NULL);
        g_autofree char *packages = g_build_filename(small, "packages", NULL);
        g_autofree char *source = g_build_filename(f.scratch, "source", "7.0", NULL);
        g_mkdir_with_parents(small, 0755);
        g_assert_cmpint(mount("tmpfs", small, "tmpfs", 0, "size=1m"), ==, 0);
        /* Small files: by their bytes they would fit, by their blocks they do not. */
        for (guint i = 0; i < 300; i++) {
                g_autofree char *name = g_strdup_printf("share/d%u/f%u", i % 7, i);
                write_text(source, name, name, 0644);
        }
        g_autofree char *path = make_calc(f.scratch, "7.0");
        g_mkdir_with_parents(packages, 0755);
        g_autofree char *before = listing(small);
        g_autoptr(GError) error = NULL;
        g_autoptr(PackageInfo) info = read_path(path, packages, &error);
        g_assert_null(info);
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
        g_autofree char *after = listing(small);
        g_assert_cmpstr(before, ==, after);

        /* What cannot fit is not begun. */
        g_clear_error(&error);
        AUTO_FD int fd = packages_open_shared(packages, &error);
        g_assert_null(staging_new(fd, 2 << 20, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);

        /* With room again it succeeds. */
        g_clear_error(&error);
        g_assert_cmpint(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=8m"), ==, 0);
        g_autoptr(PackageInfo) again = read_path(path, packages, &error);
        g_assert_nonnull(again);
        g_assert_no_error(error);
        fd_close(&fd);
        g_assert_cmpint(umount2(small, MNT_DETACH), ==, 0);
        tear_down(&f, NULL);
}

int main(int argc, char **argv)
{
        if (package_is_worker(argc, argv))
                return package_worker_main();
        g_test_init(&argc, &argv, NULL);
        static const struct {
                const char *path;
                void (*test)(Fixture *f, gconstpointer data);
        } tests[] = {
                {"/installation/switch", test_switch},
                {"/installation/leftover-link", test_leftover_link},
                {"/installation/current", test_current},
                {"/installation/info", test_info},
                {"/installation/atomic", test_atomic},
                {"/installation/gc", test_gc},
                {"/installation/gc-empty", test_gc_empty},
                {"/installer/events", test_installer},
                {"/installer/order", test_installer_order},
                {"/installer/freed", test_installer_freed},
        };
        for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
        g_test_add_func("/installation/full-disk", test_full_disk);
        return g_test_run();
}
