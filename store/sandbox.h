/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks the calling process in for parsing hostile bytes: descriptors 0 to 2 alone, nobody's rights,
 * resource limits, a short list of system calls. There is no way back. */
#pragma once

#include <glib.h>

/* Dies with the thread that started it. FALSE: not locked in, do not parse. */
gboolean sandbox_enter(void);
