/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One epoll descriptor as a GSource; level-triggered, events taken one at a time so that a callback may
 * free any watch. */
#include "orchestrator/run/fd-loop.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_TURN 64 /* then others on the main loop have their turn; epoll keeps the order fair */

struct FdLoop {
        int epoll_fd;
        guint source, watches;
};

struct FdWatch {
        FdLoop *loop;
        int fd;
        FdFunc func;
        gpointer user;
};

static gboolean on_ready(int fd, GIOCondition condition, gpointer user)
{
        struct epoll_event event;
        for (int n = 0; n < EVENTS_PER_TURN && epoll_wait(fd, &event, 1, 0) == 1; n++) {
                FdWatch *w = event.data.ptr;
                w->func(w->user);
        }
        return G_SOURCE_CONTINUE;
}

FdLoop *fd_loop_new(GError **error)
{
        int fd = epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "epoll_create1: %s",
                            g_strerror(errno));
                return NULL;
        }
        FdLoop *l = g_new0(FdLoop, 1);
        l->epoll_fd = fd;
        l->source = g_unix_fd_add(fd, G_IO_IN, on_ready, l);
        return l;
}

void fd_loop_free(FdLoop *l)
{
        if (!l)
                return;
        g_assert(l->watches == 0);
        g_source_remove(l->source);
        close(l->epoll_fd);
        g_free(l);
}

FdWatch *fd_loop_add(FdLoop *l, int fd, FdFunc func, gpointer user, GError **error)
{
        FdWatch *w = g_new0(FdWatch, 1);
        *w = (FdWatch){.loop = l, .fd = fd, .func = func, .user = user};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "epoll_ctl: %s",
                            g_strerror(errno));
                g_free(w);
                return NULL;
        }
        l->watches++;
        return w;
}

void fd_watch_free(FdWatch *w)
{
        if (!w)
                return;
        w->loop->watches--;
        epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
        g_free(w);
}
