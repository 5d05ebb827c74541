/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Some updates, followed until every one has its verdict: what they and their replicants are doing. Only
 * the model; draw.c shows it. Follows across a restart of the service. */
#pragma once

#include "nyota/client.h"
#include "nyota/event.h"

typedef struct Follow Follow;

typedef struct FollowUpdate {
        Follow *follow;
        guint64 question; /* a call under way, 0 if none */
        char *path, *battery, *strategy, *from, *to, *state, *reason;
        guint done, all; /* steps */
        gboolean final;
        gboolean measured; /* the two below are known */
        double seconds;
        guint least_active;
} FollowUpdate;

typedef struct FollowReplicant {
        char *battery;
        guint id;
        char *state, *version, *health;
} FollowReplicant;

typedef struct FollowFuncs {
        void (*event)(const Event *event, gpointer user);
        void (*changed)(gpointer user); /* redraw */
} FollowFuncs;

/* PATHS (NULL-terminated) were accepted after event AFTER of the channel. NULL and error. */
Follow *follow_new(Client *client, const char *const *paths, guint64 after, const FollowFuncs *funcs,
                   gpointer user, GError **error);
void follow_free(Follow *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Follow, follow_free)

/* Runs the main loop until all are final, or one is held (nothing more happens until policy lets it), or
 * the service was away for too long: then FALSE and error. */
gboolean follow_run(Follow *f, GError **error);
/* Makes follow_run() return, with an error that says how to look again. */
void follow_stop(Follow *f);
const GPtrArray *follow_updates(const Follow *f);    /* of FollowUpdate */
const GPtrArray *follow_replicants(const Follow *f); /* of FollowReplicant */
gboolean follow_is_lost(const Follow *f);
