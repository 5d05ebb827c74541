/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and ending the parsing worker (its own side: worker.c, through store/package.h). */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#define WORKER_ARGUMENT "--parse-worker"

typedef struct Worker {
        pid_t pid;
        int out;        /* read end of its pipe */
        gulong handler; /* of cancel; 0: none */
        GCancellable *cancel;
} Worker;

/* Starts it on ARCHIVE (borrowed). Its environment is empty. Cancelling kills it. */
gboolean worker_start(Worker *w, int archive, GCancellable *cancel, GError **error);
/* Closes the pipe, kills it if it still runs, reaps it. After a failed or no start: does nothing. */
void worker_end(Worker *w);
