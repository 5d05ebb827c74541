/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What replicants print, line by line into our log as 'battery/id: text'. Each writes to a file of its
 * own under DIR, which we follow: unlike a pipe, a file neither kills (SIGPIPE), nor blocks, nor refuses
 * (EAGAIN) a replicant whose daemon is dead or slow, and what it printed meanwhile is read later. What was
 * read is punched out of the file, which so stays small; what is not bounded is output while no daemon is
 * there to read it. */
#pragma once

#include "base/clock.h"

#include <sys/types.h>

typedef struct OutputLog OutputLog;

/* Makes DIR (0700). */
OutputLog *output_log_new(const char *dir, GError **error);
/* The files stay for output_log_resume(). */
void output_log_free(OutputLog *o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutputLog, output_log_free)

/* A new empty file for NAME ("battery.id"), logged as LABEL, owned by UID/GID (so that the program can
 * reopen /dev/stderr); returns a descriptor to write to, the caller's, or -1. */
int output_log_start(OutputLog *o, const char *name, const char *label, uid_t uid, gid_t gid, GError **error);
/* Follows again what an earlier daemon followed, where that one stopped. */
void output_log_resume(OutputLog *o, const char *name, const char *label);
/* Logs the rest (bounded) and removes the file. */
void output_log_end(OutputLog *o, const char *name);
