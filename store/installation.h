/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Installations: which unpacked version each replicant runs. Layout below the state directory:
 *   packages/NAME/VERSION/            an unpacked package, never changed once visible
 *   packages/NAME/current             symlink: the version that is installed
 *   installations/B/N/NAME            symlink: the version that replicant N of battery B runs
 * Switching is one atomic rename of a symlink, directory synced. All functions block for a disk's moment:
 * the daemon calls them on a GTask thread (run/ports.h, InstallerPort). All are idempotent. */
#pragma once

#include "store/package.h"

/* Points installations/B/N/NAME to packages/NAME/VERSION, which must exist. */
gboolean installation_switch(const char *state, const char *battery, guint replicant, const char *package,
                             const char *version, GError **error);
/* What it points to; NULL without an error if there is none. */
char *installation_version(const char *state, const char *battery, guint replicant, const char *package);
/* VERSION NULL removes the link: the package is no longer installed. */
gboolean installation_set_current(const char *state, const char *package, const char *version,
                                  GError **error);
char *installation_current(const char *state, const char *package);
/* The unpacked package's description, read from its package-info.xml. */
PackageInfo *installation_info(const char *state, const char *package, const char *version,
                               GError **error);
/* The path of PROGRAM (relative; NULL: of the root) in the installation that replicant N runs. */
char *installation_program(const char *state, const char *battery, guint replicant, const char *package,
                           const char *program);

/* Removes versions that nobody links to, keeping the newest KEEP of each package, and of KEEP_ALSO
 * ("NAME/VERSION", NULL-terminated, may be NULL) all; leftover staging directories too. Returns what was
 * (or with DRY_RUN would be) removed, "NAME/VERSION" strings; bytes freed in *RET_BYTES. */
GPtrArray *installation_gc(const char *state, guint keep, const char *const *keep_also, gboolean dry_run,
                           guint64 *ret_bytes, GError **error);
