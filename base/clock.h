/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time and timers behind one small port, so that tests inject them. Deadlines count on CLOCK_BOOTTIME
 * (a suspended machine has not given anyone more time); stamps told to people are CLOCK_REALTIME.
 * All times are microseconds. */
#pragma once

#include <glib.h>

typedef struct Clock Clock;
typedef void (*ClockFunc)(gpointer user);

/* The machine's clock, timers on the default main context. */
Clock *clock_new_system(void);
/* A clock that stands still until clock_advance(); for tests. Starts at BOOT_US and REAL_US. */
Clock *clock_new_fake(gint64 boot_us, gint64 real_us);
void clock_free(Clock *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Clock, clock_free)

gint64 clock_boot_us(Clock *c);
gint64 clock_real_us(Clock *c);

/* Calls FUNC once at DUE_US (boot time; in the past: at the next turn of the loop). Returns an id > 0
 * for clock_cancel(); the id is dead once FUNC was called. */
guint64 clock_at(Clock *c, gint64 due_us, ClockFunc func, gpointer user);
/* Cancels *ID if it is not 0, and sets it to 0. */
void clock_cancel(Clock *c, guint64 *id);

/* Fake clock only: moves time on, calling what becomes due in order of its due time. */
void clock_advance(Clock *c, gint64 by_us);
