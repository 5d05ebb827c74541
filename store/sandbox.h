/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks the calling process in for parsing hostile bytes: descriptors 0 to 2 alone, nobody's rights,
 * resource limits, a short list of system calls. There is no way back. */
#pragma once

#include <glib.h>

/* Sanitizers reserve terabytes of address space and make calls of their own: neither is limited then. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* Dies with the thread that started it. FALSE: not locked in, do not parse. */
gboolean sandbox_enter(void);
