/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holds on FIFOs: let go, held by a process that dies, looked at again after a restart, swept. */
#include "orchestrator/run/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 45000 /* a loaded machine with sanitizers is slow; nothing waits this long */

static gboolean on_deadline(gpointer missed)
{
        *(gboolean *)missed = TRUE;
        return G_SOURCE_REMOVE;
}

static void await(const guint *counter, guint n)
{
        gboolean missed = FALSE;
        guint source = g_timeout_add(DEADLINE_MS, on_deadline, &missed);
        while (*counter < n && !missed)
                g_main_context_iteration(NULL, TRUE);
        g_assert_false(missed);
        g_source_remove(source);
}

/* Runs the loop for a real while in which something must not happen. */
static void let_pass(guint ms)
{
        gboolean over = FALSE;
        g_timeout_add(ms, on_deadline, &over);
        while (!over)
                g_main_context_iteration(NULL, TRUE);
}

typedef struct World {
        char *root, *dir;
        Hold *hold;
        int fd;
        guint gone;
        guint64 last;
} World;

static void on_gone(guint64 id, gpointer user)
{
        World *w = user;
        w->gone++;
        w->last = id;
}

static void on_gone_free(guint64 id, gpointer user)
{
        World *w = user;
        hold_free(g_steal_pointer(&w->hold));
        on_gone(id, user);
}

static char *path_of(World *w, const char *name)
{
        return g_build_filename(w->dir, name, NULL);
}

static gboolean there(World *w, const char *name)
{
        g_autofree char *path = path_of(w, name);
        return access(path, F_OK) == 0;
}

static void make(World *w, HoldGone func)
{
        g_autoptr(GError) error = NULL;
        w->hold = hold_new(w->dir, 5, &w->fd, func, w, &error);
        g_assert_no_error(error);
}

static void reopen(World *w)
{
        g_autoptr(GError) error = NULL;
        w->hold = hold_reopen(w->dir, 5, on_gone, w, &error);
        g_assert_no_error(error);
}

static void let_go(World *w)
{
        close(w->fd);
        w->fd = -1;
}

static void set_up(World *w, gconstpointer unused)
{
        w->root = g_dir_make_tmp("kantan-hold-XXXXXX", NULL);
        w->dir = g_build_filename(w->root, "holds", NULL);
        w->fd = -1;
}

static void tear_down(World *w, gconstpointer unused)
{
        hold_free(w->hold);
        if (w->fd >= 0)
                close(w->fd);
        g_rmdir(w->dir);
        g_assert_cmpint(g_rmdir(w->root), ==, 0); /* nothing was left */
        g_free(w->dir);
        g_free(w->root);
}

static void test_let_go(World *w, gconstpointer unused)
{
        struct stat st;
        make(w, on_gone);
        g_autofree char *path = path_of(w, "5");
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode, ==, S_IFIFO | 0600);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 0);
        let_go(w);
        g_assert_cmpuint(w->gone, ==, 0);
        await(&w->gone, 1);
        g_assert_cmpuint(w->last, ==, 5);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 1);
        hold_free(g_steal_pointer(&w->hold));
        g_assert_false(there(w, "5"));
}

static void test_freed_by_func(World *w, gconstpointer unused)
{
        make(w, on_gone_free);
        let_go(w);
        await(&w->gone, 1);
        g_assert_false(there(w, "5"));
}

static _Noreturn void wait_for_signal(void)
{
        for (;;)
                pause();
}

static void test_holder_dies(World *w, gconstpointer unused)
{
        make(w, on_gone);
        pid_t pid = fork(); /* has the write end, too */
        if (pid == 0)
                wait_for_signal();
        let_go(w);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 0);
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        await(&w->gone, 1);
}

static void test_talkative(World *w, gconstpointer unused)
{
        char noise[65536] = {0};
        make(w, on_gone);
        g_assert_cmpint(write(w->fd, noise, sizeof noise), ==, sizeof noise);
        g_assert_cmpint(write(w->fd, noise, 1), ==, -1); /* full: it is refused, we do not block */
        let_pass(50);
        g_assert_cmpuint(w->gone, ==, 0);
        g_assert_cmpint(write(w->fd, noise, sizeof noise), ==, sizeof noise); /* all was read and dropped */
        let_go(w);
        await(&w->gone, 1); /* after what was written */
}

static void test_restart_held(World *w, gconstpointer unused)
{
        make(w, on_gone);
        hold_leave(g_steal_pointer(&w->hold));
        g_assert_true(there(w, "5"));
        reopen(w);
        let_pass(20);
        g_assert_cmpuint(w->gone, ==, 0);
        let_go(w);
        await(&w->gone, 1);
}

static void test_restart_let_go(World *w, gconstpointer unused)
{
        make(w, on_gone);
        hold_leave(g_steal_pointer(&w->hold));
        let_go(w);
        reopen(w);
        g_assert_cmpuint(w->gone, ==, 0); /* never from inside */
        await(&w->gone, 1);
}

static void test_refused(World *w, gconstpointer unused)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *plain = path_of(w, "6");
        int fd = -1;
        g_assert_null(hold_reopen(w->dir, 5, on_gone, w, &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
        make(w, on_gone);
        g_assert_null(hold_new(w->dir, 5, &fd, on_gone, w, &error)); /* another's id */
        g_assert_nonnull(error);
        g_clear_error(&error);
        g_assert_true(g_file_set_contents(plain, "", 0, NULL));
        g_assert_null(hold_reopen(w->dir, 6, on_gone, w, &error));
        g_assert_nonnull(strstr(error->message, "not a FIFO"));
        g_remove(plain);
}

static void test_sweep(World *w, gconstpointer unused)
{
        const guint64 known[] = {5};
        g_autofree char *stale = path_of(w, "4"), *plain = path_of(w, "6"), *named = path_of(w, "x");
        make(w, on_gone);
        g_assert_cmpint(mkfifo(stale, 0600), ==, 0);
        g_assert_cmpint(mkfifo(named, 0600), ==, 0);
        g_assert_true(g_file_set_contents(plain, "", 0, NULL));
        hold_sweep(w->dir, known, 1);
        g_assert_false(there(w, "4"));
        g_assert_true(there(w, "5"));
        g_assert_cmpint(g_remove(plain), ==, 0); /* not ours: left alone */
        g_assert_cmpint(g_remove(named), ==, 0);
        hold_sweep("/nowhere", known, 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/hold/" name, World, NULL, set_up, func, tear_down)
        ADD("let-go", test_let_go);
        ADD("freed-by-func", test_freed_by_func);
        ADD("holder-dies", test_holder_dies);
        ADD("talkative", test_talkative);
        ADD("restart-held", test_restart_held);
        ADD("restart-let-go", test_restart_let_go);
        ADD("refused", test_refused);
        ADD("sweep", test_sweep);
        return g_test_run();
}
