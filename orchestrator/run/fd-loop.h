/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many descriptors on the main loop behind one GSource around one epoll descriptor: what the loop pays
 * per turn does not grow with the number of replicants. */
#pragma once

#include <glib.h>

typedef struct FdLoop FdLoop;
typedef struct FdWatch FdWatch;
typedef void (*FdFunc)(gpointer user);

FdLoop *fd_loop_new(GError **error);
/* All watches must be gone. */
void fd_loop_free(FdLoop *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FdLoop, fd_loop_free)

/* Calls FUNC while FD is readable or hung up. The descriptor stays the caller's and must outlive the
 * watch. NULL if the kernel has no room for it. */
FdWatch *fd_loop_add(FdLoop *l, int fd, FdFunc func, gpointer user, GError **error);
/* May be called from inside any FUNC of the loop. */
void fd_watch_free(FdWatch *w);
