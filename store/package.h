/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A Kantan package: NAME_VERSION.kantan, a ZIP archive whose first entry is package-info.xml
 * (docs/packages.md). This file: the description (package-info), making, and reading in one pass.
 *
 * Reading is split in two so that hostile bytes never meet privileges: a worker process (no privileges,
 * resource limits, nothing but the archive's descriptor and a pipe) decompresses and parses, and sends a
 * plain stream of frames; the reader in the daemon checks every frame against the description (names,
 * sizes, SHA-256), writes below a staging directory that it made, syncs, renames. */
#pragma once

#include <gio/gio.h>

/* The other limits, each with its reason, stand in store/package-limits.h. */
#define PACKAGE_ENTRIES_MAX 20000

typedef enum PackageFileType {
        PACKAGE_PROGRAM,
        PACKAGE_DATA,
        PACKAGE_CONFIG,
        PACKAGE_SYMLINK,
} PackageFileType;

typedef struct PackageFile {
        PackageFileType type;
        char *name;   /* relative, clean */
        guint mode;   /* 0755, 0644 …; no setuid, setgid, sticky */
        guint64 size;
        char *sha256; /* hex; NULL for symlinks */
        char *target; /* symlinks: relative, inside the root */
} PackageFile;

typedef struct PackageInfo {
        char *name, *uuid, *title, *version, *description;
        char *compatibility; /* by default the version's first number */
        char **batteries;    /* never NULL */
        GPtrArray *files;    /* of PackageFile */
} PackageInfo;
PackageInfo *package_info_ref(PackageInfo *p);
void package_info_unref(PackageInfo *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PackageInfo, package_info_unref)

/* Everything that is wrong with a package is an error of this domain, its text fit for a person, never
 * holding bytes of the file beyond a clean name. Faults (disk full …) come as G_FILE_ERROR/G_IO_ERROR. */
#define PACKAGE_ERROR (package_error_quark())
GQuark package_error_quark(void);
typedef enum { PACKAGE_ERROR_BAD } PackageError;

gboolean package_name_valid(const char *name);       /* [a-z0-9][a-z0-9.+-]*, at most 64 */
gboolean package_version_valid(const char *version); /* up to four numbers */

/* Pure: parses and checks LENGTH bytes of package-info.xml (fuzzed). */
PackageInfo *package_info_parse(const char *xml, gsize length, GError **error);
char *package_info_to_xml(const PackageInfo *p);

/* Makes a package of DIR (package-info.xml and everything else in it) at OUTPUT (NULL: NAME_VERSION.kantan
 * in the current directory); the path is returned, owned by the caller. Reproducible: entries sorted,
 * times fixed. In the caller's process: for people's tools. */
char *package_make(const char *dir, const char *output, GError **error);

/* Reads the package at FD (regular file; not closed). With DESTINATION (…/packages): unpacks to
 * DESTINATION/NAME/VERSION by staging beside, fsync, rename; an existing VERSION with the same
 * package-info is left as it is. NULL: checks only. FILE_NAME, if not NULL, must be NAME_VERSION.kantan.
 * Blocks: call it on a GTask thread (or in a tool). Cancellable kills the worker. */
PackageInfo *package_read(int fd, const char *file_name, const char *destination, GCancellable *cancel,
                          GError **error);

/* Opens PATH once for package_read(): O_NONBLOCK|O_NOFOLLOW-safe, regular files only. -1 and error. */
int package_open(const char *path, GError **error);

/* The worker's main: reads the archive on descriptor 0, writes frames to 1. Programs that use
 * package_read() must begin main() with:  if (package_is_worker(argc, argv)) return package_worker_main(); */
gboolean package_is_worker(int argc, char **argv);
int package_worker_main(void);
