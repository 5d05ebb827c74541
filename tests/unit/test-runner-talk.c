/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What replicants say to the direct runner and what it runs for them: notify messages, the watchdog,
 * output, the environment, commands. Real processes throughout. */
#include "orchestrator/run/command.h"
#include "orchestrator/run/notify-socket.h"
#include "tests/unit/runner-world.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* ---- notify ---- */
static void test_parse(void)
{
        NotifyMessage m;
        char all[] = "READY=1\nSTATUS=up \x1b[1m\nWATCHDOG=1\nSTOPPING=1\nMAINPID=1\n";
        char none[] = "READY=10\nREADY\n=\n\n READY=1\nSTATU=x";
        char bad[] = "STATUS=ab\xff\xfe";
        g_autofree char *nothing = g_strnfill(5000, 'x'), *huge = g_strconcat("STATUS=", nothing, NULL);
        notify_parse(all, &m);
        g_assert_true(m.ready && m.stopping && m.watchdog);
        g_assert_cmpstr(m.status, ==, "up  [1m");
        notify_parse(none, &m);
        g_assert_true(!m.ready && !m.stopping && !m.watchdog && !m.status);
        notify_parse(bad, &m);
        g_assert_cmpstr(m.status, ==, "ab");
        notify_parse(huge, &m);
        g_assert_cmpuint(strlen(m.status), ==, 256);
}

/* Sends SIZE bytes, and a descriptor if FD is not -1, as this very process: which is no replicant. */
static void send_raw(World *w, const char *text, gsize size, int fd)
{
        g_autofree char *path = g_build_filename(w->dir, "run", "notify", NULL);
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        union {
                struct cmsghdr head;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                              .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS}};
        struct iovec iov = {.iov_base = (char *)text, .iov_len = size};
        struct msghdr h = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &iov, .msg_iovlen = 1};
        int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        g_strlcpy(to.sun_path, path, sizeof to.sun_path);
        if (fd >= 0) {
                memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
                h.msg_control = &control;
                h.msg_controllen = sizeof control;
        }
        g_assert_cmpint(sendmsg(s, &h, 0), ==, (gssize)size);
        close(s);
}

static void test_stranger(World *w, gconstpointer unused)
{
        run_one(w, 1, 0, (const char *const[]){"--never-ready", NULL});
        send_raw(w, "READY=1", 7, -1);
        let_pass(50);
        g_assert_null(event_find(w, "READY"));
        stop_one(w, 1, 10 * SEC);
}

static void test_group_speaks(World *w, gconstpointer unused)
{
        run_one(w, 1, 0, (const char *const[]){"--never-ready", "--child-says=READY=1", NULL});
        await(w, "READY calc/1");
        stop_one(w, 1, 10 * SEC);
}

static guint open_fds(void)
{
        g_autoptr(GDir) d = g_dir_open("/proc/self/fd", 0, NULL);
        guint n = 0;
        while (g_dir_read_name(d))
                n++;
        return n;
}

static void test_passed_fds(World *w, gconstpointer unused)
{
        guint before = open_fds();
        for (int i = 0; i < 5; i++)
                send_raw(w, "FDSTORE=1", 9, STDERR_FILENO);
        let_pass(30);
        g_assert_cmpuint(open_fds(), ==, before);
}

static void test_flood(World *w, gconstpointer unused)
{
        run_one(w, 1, 0, (const char *const[]){"--flood=5000", NULL});
        await(w, "READY calc/1");
        await(w, "STATUS calc/1: 4999"); /* the last one always comes */
        g_assert_cmpuint(count(w->events, "STATUS"), <, 500);
        stop_one(w, 1, 10 * SEC);
}

static void test_too_long(World *w, gconstpointer unused)
{
        g_autofree char *x = g_strnfill(4096, 'x'), *say = g_strdup_printf("--say=STATUS=early\n%s", x);
        run_one(w, 1, 0, (const char *const[]){say, "--say=STATUS=short", NULL});
        await(w, "READY calc/1");
        await(w, "STATUS calc/1: short");
        g_assert_null(event_find(w, "STATUS calc/1: early"));
        stop_one(w, 1, 10 * SEC);
}

/* ---- watchdog ---- */
static void test_watchdog(World *w, gconstpointer unused)
{
        gint64 before = clock_boot_us(w->clock);
        run_one(w, 1, 300000, (const char *const[]){"--watchdog=5", NULL}); /* 5 pings, 100 ms apart */
        await(w, "READY calc/1");
        await(w, "WATCHDOG calc/1");
        g_assert_cmpint(clock_boot_us(w->clock) - before, >=, 5 * 100000 + 300000);
        let_pass(400);
        g_assert_cmpuint(count(w->events, "WATCHDOG"), ==, 1);
        stop_one(w, 1, 10 * SEC);
}

static void test_watchdog_unarmed(World *w, gconstpointer unused)
{
        run_one(w, 1, 20000, (const char *const[]){"--never-ready", NULL});
        let_pass(60);
        g_assert_null(event_find(w, "WATCHDOG")); /* ReadyTimeoutSec is what counts until then */
        stop_one(w, 1, 10 * SEC);
}

/* ---- output and environment ---- */
static void test_output(World *w, gconstpointer unused)
{
        g_autofree char *x = g_strnfill(1500, 'x'), *line = g_strdup_printf("--print=%s", x);
        run_one(w, 1, 0, (const char *const[]){"--print=one", "--print=t\x1bwo\xff", line, NULL});
        await_count(w->lines, "calc/1: ", 4);
        g_assert_cmpstr(w->lines->pdata[0], ==, "calc/1: one");
        g_assert_cmpstr(w->lines->pdata[1], ==, "calc/1: t?wo\xef\xbf\xbd");
        g_assert_cmpuint(strlen(w->lines->pdata[2]), ==, strlen("calc/1: ") + 1024);
        g_assert_cmpuint(strlen(w->lines->pdata[3]), ==, strlen("calc/1: ") + 1500 - 1024);
        stop_one(w, 1, 10 * SEC);
        g_autofree char *file = g_build_filename(w->dir, "run", "output", "calc.1", NULL);
        g_assert_cmpint(access(file, F_OK), ==, -1);
}

static void test_output_at_end(World *w, gconstpointer unused)
{
        run_one(w, 1, 0, (const char *const[]){"--print=last words", "--exit=1", NULL});
        await(w, "EXITED calc/1");
        g_assert_cmpuint(count(w->lines, "calc/1: last words"), ==, 1);
}

/* Much output is logged whole, and given back to the disk. */
static void test_output_much(World *w, gconstpointer unused)
{
        struct stat st;
        g_autofree char *file = g_build_filename(w->dir, "run", "output", "calc.1", NULL);
        run_one(w, 1, 0, (const char *const[]){"--print-many=10000", NULL});
        await_count(w->lines, "calc/1: line ", 10000);
        g_assert_cmpint(stat(file, &st), ==, 0);
        g_assert_cmpint(st.st_size, >, 90000);
        g_assert_cmpint(st.st_blocks * 512, <=, 16384);
        stop_one(w, 1, 10 * SEC);
}

/* While no daemon is there output goes on; the next one logs what is new and nothing twice. */
static void test_output_resumed(World *w, gconstpointer unused)
{
        run_one(w, 1, 0, (const char *const[]){"--print=before", "--print=also", "--ready-after=300", NULL});
        await(w, "FORKED");
        await_count(w->lines, "calc/1: also", 1);
        runner_direct_free(w->runner);
        g_autofree char *file = g_build_filename(w->dir, "run", "output", "calc.1", NULL);
        int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC); /* as the replicant would */
        g_assert_cmpint(write(fd, "meanwhile\n", 10), ==, 10);
        close(fd);
        runner_make(w);
        g_assert_true(w->runner->adopt(w->runner, "calc", 1, w->pid, w->ticks, 0));
        await_count(w->lines, "calc/1: meanwhile", 1);
        g_assert_cmpuint(w->lines->len, ==, 3);
        await(w, "READY calc/1"); /* said to the new daemon */
        stop_one(w, 1, 10 * SEC);
}

static gboolean printed(World *w, const char *line)
{
        return count(w->lines, line) == 1;
}

static void test_environment(World *w, gconstpointer unused)
{
        g_setenv("KANTAN_TEST_SECRET", "x", TRUE);
        run_one(w, 7, 5 * SEC, (const char *const[]){"--environment", "--print=end", NULL});
        await_count(w->lines, "calc/7: end", 1);
        g_autofree char *notify = g_strdup_printf("calc/7: env NOTIFY_SOCKET=%s/run/notify", w->dir);
        g_autofree char *pid = g_strdup_printf("calc/7: env WATCHDOG_PID=%d", w->pid);
        g_assert_true(printed(w, "calc/7: env KANTAN_BATTERY=calc"));
        g_assert_true(printed(w, "calc/7: env KANTAN_REPLICANT=7"));
        g_assert_true(printed(w, "calc/7: env COLOUR=blue"));
        g_assert_true(printed(w, "calc/7: env WATCHDOG_USEC=5000000"));
        g_assert_true(printed(w, "calc/7: env PATH=/usr/local/sbin:"));
        g_assert_true(printed(w, notify) && printed(w, pid));
        g_assert_false(printed(w, "calc/7: env KANTAN_TEST_SECRET"));
        stop_one(w, 7, 10 * SEC);
}

/* ---- commands ---- */
static void run_command(World *w, guint64 cookie, gint64 timeout_us, const char *script)
{
        const char *const argv[] = {"sh", "-c", script, NULL};
        w->runner->command(w->runner, cookie, "calc", 1, argv, NULL, timeout_us);
}

static void test_command(World *w, gconstpointer unused)
{
        const char *const missing[] = {"/nowhere/check", NULL};
        run_command(w, 1, 10 * SEC, "echo first; echo $KANTAN_BATTERY.$KANTAN_REPLICANT; echo");
        run_command(w, 2, 10 * SEC, "echo 'b\033ad' >&2; exit 4");
        run_command(w, 3, 10 * SEC, "exit 5");
        run_command(w, 4, 10 * SEC, "kill -9 $$");
        w->runner->command(w->runner, 5, "calc", 1, missing, NULL, SEC);
        w->runner->command(w->runner, 6, "calc", 1, missing, "nobody_at_all", SEC);
        g_assert_cmpuint(w->events->len, ==, 0);
        await_count(w->events, "COMMAND_DONE", 6);
        g_assert_nonnull(event_find(w, "COMMAND_DONE calc/1 1 ok: calc.1"));
        g_assert_nonnull(event_find(w, "COMMAND_DONE calc/1 2 no: b?ad"));
        g_assert_nonnull(event_find(w, "COMMAND_DONE calc/1 3 no: sh: exit status 5"));
        g_assert_nonnull(event_find(w, "COMMAND_DONE calc/1 4 no: sh: killed by signal 9"));
        g_assert_nonnull(event_find(w, "COMMAND_DONE calc/1 5 no: cannot run /nowhere/check: No such file"));
        g_assert_nonnull(event_find(w, "COMMAND_DONE calc/1 6 no: user 'nobody_at_all'"));
}

static void test_command_long_line(World *w, gconstpointer unused)
{
        run_command(w, 1, 10 * SEC, "head -c 100000 /dev/zero | tr '\\0' x");
        await(w, "COMMAND_DONE calc/1 1 ok: xxx");
        g_assert_cmpuint(strlen(w->events->pdata[0]), ==, strlen("COMMAND_DONE calc/1 1 ok: ") + 200);
}

static void test_command_timeout(World *w, gconstpointer unused)
{
        run_command(w, 1, 100000, "echo waiting; exec tail -f /dev/null");
        await(w, "COMMAND_DONE calc/1 1 no: sh: killed after 0.1 s: waiting");
}

/* A child that keeps the output open is not waited for, and killed. */
static void test_command_child(World *w, gconstpointer unused)
{
        run_command(w, 1, 3600 * SEC, "tail -f /dev/null & echo $!");
        await(w, "COMMAND_DONE calc/1 1 ok: ");
        pid_t child = atoi(event_find(w, "COMMAND_DONE") + strlen("COMMAND_DONE calc/1 1 ok: "));
        ProcStat st = {0};
        g_assert_cmpint(child, >, 1);
        gint64 deadline = clock_boot_us(w->clock) + DEADLINE_US; /* killed, but the kernel takes a moment */
        while (proc_read_stat(child, &st) && st.state != 'Z' && clock_boot_us(w->clock) < deadline)
                let_pass(2);
        g_assert_true(st.state == 'Z' || kill(child, 0) < 0);
}

static void test_command_cancel(World *w, gconstpointer unused)
{
        for (guint64 i = 1; i <= COMMANDS_RUNNING_MAX + 2; i++)
                run_command(w, i, 3600 * SEC, "exec tail -f /dev/null");
        for (guint64 i = COMMANDS_RUNNING_MAX + 1; i >= 1; i--)
                w->runner->command_cancel(w->runner, i); /* one waits, the others run */
        w->runner->command_cancel(w->runner, 999);
        run_command(w, 1000, 10 * SEC, "true");
        await(w, "COMMAND_DONE calc/1 1000 ok");
        g_assert_cmpuint(w->events->len, ==, 1);
        w->runner->command_cancel(w->runner, COMMANDS_RUNNING_MAX + 2);
}

static void test_command_done_cancelled(World *w, gconstpointer unused)
{
        const char *const argv[] = {"sh", NULL};
        w->runner->command(w->runner, 1, "calc", 1, argv, "nobody_at_all", SEC); /* its DONE waits */
        w->runner->command_cancel(w->runner, 1);
        let_pass(20);
        g_assert_cmpuint(w->events->len, ==, 0);
}

static void test_commands_many(World *w, gconstpointer unused)
{
        for (guint64 i = 0; i < 3 * COMMANDS_RUNNING_MAX; i++)
                run_command(w, i, 60 * SEC, "true");
        await_count(w->events, "COMMAND_DONE", 3 * COMMANDS_RUNNING_MAX);
        for (guint i = 0; i < w->events->len; i++)
                g_assert_nonnull(strstr(w->events->pdata[i], " ok"));
}

int main(int argc, char **argv)
{
        g_autoptr(GPtrArray) lines = lines_new();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/runner-talk/parse", test_parse);
#define ADD(name, func) g_test_add("/runner-talk/" name, World, lines, set_up, func, tear_down)
        ADD("stranger", test_stranger);
        ADD("group-speaks", test_group_speaks);
        ADD("passed-fds", test_passed_fds);
        ADD("flood", test_flood);
        ADD("too-long", test_too_long);
        ADD("watchdog", test_watchdog);
        ADD("watchdog-unarmed", test_watchdog_unarmed);
        ADD("output", test_output);
        ADD("output-at-end", test_output_at_end);
        ADD("output-much", test_output_much);
        ADD("output-resumed", test_output_resumed);
        ADD("environment", test_environment);
        ADD("command", test_command);
        ADD("command-long-line", test_command_long_line);
        ADD("command-timeout", test_command_timeout);
        ADD("command-child", test_command_child);
        ADD("command-cancel", test_command_cancel);
        ADD("command-done-cancelled", test_command_done_cancelled);
        ADD("commands-many", test_commands_many);
        return g_test_run();
}
