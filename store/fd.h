/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small help with descriptors and directories, inside store/ only. All paths are relative to a directory
 * descriptor, and no symlink is ever followed. */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* Closes *FD if it is >= 0; errno stays. */
void fd_close(int *fd);
#define AUTO_FD __attribute__((cleanup(fd_close)))

/* Sets a G_IO_ERROR for the errno value CODE, "WHAT: words", and returns FALSE. */
gboolean fd_fault(GError **error, int code, const char *what, ...) G_GNUC_PRINTF(3, 4);

gboolean fd_write_all(int fd, const void *bytes, gsize length);
/* Opens the directory NAME below DIR (AT_FDCWD: any path, whose symlinks may be a person's). -1 and errno. */
int fd_open_dir(int dir, const char *name);
/* Makes the directory if it is missing (mode 0755 whatever the umask says), opens it. -1 and errno. */
int fd_make_dir(int dir, const char *name);
/* fsync, with EINVAL of file systems that cannot do it on directories ignored. */
gboolean fd_sync(int fd);
/* Reads the regular file NAME below DIR, at most MOST bytes. NULL and errno. */
char *fd_read_file(int dir, const char *name, gsize most, gsize *ret_length);
/* readlink of NAME below DIR; NULL and errno. */
char *fd_read_link(int dir, const char *name);
/* Removes NAME below DIR with all that it holds; not there is success. Adds the bytes of regular files to
 * *RET_BYTES, if not NULL. FALSE and errno. */
gboolean fd_remove_tree(int dir, const char *name, guint64 *ret_bytes);
/* Counts them only. */
guint64 fd_tree_bytes(int dir, const char *name);
/* Names in the directory DIR (not closed) but "." and "..", sorted; NULL and errno. */
GPtrArray *fd_list(int dir);
