/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork, what the child does before its program, exec. Between fork and exec only async-signal-safe calls
 * are made (signal-safety(7)): other threads of ours may hold any lock at the moment of the fork. */
#include "orchestrator/run/process.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STANDARD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define WATCHDOG_PID_PREFIX "WATCHDOG_PID="

/* Where in the child the descriptors end up; all above is closed. */
enum { CHILD_HOLD_FD = 3, CHILD_ERROR_FD = 4, CHILD_CLOSE_FROM = 5, CHILD_ASIDE = 16 };

typedef enum ChildStage { STAGE_FDS, STAGE_CHDIR, STAGE_USER, STAGE_EXEC, _STAGE_MAX } ChildStage;
static const char *const stage_words[] = {"set up descriptors for", "change to / for", "change the user for",
                                          "run"};
G_STATIC_ASSERT(G_N_ELEMENTS(stage_words) == _STAGE_MAX);

typedef struct ChildError {
        ChildStage stage;
        int error;
} ChildError;

/* Everything the child needs, made before fork. */
typedef struct ChildPlan {
        const ProcessSpec *spec;
        int null_fd, hold_fd, error_fd;
        char watchdog_pid[sizeof WATCHDOG_PID_PREFIX + 16];
        char **environment; /* NULL-terminated; strings borrowed */
} ChildPlan;

/* ---- in the child ---- */
static _Noreturn void child_fail(ChildStage stage)
{
        ChildError e = {.stage = stage, .error = errno};
        ssize_t n = write(CHILD_ERROR_FD, &e, sizeof e);
        _exit(n == sizeof e ? 127 : 126);
}

static void child_reset_signals(void)
{
        struct sigaction act = {.sa_handler = SIG_DFL};
        for (int s = 1; s < NSIG; s++)
                if (s != SIGKILL && s != SIGSTOP)
                        sigaction(s, &act, NULL); /* fails for those that libc keeps: nothing to reset */
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First aside, above all targets, so that no dup2 overwrites a descriptor still needed. */
static void child_arrange_fds(const ChildPlan *c)
{
        int error = fcntl(c->error_fd, F_DUPFD_CLOEXEC, CHILD_ASIDE);
        int hold = c->hold_fd >= 0 ? fcntl(c->hold_fd, F_DUPFD_CLOEXEC, CHILD_ASIDE) : -1;
        int output = fcntl(c->spec->output_fd, F_DUPFD_CLOEXEC, CHILD_ASIDE);
        int null = fcntl(c->null_fd, F_DUPFD_CLOEXEC, CHILD_ASIDE);
        if (error < 0 || dup3(error, CHILD_ERROR_FD, O_CLOEXEC) < 0)
                _exit(126);
        if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
            dup2(output, STDERR_FILENO) < 0)
                child_fail(STAGE_FDS);
        if (c->hold_fd >= 0 ? dup3(hold, CHILD_HOLD_FD, O_CLOEXEC) < 0
                            : close_range(CHILD_HOLD_FD, CHILD_HOLD_FD, 0) < 0)
                child_fail(STAGE_FDS);
        /* Also the write ends of other held processes' holds, which must see our death, not ours and its. */
        if (close_range(CHILD_CLOSE_FROM, ~0U, 0) < 0)
                child_fail(STAGE_FDS);
}

static void child_change_user(const Account *a)
{
        if (!a->change)
                return;
        if (setgroups((size_t)a->n_groups, a->groups) < 0 || setresgid(a->gid, a->gid, a->gid) < 0 ||
            setresuid(a->uid, a->uid, a->uid) < 0)
                child_fail(STAGE_USER);
}

/* The killer's view of us should not be the daemon's, which may be protected. */
static void child_reset_oom(void)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        if (write(fd, "0", 1) < 0)
                errno = 0; /* not allowed to: then it stays what the daemon has */
        close(fd);
}

static void child_write_watchdog_pid(char *text)
{
        char digits[16];
        int n = 0;
        for (pid_t pid = getpid(); pid > 0; pid /= 10)
                digits[n++] = (char)('0' + pid % 10);
        text += sizeof WATCHDOG_PID_PREFIX - 1;
        while (n > 0)
                *text++ = digits[--n];
        *text = '\0';
}

/* The write end is held by the daemon alone: end of file is its death, and nothing has been run. */
static void child_wait(void)
{
        char go;
        ssize_t n;
        do
                n = read(CHILD_HOLD_FD, &go, 1);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                _exit(0);
}

static _Noreturn void child_run(ChildPlan *c)
{
        setpgid(0, 0);
        child_reset_signals();
        child_arrange_fds(c);
        child_reset_oom();
        umask(022);
        if (chdir("/") < 0)
                child_fail(STAGE_CHDIR);
        child_change_user(c->spec->account);
        child_write_watchdog_pid(c->watchdog_pid);
        switch (c->spec->mode) {
        case PROCESS_HELD:
                child_wait();
                break;
        case PROCESS_AT_ONCE:
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of user, which clears it */
                break;
        }
        execve(c->spec->program, (char *const *)c->spec->argv, c->environment);
        child_fail(STAGE_EXEC);
}

/* ---- in the daemon ---- */
static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static gboolean fail_errno(GError **error, const char *what)
{
        int e = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(e), "%s: %s", what, g_strerror(e));
        return FALSE;
}

/* All signals wait while the child still has our handlers, which would write into pipes shared with us. */
static pid_t fork_quietly(ChildPlan *plan)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid_t pid = fork();
        if (pid == 0)
                child_run(plan);
        int e = errno;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        errno = e;
        return pid;
}

static gboolean spawn_planned(ChildPlan *plan, Process *p, GError **error)
{
        p->pid = fork_quietly(plan);
        if (p->pid < 0)
                return fail_errno(error, "fork");
        setpgid(p->pid, p->pid); /* whoever is first; a kill of the group must not come before it */
        ProcStat st;
        p->pidfd = pidfd_open(p->pid, 0);
        if (p->pidfd >= 0 && proc_read_stat(p->pid, &st)) { /* not reaped yet, so it must be there */
                p->start_ticks = st.start_ticks;
                return TRUE;
        }
        fail_errno(error, p->pidfd < 0 ? "pidfd_open" : "reading /proc/PID/stat");
        kill(p->pid, SIGKILL); /* ours and not reaped: the pid is its own */
        siginfo_t info;
        waitid(P_PID, (id_t)p->pid, &info, WEXITED); /* returns at once: it was killed before its program */
        return FALSE;
}

static char **plan_environment(ChildPlan *plan)
{
        guint n = g_strv_length(plan->spec->environment);
        char **env = g_new0(char *, n + 2);
        memcpy(env, plan->spec->environment, n * sizeof *env);
        if (plan->spec->watchdog_pid)
                env[n] = plan->watchdog_pid;
        return env;
}

gboolean process_spawn(const ProcessSpec *spec, Process *ret, GError **error)
{
        Process p = PROCESS_NONE;
        int errors[2] = {-1, -1}, hold[2] = {-1, -1};
        ChildPlan plan = {.spec = spec, .watchdog_pid = WATCHDOG_PID_PREFIX};
        plan.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        gboolean ok = plan.null_fd >= 0 && pipe2(errors, O_CLOEXEC | O_NONBLOCK) == 0;
        if (ok && spec->mode == PROCESS_HELD) /* a socket: writing to one that is closed need not signal */
                ok = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, hold) == 0;
        if (!ok)
                fail_errno(error, "descriptors for a new process");
        p.error_fd = errors[0];
        p.hold_fd = hold[0];
        plan.error_fd = errors[1];
        plan.hold_fd = hold[1];
        plan.environment = plan_environment(&plan);
        ok = ok && spawn_planned(&plan, &p, error);
        g_free(plan.environment);
        close_fd(&plan.null_fd);
        close_fd(&plan.error_fd);
        close_fd(&plan.hold_fd);
        if (ok)
                *ret = p;
        else
                process_clear(&p);
        return ok;
}

void process_release(Process *p)
{
        if (p->hold_fd < 0)
                return;
        /* Fails only if the process ended, which its pidfd tells. */
        ssize_t n = send(p->hold_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        g_assert(n == 1 || errno == EPIPE || errno == ECONNRESET);
        close_fd(&p->hold_fd);
}

char *process_error(const Process *p, const char *program)
{
        ChildError e;
        if (p->error_fd < 0 || read(p->error_fd, &e, sizeof e) != sizeof e || e.stage >= _STAGE_MAX)
                return NULL;
        return g_strdup_printf("cannot %s %s: %s", stage_words[e.stage], program, g_strerror(e.error));
}

void process_close_error(Process *p)
{
        close_fd(&p->error_fd);
}

void process_clear(Process *p)
{
        close_fd(&p->pidfd);
        close_fd(&p->hold_fd);
        close_fd(&p->error_fd);
}

int process_open(pid_t pid, guint64 start_ticks, guint64 *ret_ticks)
{
        ProcStat st;
        int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
        /* The pidfd first: if what /proc then says is right, the pidfd is of that process. */
        if (fd < 0 || !proc_read_stat(pid, &st) || st.state == 'Z' || st.state == 'X' ||
            (start_ticks != 0 && st.start_ticks != start_ticks)) {
                close_fd(&fd);
                return -1;
        }
        if (ret_ticks)
                *ret_ticks = st.start_ticks;
        return fd;
}

void process_signal(int pidfd, int signal)
{
        if (pidfd >= 0)
                pidfd_send_signal(pidfd, signal, NULL, 0);
}

gboolean process_alive(int pidfd)
{
        struct pollfd p = {.fd = pidfd, .events = POLLIN}; /* readable when it has ended: pidfd_open(2) */
        return poll(&p, 1, 0) == 0;
}

char **process_environment(const Account *account)
{
        char **env = g_new0(char *, 1);
        env = g_environ_setenv(env, "PATH", STANDARD_PATH, TRUE);
        env = g_environ_setenv(env, "LANG", "C.UTF-8", TRUE);
        env = g_environ_setenv(env, "HOME", account->home, TRUE);
        if (account->name)
                env = g_environ_setenv(env, "USER", account->name, TRUE);
        return env;
}

char *process_find_program(const char *name)
{
        if (g_path_is_absolute(name))
                return g_strdup(name);
        g_auto(GStrv) folders = g_strsplit(STANDARD_PATH, ":", -1);
        for (guint i = 0; folders[i] && !strchr(name, '/'); i++) {
                g_autofree char *path = g_build_filename(folders[i], name, NULL);
                if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
                        return g_steal_pointer(&path);
        }
        return NULL;
}
