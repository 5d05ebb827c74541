/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left of a process group when its leader has ended: killing it, seeing it gone, reaping those
 * of it that fell to us as the subreaper (PR_SET_CHILD_SUBREAPER in prctl(2)). */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Makes orphans below us our children. A property of the whole process. */
void process_group_become_reaper(void);

typedef enum GroupLook {
        GROUP_LOOK_QUICK, /* asks the kernel for the group: a zombie that nobody reaped counts as there */
        GROUP_LOOK_CLOSE, /* reads all of /proc, and takes zombies for gone */
} GroupLook;
/* Reaps what is ours of the group; TRUE if nothing is left of it. */
gboolean process_group_is_gone(pid_t pgid, GroupLook look);

/* SIGKILL to the group of a leader that is alive, or dead and not reaped: its number is its own. */
void process_group_kill(pid_t pgid);
/* The same when the number may belong to others by now: kills those of the group that have
 * KANTAN_BATTERY and KANTAN_REPLICANT in their environment. Who lies there lies about itself only. */
void process_group_kill_marked(pid_t pgid, const char *battery, guint replicant);
