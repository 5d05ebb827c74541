/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The direct runner with real processes, tests/fake/replicant.c with its habits: from start to the
 * confirmed end, adoption, the daemon's own death. */
#include "orchestrator/run/process.h"
#include "tests/unit/runner-world.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* ---- start, ready, stop ---- */
static void test_life(World *w, gconstpointer unused)
{
        start_with(w, 1, w->fake, 0, NULL);
        g_assert_cmpuint(w->events->len, ==, 0); /* never from inside the call */
        await(w, "FORKED calc/1");
        ProcStat st;
        g_assert_true(proc_read_stat(w->pid, &st));
        g_assert_cmpuint(st.start_ticks, ==, w->ticks);
        g_assert_cmpint(st.pgid, ==, w->pid);
        let_pass(50);
        g_assert_cmpuint(w->events->len, ==, 1); /* held: nothing runs */
        w->runner->release(w->runner, "calc", 1);
        await(w, "READY calc/1");
        stop_one(w, 1, 10 * SEC);
        g_assert_nonnull(event_find(w, "EXITED calc/1 0 0"));
        g_assert_nonnull(event_find(w, "STOPPING calc/1"));
        g_assert_cmpint(kill(w->pid, 0), ==, -1);
        g_assert_cmpuint(w->events->len, ==, 4);
}

static void test_stop_of_none(World *w, gconstpointer unused)
{
        w->runner->stop(w->runner, "calc", 9, SEC);
        g_assert_cmpuint(w->events->len, ==, 0);
        await(w, "EXITED calc/9 -1 -1");
}

static void test_stop_while_held(World *w, gconstpointer unused)
{
        start_with(w, 1, w->fake, 0, NULL);
        await(w, "FORKED calc/1");
        stop_one(w, 1, 10 * SEC);
        g_assert_nonnull(event_find(w, "EXITED calc/1 -1 15"));
        w->runner->release(w->runner, "calc", 1); /* too late: no matter */
        let_pass(20);
        g_assert_null(event_find(w, "READY"));
}

static void test_start_twice(World *w, gconstpointer unused)
{
        RUN(w, 1);
        start_with(w, 1, w->fake, 0, NULL);
        await(w, "START_FAILED calc/1: calc/1 runs already");
        stop_one(w, 1, 10 * SEC);
}

static void test_cannot_run(World *w, gconstpointer unused)
{
        start_with(w, 1, "/nowhere/calcd", 0, NULL);
        start_with(w, 2, "/etc/passwd", 0, NULL);
        await_count(w->events, "FORKED", 2);
        w->runner->release(w->runner, "calc", 1);
        w->runner->release(w->runner, "calc", 2);
        await(w, "EXITED calc/1 127 0: cannot run /nowhere/calcd: No such file or directory");
        await(w, "EXITED calc/2 127 0: cannot run /etc/passwd: Permission denied");
        g_assert_cmpuint(w->events->len, ==, 4);
}

static void test_unknown_user(World *w, gconstpointer unused)
{
        RunnerStart s = {.battery = "calc", .replicant = 1, .program = w->fake, .user = "nobody_at_all"};
        w->runner->start(w->runner, &s);
        await(w, "START_FAILED calc/1: user 'nobody_at_all': no such user");
}

static void test_exit_at_once(World *w, gconstpointer unused)
{
        RUN(w, 1, "--exit=3");
        await(w, "EXITED calc/1 3 0: exited with status 3");
        RUN(w, 2, "--die=9");
        await(w, "EXITED calc/2 -1 9: killed by signal 9");
        g_assert_nonnull(event_find(w, "READY calc/2")); /* told before its end */
}

static void test_ignores_term(World *w, gconstpointer unused)
{
        RUN(w, 1, "--ignore-term");
        await(w, "READY calc/1");
        w->runner->stop(w->runner, "calc", 1, 3600 * SEC);
        let_pass(50);
        g_assert_null(event_find(w, "EXITED"));
        stop_one(w, 1, 10000); /* the second one shortens it */
        g_assert_nonnull(event_find(w, "EXITED calc/1 -1 9"));
}

/* ---- what replicants leave behind ---- */

/* Waits until PREDICATE, looking every few milliseconds: nothing tells of other people's processes. */
static gboolean wake(gpointer unused)
{
        return G_SOURCE_CONTINUE;
}

static gboolean lives(pid_t pid)
{
        ProcStat st;
        return proc_read_stat(pid, &st) && st.state != 'Z';
}

static void await_gone(pid_t pid)
{
        gboolean missed = FALSE;
        guint deadline = g_timeout_add(DEADLINE_US / 1000, on_deadline, &missed);
        guint look = g_timeout_add(5, wake, NULL);
        while (kill(pid, 0) == 0 && !missed)
                g_main_context_iteration(NULL, TRUE);
        g_assert_false(missed);
        g_source_remove(deadline);
        g_source_remove(look);
}

/* The one child of PID, or of ours that is in a session of its own. */
static pid_t child_of(pid_t parent)
{
        g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
        const char *name;
        while ((name = g_dir_read_name(proc))) {
                ProcStat st;
                if (g_ascii_isdigit(*name) && proc_read_stat(atoi(name), &st) && st.ppid == parent)
                        return st.pid;
        }
        return 0;
}

static void test_child_in_group(World *w, gconstpointer unused)
{
        RUN(w, 1, "--child");
        await(w, "READY calc/1");
        pid_t child = child_of(w->pid);
        g_assert_true(lives(child));
        stop_one(w, 1, 10 * SEC);
        g_assert_nonnull(event_find(w, "EXITED calc/1 0 0: exited with status 0"));
        g_assert_cmpint(kill(child, 0), ==, -1); /* gone and reaped when EXITED came */
        g_assert_cmpint(errno, ==, ESRCH);
}

static void test_child_outlives_exit(World *w, gconstpointer unused)
{
        RUN(w, 1, "--child", "--exit=0");
        await(w, "EXITED calc/1 0 0");
        g_assert_cmpint(kill(-w->pid, 0), ==, -1);
        g_assert_cmpint(errno, ==, ESRCH);
}

static void test_child_in_session(World *w, gconstpointer unused)
{
        RUN(w, 1, "--setsid-child");
        await(w, "READY calc/1");
        pid_t child = child_of(w->pid);
        g_assert_true(lives(child));
        stop_one(w, 1, 10 * SEC); /* is not waited for */
        g_assert_true(lives(child));
        let_pass(50); /* the runner sees it as its own child now */
        kill(child, SIGKILL);
        await_gone(child); /* not a zombie of ours */
}

/* ---- adoption ---- */
static void restart_daemon(World *w)
{
        runner_direct_free(w->runner);
        runner_make(w);
}

static gboolean adopt(World *w, guint64 ticks)
{
        return w->runner->adopt(w->runner, "calc", 1, w->pid, ticks, 0);
}

static void test_adopt(World *w, gconstpointer unused)
{
        RUN(w, 1, "--child");
        await(w, "READY calc/1");
        pid_t child = child_of(w->pid);
        restart_daemon(w);
        g_assert_true(lives(w->pid));
        g_assert_true(adopt(w, w->ticks));
        g_assert_true(adopt(w, w->ticks)); /* asked again: it is found done */
        g_assert_false(adopt(w, w->ticks + 1));
        stop_one(w, 1, 10 * SEC);
        g_assert_nonnull(event_find(w, "STOPPING calc/1")); /* says it to the new daemon's socket */
        g_assert_cmpint(kill(child, 0), ==, -1);
}

/* A daemon's child of another process: we are not told its status, and its parent reaps it. */
static void test_adopt_stranger(World *w, gconstpointer unused)
{
        int fds[2];
        g_assert_cmpint(pipe(fds), ==, 0);
        pid_t parent = fork();
        if (parent == 0) {
                pid_t pid = fork();
                if (pid == 0) {
                        setpgid(0, 0);
                        for (;;)
                                pause();
                }
                setpgid(pid, pid);
                _exit(write(fds[1], &pid, sizeof pid) == sizeof pid && waitpid(pid, NULL, 0) == pid ? 0 : 1);
        }
        ProcStat st;
        g_assert_cmpint(read(fds[0], &w->pid, sizeof w->pid), ==, sizeof w->pid);
        g_assert_true(proc_read_stat(w->pid, &st));
        g_assert_true(adopt(w, st.start_ticks));
        kill(w->pid, SIGKILL);
        await(w, "EXITED calc/1 -1 -1");
        g_assert_cmpint(waitpid(parent, NULL, 0), ==, parent);
        close(fds[0]);
        close(fds[1]);
}

static void test_adopt_wrong_ticks(World *w, gconstpointer unused)
{
        RUN(w, 1);
        await(w, "READY calc/1");
        restart_daemon(w);
        g_assert_false(adopt(w, w->ticks + 1)); /* the pid is somebody else's by now */
        g_assert_false(adopt(w, 0));
        g_assert_true(lives(w->pid));
        g_assert_true(adopt(w, w->ticks));
        stop_one(w, 1, 10 * SEC);
        g_assert_false(adopt(w, w->ticks));
        let_pass(20);
        g_assert_cmpuint(count(w->events, "EXITED"), ==, 1);
}

/* The leader died while no daemon was there; its child of the group is found by its environment. */
static void test_adopt_leftovers(World *w, gconstpointer unused)
{
        RUN(w, 1, "--child");
        await(w, "READY calc/1");
        pid_t child = child_of(w->pid);
        runner_direct_free(w->runner);
        kill(w->pid, SIGKILL);
        g_assert_cmpint(waitpid(w->pid, NULL, 0), ==, w->pid);
        g_assert_true(lives(child));
        runner_make(w);
        g_assert_false(w->runner->adopt(w->runner, "other", 1, w->pid, w->ticks, 0));
        g_assert_true(lives(child)); /* not marked as that one's: left alone */
        g_assert_false(adopt(w, w->ticks));
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child); /* fell to us: the test is a subreaper */
}

/* ---- the daemon's death ---- */
static void on_shared(const PortEvent *e, gpointer user)
{
        volatile int *pid = user;
        if (e->kind == PORT_FORKED)
                *pid = e->pid;
}

/* In a process of its own: a daemon that forks 3 replicants, which would touch a file, and is killed. */
static _Noreturn void doomed_daemon(World *w, volatile int *pid, const char *touch)
{
        const char *const arguments[] = {touch, NULL};
        RunnerPort *r = runner_direct_new(w->dir, clock_new_system(), on_shared, (gpointer)pid, NULL);
        RunnerStart s = {.battery = "calc", .program = w->fake, .arguments = arguments};
        for (s.replicant = 1; s.replicant <= 3; s.replicant++)
                r->start(r, &s);
        while (*pid == 0)
                g_main_context_iteration(NULL, TRUE);
        kill(getpid(), SIGKILL);
        _exit(1);
}

static void test_daemon_dies(World *w, gconstpointer unused)
{
        g_autofree char *path = g_build_filename(w->dir, "touched", NULL);
        g_autofree char *touch = g_strdup_printf("--touch=%s", path);
        volatile int *pid =
                mmap(NULL, sizeof *pid, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        g_assert_true(pid != MAP_FAILED);
        pid_t daemon = fork();
        if (daemon == 0)
                doomed_daemon(w, pid, touch);
        g_assert_cmpint(waitpid(daemon, NULL, 0), ==, daemon);
        for (int i = 0; i < 3; i++) { /* they fell to us; they end by themselves, having run nothing */
                int status;
                g_assert_cmpint(waitpid(-1, &status, 0), >, 0);
                g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        g_assert_cmpint(*pid, >, 0);
        g_assert_cmpint(access(path, F_OK), ==, -1);
        munmap((void *)pid, sizeof *pid);
        RUN(w, 1, touch); /* it does touch the file when it runs */
        await(w, "READY calc/1");
        g_assert_cmpint(access(path, F_OK), ==, 0);
        stop_one(w, 1, 10 * SEC);
}

static void test_free_ends_held(World *w, gconstpointer unused)
{
        int status;
        start_with(w, 1, w->fake, 0, NULL);
        await(w, "FORKED calc/1");
        restart_daemon(w);
        g_assert_cmpint(waitpid(w->pid, &status, 0), ==, w->pid);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- many, and other users ---- */
static void test_hundred(World *w, gconstpointer unused)
{
        for (guint id = 1; id <= 100; id++)
                start_with(w, id, w->fake, 0, NULL);
        await_count(w->events, "FORKED", 100);
        for (guint id = 1; id <= 100; id++)
                w->runner->release(w->runner, "calc", id);
        await_count(w->events, "READY", 100);
        for (guint id = 1; id <= 100; id++)
                w->runner->stop(w->runner, "calc", id, 60 * SEC);
        await_count(w->events, "EXITED", 100);
        for (guint id = 1; id <= 100; id++) {
                g_autofree char *line = g_strdup_printf("EXITED calc/%u 0 0", id);
                g_assert_nonnull(event_find(w, line));
        }
}

static void test_user(World *w, gconstpointer unused)
{
        if (geteuid() != 0) {
                g_test_skip("only root can change users");
                return;
        }
        g_chmod(w->dir, 0711);
        RunnerStart s = {.battery = "calc", .replicant = 1, .program = "/usr/bin/id", .user = "nobody"};
        w->runner->start(w->runner, &s);
        await(w, "FORKED");
        w->runner->release(w->runner, "calc", 1);
        await(w, "EXITED calc/1 0 0");
        g_assert_cmpuint(w->lines->len, ==, 1);
        g_assert_nonnull(strstr(w->lines->pdata[0], "(nobody) gid="));
        g_assert_null(strstr(w->lines->pdata[0], "(root)")); /* neither user nor group nor groups */
}

static void test_long_path(World *w, gconstpointer unused)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *name = g_strnfill(100, 'x'), *run = g_build_filename(w->dir, name, NULL);
        g_assert_null(runner_direct_new(run, w->clock, sink, w, &error));
        g_assert_nonnull(strstr(error->message, "a socket's may have 103"));
}

static void test_stopped_process(World *w, gconstpointer unused)
{
        RUN(w, 1);
        await(w, "READY calc/1");
        siginfo_t info;
        kill(w->pid, SIGSTOP);
        g_assert_cmpint(waitid(P_PID, (id_t)w->pid, &info, WSTOPPED), ==, 0);
        stop_one(w, 1, 3600 * SEC); /* goes on, to hear that it shall end */
        g_assert_nonnull(event_find(w, "EXITED calc/1 0 0"));
}

int main(int argc, char **argv)
{
        g_autoptr(GPtrArray) lines = lines_new();
        g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/runner-direct/" name, World, lines, set_up, func, tear_down)
        ADD("life", test_life);
        ADD("stop-of-none", test_stop_of_none);
        ADD("stop-while-held", test_stop_while_held);
        ADD("start-twice", test_start_twice);
        ADD("cannot-run", test_cannot_run);
        ADD("unknown-user", test_unknown_user);
        ADD("exit-at-once", test_exit_at_once);
        ADD("ignores-term", test_ignores_term);
        ADD("stopped-process", test_stopped_process);
        ADD("child-in-group", test_child_in_group);
        ADD("child-outlives-exit", test_child_outlives_exit);
        ADD("child-in-session", test_child_in_session);
        ADD("adopt", test_adopt);
        ADD("adopt-stranger", test_adopt_stranger);
        ADD("adopt-wrong-ticks", test_adopt_wrong_ticks);
        ADD("adopt-leftovers", test_adopt_leftovers);
        ADD("daemon-dies", test_daemon_dies);
        ADD("free-ends-held", test_free_ends_held);
        ADD("hundred", test_hundred);
        ADD("user", test_user);
        ADD("long-path", test_long_path);
        return g_test_run();
}
