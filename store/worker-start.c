/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parent's side of the worker's life. */
#include "store/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/fd.h"

/* Fewer, larger hand-overs between the two processes; the kernel's limit for unprivileged users. */
#define PIPE_BYTES (1024 * 1024)

static void on_cancelled(GCancellable *cancel, gpointer user)
{
        const Worker *w = user;
        kill(w->pid, SIGKILL);
}

static int spawn(pid_t *ret, int archive, int out)
{
        char *argv[] = {(char *)"/proc/self/exe", (char *)WORKER_ARGUMENT, NULL};
        char *envp[] = {NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);

        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_adddup2(&actions, archive, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        int r = posix_spawn(ret, argv[0], &actions, &attributes, argv, envp);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return r;
}

gboolean worker_start(Worker *w, int archive, GCancellable *cancel, GError **error)
{
        int ends[2];
        *w = (Worker){.pid = -1, .out = -1};
        if (pipe2(ends, O_CLOEXEC) < 0)
                return fd_fault(error, errno, "making a pipe for the archive's reader");
        (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES); /* only slower without */
        int r = spawn(&w->pid, archive, ends[1]);
        close(ends[1]);
        if (r != 0) {
                close(ends[0]);
                w->pid = -1;
                return fd_fault(error, r, "starting the archive's reader");
        }
        w->out = ends[0];
        if (cancel) {
                w->cancel = cancel;
                w->handler = g_cancellable_connect(cancel, G_CALLBACK(on_cancelled), w, NULL);
        }
        return TRUE;
}

void worker_end(Worker *w)
{
        if (w->pid < 0)
                return;
        /* First: after the reaping the pid may be somebody else's. */
        if (w->cancel)
                g_cancellable_disconnect(w->cancel, w->handler);
        close(w->out); /* a worker that may not be killed ends on its next write */
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        *w = (Worker){.pid = -1, .out = -1};
}
