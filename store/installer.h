/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The InstallerPort of orchestrator/run/ports.h on this store: blocking work on threads, results as
 * PortEvents on the main context that was the thread's default when the installer was made. */
#pragma once

#include "orchestrator/run/ports.h"

/* STATE_DIR as in base/paths.h. Removes what an earlier one was killed over, on a thread. */
InstallerPort *installer_new(const char *state_dir, PortSink sink, gpointer user);
/* Cancels what runs; no event comes any more. */
void installer_free(InstallerPort *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstallerPort, installer_free)
