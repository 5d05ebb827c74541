/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logging for programs (libraries return, programs log): GLib's g_debug/g_info/g_message/g_warning/
 * g_critical, written to standard error one line each; with the kernel's <N> priority prefix when
 * standard error is the system journal, so that levels survive. */
#pragma once

#include <glib.h>

/* LEVEL: "debug", "info", "notice" (the default), "warning" or "error". Returns FALSE for another
 * word. Call once, at the start. */
gboolean log_init(const char *level);
