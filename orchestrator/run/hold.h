/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an inhibitor holds: the write end of a FIFO of its own, DIR/ID. While anybody has the write end
 * open the hold stands; when the last one is closed, by its holder or by its holder's death, it is gone.
 * The FIFO's name lets a restarted daemon look again. */
#pragma once

#include <glib.h>

typedef struct Hold Hold;
/* Called once, from the main loop, never from inside a call; the hold is still to be freed, which FUNC
 * may do. */
typedef void (*HoldGone)(guint64 id, gpointer user);

/* Makes DIR (0700) and DIR/ID, mode 0600; *RET_WRITE_FD is for the holder, and to be closed once it was
 * sent to it. */
Hold *hold_new(const char *dir, guint64 id, int *ret_write_fd, HoldGone func, gpointer user, GError **error);
/* After the daemon's own restart: takes up DIR/ID again; FUNC comes soon if nobody holds it any more. */
Hold *hold_reopen(const char *dir, guint64 id, HoldGone func, gpointer user, GError **error);
/* Closes and removes the FIFO; the holder's end becomes useless. */
void hold_free(Hold *h);
/* Stops watching but leaves the FIFO, for a daemon that goes and comes back. */
void hold_leave(Hold *h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hold, hold_free)

/* Removes from DIR the FIFOs named by numbers that are not among the N in KNOWN. */
void hold_sweep(const char *dir, const guint64 *known, gsize n);
