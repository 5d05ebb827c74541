/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a package may ask of us at most: one number, one name, one reason each. They bound what a hostile
 * archive costs before it is refused; an honest package never meets them. (docs/packages.md repeats them
 * for people; PACKAGE_ENTRIES_MAX stands in store/package.h.) */
#pragma once

/* package-info.xml: bounds what the XML parser sees. 20,000 files at about 200 bytes each. */
#define PACKAGE_INFO_BYTES_MAX (4u * 1024 * 1024)
/* One file: a size that every file system that we meet can hold, and ZIP's 32-bit fields too. */
#define PACKAGE_FILE_BYTES_MAX (G_GUINT64_CONSTANT(2) * 1024 * 1024 * 1024)
/* All files together: bounds the disk that one package can fill. */
#define PACKAGE_BYTES_MAX (G_GUINT64_CONSTANT(8) * 1024 * 1024 * 1024)
/* Unpacked bytes per archive byte: a bomb costs its sender next to nothing and us a disk. Programs and
 * texts compress 2 to 20 times; deflate ends at 1032. */
#define PACKAGE_RATIO_MAX 200u
/* Below this many unpacked bytes the ratio does not matter (small packages of zeros are harmless). */
#define PACKAGE_RATIO_FLOOR (256u * 1024)
/* A whole path: with the store's own prefix it stays below PATH_MAX (4096). */
#define PACKAGE_PATH_MAX 1024u
/* One part of a path: NAME_MAX of the usual file systems. */
#define PACKAGE_PART_MAX 255u
/* Parts of a path: bounds directories made and symlink walks per file. */
#define PACKAGE_DEPTH_MAX 32u
/* Name of a package; the same bound keeps NAME_VERSION.kantan below NAME_MAX. */
#define PACKAGE_NAME_MAX 64u
/* One line of text for people: title, compatibility, uuid. */
#define PACKAGE_LINE_MAX 256u
/* The description. */
#define PACKAGE_TEXT_MAX (64u * 1024)
/* Batteries that one package may name. */
#define PACKAGE_BATTERIES_MAX 64u
/* The central directory of the archive: 20,000 entries of 46 bytes, a path and extra fields; bounds
 * libarchive's memory before the first entry is seen. */
#define PACKAGE_DIRECTORY_BYTES_MAX (16u * 1024 * 1024)
