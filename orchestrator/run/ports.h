/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports: what the manager needs of the world, as tables of functions that adapters fill and main
 * wires. Every call returns at once; what became of it comes back as a PortEvent fed to the sink that the
 * adapter was made with, on the main context, never from inside the call itself. Every act is idempotent:
 * asked again after a crash, it finishes what was begun or finds it done. */
#pragma once

#include "orchestrator/model/battery-config.h"

/* ---- what comes back ---- */
typedef enum PortEventKind {
        /* runner; battery and replicant are set */
        PORT_FORKED,       /* pid, start_ticks: the process exists and is held before its program runs */
        PORT_START_FAILED, /* text: nothing was started; never after FORKED */
        PORT_READY,        /* READY=1 */
        PORT_STATUS,       /* text: STATUS= */
        PORT_STOPPING,     /* STOPPING=1 */
        PORT_WATCHDOG,     /* WATCHDOG=1 was missed for longer than the battery's WatchdogSec */
        PORT_EXITED,   /* confirmed gone, its process group too; after FORKED exactly one of it. exit_status
                        * (-1: by a signal), exit_signal (0: none), both -1 unknown, as of an adopted one;
                        * text: the end in words, also that the program could not be run. After stop() of
                        * what does not run, too */
        PORT_COMMAND_DONE, /* cookie; ok, text: a check, drain or admit command ended */
        /* installer */
        PORT_UNPACKED,    /* cookie; ok with info, else text; fault tells a full disk from a bad package */
        PORT_SWITCHED,    /* cookie; ok or text */
        PORT_CURRENT_SET, /* cookie; ok or text */
        /* owners of transactions */
        PORT_OWNER_GONE, /* cookie */
        _PORT_EVENT_MAX,
} PortEventKind;

typedef struct PortEvent {
        PortEventKind kind;
        const char *battery;
        guint replicant;
        guint64 cookie;
        int pid;
        guint64 start_ticks;
        int exit_status, exit_signal;
        gboolean ok, fault;
        const char *text;
        const char *package, *version, *compatibility; /* PORT_UNPACKED */
        const char *const *batteries;                  /* PORT_UNPACKED: named by the package itself */
} PortEvent;

typedef void (*PortSink)(const PortEvent *event, gpointer user);

/* ---- the service manager ---- */
typedef struct RunnerStart {
        const char *battery;
        guint replicant;
        const char *program;            /* absolute */
        const char *const *arguments;   /* after argv[0], NULL-terminated, already expanded */
        const char *user;               /* NULL: our own */
        gint64 watchdog_us;             /* 0: none */
        const char *const *environment; /* "K=V" beyond KANTAN_BATTERY, KANTAN_REPLICANT, NOTIFY_SOCKET, … */
} RunnerStart;

typedef struct RunnerPort RunnerPort;
struct RunnerPort {
        /* Makes the process and holds it before its program runs: FORKED or START_FAILED. If the daemon
         * dies before release(), the process ends without having run the program. */
        void (*start)(RunnerPort *r, const RunnerStart *spec);
        /* Lets the held process run (after its pid was journalled). */
        void (*release)(RunnerPort *r, const char *battery, guint replicant);
        /* SIGTERM to the process, after TIMEOUT_US SIGKILL to its group; EXITED when all of it is gone.
         * A second stop() with a shorter timeout shortens it. */
        void (*stop)(RunnerPort *r, const char *battery, guint replicant, gint64 timeout_us);
        /* Watches a process that an earlier daemon started; FALSE if that process (pid and start time) is
         * gone: then no event follows. Leftovers of its group are killed. */
        gboolean (*adopt)(RunnerPort *r, const char *battery, guint replicant, int pid, guint64 start_ticks,
                          gint64 watchdog_us);
        /* Runs argv as USER with KANTAN_BATTERY/KANTAN_REPLICANT set, kills it after TIMEOUT_US;
         * COMMAND_DONE with ok = exit 0, text = its last line of output or what went wrong. */
        void (*command)(RunnerPort *r, guint64 cookie, const char *battery, guint replicant,
                        const char *const *argv, const char *user, gint64 timeout_us);
        /* No COMMAND_DONE for COOKIE will come; the command is killed. */
        void (*command_cancel)(RunnerPort *r, guint64 cookie);
};

/* ---- installations ---- */
typedef struct InstallerPort InstallerPort;
struct InstallerPort {
        /* Verifies and unpacks; takes FD. FILE_NAME for the check of name and version, may be NULL. FD -1:
         * FILE_NAME is the path to open, once, on the installer's own thread. */
        void (*unpack)(InstallerPort *i, guint64 cookie, int fd, const char *file_name);
        void (*switch_to)(InstallerPort *i, guint64 cookie, const char *battery, guint replicant,
                          const char *package, const char *version);
        void (*set_current)(InstallerPort *i, guint64 cookie, const char *package, const char *version);
        /* Short look-ups (a readlink), answered at once; NULL if there is none. */
        char *(*version_of)(InstallerPort *i, const char *battery, guint replicant, const char *package);
        char *(*current_of)(InstallerPort *i, const char *package);
        /* PROGRAM NULL: the installation's root. */
        char *(*program_of)(InstallerPort *i, const char *battery, guint replicant, const char *package,
                            const char *program);
        /* The compatibility version that an unpacked package declares; NULL if it is not there. */
        char *(*compatibility_of)(InstallerPort *i, const char *package, const char *version);
};

/* ---- owners of transactions ---- */
typedef struct OwnerPort OwnerPort;
struct OwnerPort {
        /* Watches a process (pidfd); START_TICKS 0: whoever has the pid now, *ret_ticks tells. FALSE if it
         * is gone already. OWNER_GONE once. */
        gboolean (*watch)(OwnerPort *o, guint64 cookie, int pid, guint64 start_ticks, guint64 *ret_ticks);
        void (*unwatch)(OwnerPort *o, guint64 cookie);
};
