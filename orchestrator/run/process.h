/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes child processes: a process group of its own, clean signals, a minimal environment, nothing of
 * ours left open; optionally held before its program runs. Knows nothing of replicants. */
#pragma once

#include "orchestrator/run/account.h"

typedef enum ProcessMode {
        PROCESS_HELD,    /* waits for process_release(); ends by itself when we die before */
        PROCESS_AT_ONCE, /* runs now, and is killed when we die: its output goes to a pipe of ours */
} ProcessMode;

typedef struct ProcessSpec {
        const char *program;     /* absolute */
        const char *const *argv; /* argv[0] and on */
        char **environment;
        const Account *account;
        int output_fd; /* standard output and error; standard input is /dev/null */
        ProcessMode mode;
        gboolean watchdog_pid; /* add WATCHDOG_PID=its pid (sd_watchdog_enabled(3)) */
} ProcessSpec;

typedef struct Process {
        pid_t pid; /* also its group, until the program itself changes that */
        int pidfd;
        guint64 start_ticks;
        int hold_fd;  /* -1 once released */
        int error_fd; /* tells an exec that failed; at its end when the program runs */
} Process;
#define PROCESS_NONE ((Process){.pidfd = -1, .hold_fd = -1, .error_fd = -1})

gboolean process_spawn(const ProcessSpec *spec, Process *ret, GError **error);
/* Lets a held process run. Harmless when it ended meanwhile. */
void process_release(Process *p);
/* What kept PROGRAM from running, NULL if nothing did (so far). Does not block. */
char *process_error(const Process *p, const char *program);
/* Nothing more is to be told by it. */
void process_close_error(Process *p);
/* Closes the descriptors; a held process ends. */
void process_clear(Process *p);

/* Opens a pidfd for PID if that process has START_TICKS (0: whoever has it) and lives, else -1.
 * *RET_TICKS may be NULL. */
int process_open(pid_t pid, guint64 start_ticks, guint64 *ret_ticks);
/* Sends SIGNAL through PIDFD; a process that is gone is no matter. */
void process_signal(int pidfd, int signal);

gboolean process_alive(int pidfd);

/* PATH, LANG, HOME, USER of ACCOUNT: what every process gets. */
char **process_environment(const Account *account);
/* An absolute NAME itself, else the first executable of that name in the standard PATH, or NULL. */
char *process_find_program(const char *name);
