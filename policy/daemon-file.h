/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own file, CONFIG/orchestrator.conf: hooks, store, limits. The same rules as battery files:
 * an empty value restores the default, unknown keys warn, wrong values are errors, with file and line. A
 * file that does not exist leaves all defaults. */
#pragma once

#include "policy/problem.h"

/* What package managers' hooks do when the service cannot be reached. */
typedef enum WhenUnreachable {
        UNREACHABLE_CLOSED, /* refuse the transaction */
        UNREACHABLE_OPEN,   /* let it go ahead */
} WhenUnreachable;

typedef struct DaemonConfig {
        /* [Hooks] */
        WhenUnreachable when_unreachable;
        gint64 hook_timeout_us; /* longest that a pre hook waits for its verdict */
        /* [Store] */
        guint keep_versions; /* of each package, beyond those in use */
        /* [Limits]; each bounds memory that callers could make us use */
        guint transactions;     /* not yet closed, of all owners */
        guint inhibitors;       /* held at once: each is a FIFO and a descriptor of ours */
        guint calls_per_sender; /* method calls of one sender that await their reply */
        guint calls;            /* the same of all senders */
} DaemonConfig;

DaemonConfig daemon_config_default(void);

/* Fills *RET, FALSE (and *RET all defaults) when any error was added to PROBLEMS (GPtrArray of Problem). */
gboolean daemon_file_load(const char *config_dir, DaemonConfig *ret, GPtrArray *problems);
/* The same, pure, of bytes; FILE is only for telling. */
gboolean daemon_file_parse(const char *file, const char *bytes, gsize length, DaemonConfig *ret,
                           GPtrArray *problems);
