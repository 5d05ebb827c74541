/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reaps processes that fell to us as the subreaper because they left their replicant's group (setsid):
 * whose they were cannot be known for sure, so they are not killed, only not left as zombies. */
#pragma once

#include "base/clock.h"
#include "orchestrator/run/fd-loop.h"

#include <sys/types.h>

typedef struct Orphans Orphans;
typedef gboolean (*OrphansKnown)(pid_t pid, gpointer user);

/* KNOWN tells those children that others reap. Children in our own process group are others', too
 * (GSubprocess); what the runner makes never is in it. */
Orphans *orphans_new(FdLoop *loop, Clock *clock, OrphansKnown known, gpointer user);
void orphans_free(Orphans *o);
/* Looks for new ones soon: something ended that may have left some. */
void orphans_look(Orphans *o);
