/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside store/ only: making a PackageInfo, and the rules that names, paths and sets of files obey, shared
 * by the parser, the reader and the maker. */
#pragma once

#include "store/package-limits.h"
#include "store/package.h"

#define PACKAGE_INFO_FILE "package-info.xml"
#define PACKAGE_SIGNATURE_FILE "package-info.sig"
#define PACKAGE_INFO_NAMESPACE "urn:kantan:package-info:1"

/* An empty description: batteries and files are there, empty. */
PackageInfo *package_info_new(void);
void package_file_free(PackageFile *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PackageFile, package_file_free)

/* "program", "data", "config", "symlink"; NULL-free table of _PACKAGE_FILE_TYPES words. */
#define PACKAGE_FILE_TYPES 4
extern const char *const package_file_type_words[PACKAGE_FILE_TYPES];

/* Relative, clean (no empty part, "." or ".."), UTF-8 without control characters or backslashes, within
 * the limits of length and depth. Such a name may be shown to people. */
gboolean package_path_valid(const char *path);
/* Compares NAME_VERSION.kantan with what INFO says. */
gboolean package_info_matches_file_name(const PackageInfo *info, const char *file_name);
/* All that must hold between the files of INFO: no name twice, nothing below a file or symlink, symlinks
 * inside the root, the total within limits. Names and single values were checked before. */
gboolean package_info_check_files(const PackageInfo *info, GError **error);
/* Sets a PACKAGE_ERROR_BAD and returns FALSE, so that a check ends in one line. */
gboolean package_bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
