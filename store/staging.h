/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A package on its way to disk: a directory beside its destination that nobody sees, filled file by file,
 * synced, renamed. Freed before the commit, it is removed and nothing was changed. Holds a shared lock on
 * the packages directory, so that garbage collection knows it from the leftover of a crash. */
#pragma once

#include "store/package.h"

#define STAGING_PREFIX ".staging-"

typedef struct Staging Staging;

/* Opens PACKAGES (making it where missing) and takes its lock, shared; garbage collection takes it
 * exclusively. The lock goes with the descriptor. -1 and error. */
int packages_open_shared(const char *packages, GError **error);

/* PACKAGES is a descriptor of packages_open_shared(), borrowed. NEEDED bytes must be free on its disk. */
Staging *staging_new(int packages, guint64 needed, GError **error);
void staging_free(Staging *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Staging, staging_free)

/* One regular file after the other: begin, write any number of times, end. Names were checked. */
gboolean staging_begin(Staging *s, const char *name, guint mode, GError **error);
gboolean staging_write(Staging *s, const void *bytes, gsize length, GError **error);
gboolean staging_end(Staging *s, GError **error);
gboolean staging_symlink(Staging *s, const char *name, const char *target, GError **error);

/* Syncs all and renames to NAME/VERSION, parents synced. FALSE with G_IO_ERROR_EXISTS if something else is
 * there: then nothing is changed and the staging directory is still to be freed. */
gboolean staging_commit(Staging *s, const char *name, const char *version, GError **error);
