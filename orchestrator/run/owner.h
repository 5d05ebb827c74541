/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners of transactions (package managers, mostly) watched by pidfd: that one is gone is told once, and
 * a pid that was reused is never taken for it. */
#pragma once

#include "orchestrator/run/ports.h"

#define OWNERS_MAX 256 /* one descriptor each; transactions are limited below that elsewhere */

/* Never fails: a process that cannot be watched counts as gone. */
OwnerPort *owner_new(PortSink sink, gpointer user);
/* Not from inside the sink. */
void owner_free(OwnerPort *o);
