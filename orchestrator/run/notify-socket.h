/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The receiving side of sd_notify(3): a datagram socket whose senders the kernel names. Says who sent
 * what; whether that sender may say it, the runner decides. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct NotifyMessage {
        gboolean ready, stopping, watchdog;
        const char *status; /* NULL if it says nothing of it; printable UTF-8 */
} NotifyMessage;

typedef struct NotifySocket NotifySocket;
typedef void (*NotifyFunc)(pid_t sender, const NotifyMessage *message, gpointer user);

/* Binds PATH in one rename, so that a replicant that an earlier daemon started always finds somebody.
 * Fails with words if PATH is longer than a socket's name can be. */
NotifySocket *notify_socket_new(const char *path, NotifyFunc func, gpointer user, GError **error);
/* The name stays: another daemon may have taken it over. */
void notify_socket_free(NotifySocket *n);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NotifySocket, notify_socket_free)

const char *notify_socket_path(const NotifySocket *n);
/* Takes what waits in the socket now, bounded as one turn of the loop is: what a process said comes
 * before its end. */
void notify_socket_drain(NotifySocket *n);
/* Reads TEXT (changed in place), lines of K=V; unknown ones are ignored as sd_notify(3) wants it. */
void notify_parse(char *text, NotifyMessage *ret);
