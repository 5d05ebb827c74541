/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an instance keeps its things. The installed instance uses /etc/kantan, /usr/lib/kantan,
 * /var/lib/kantan and /run/kantan; a private one keeps all under the directories it was given:
 * --config=DIR holds also what would be vendor files (DIR/vendor), --state=DIR also what would be
 * under /run (DIR/run). */
#pragma once

#include <glib.h>

typedef struct Paths {
        char *config;  /* battery files in config/batteries, orchestrator.conf */
        char *vendor;  /* the same, from packages; lower precedence */
        char *state;   /* journal.db, packages/, installations/ */
        char *runtime; /* notify socket, holds/ */
} Paths;

/* CONFIG or STATE NULL: the installed instance's. Relative directories are made absolute. */
Paths *paths_new(const char *config, const char *state);
void paths_free(Paths *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Paths, paths_free)
