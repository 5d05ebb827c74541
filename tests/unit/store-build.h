/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A temporary directory with packages in it, for the tests of store/. */
#pragma once

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/fd.h"
#include "store/package.h"

#define INFO_HEAD "<package-info xmlns=\"urn:kantan:package-info:1\" name=\"calc\">"

static inline char *scratch_new(void)
{
        char *dir = g_dir_make_tmp("kantan-test-XXXXXX", NULL);
        g_assert_nonnull(dir);
        return dir;
}

/* Tried again for a while: a cancelled installer's thread may still be tidying up in there. */
static inline void scratch_free(char *dir)
{
        gint64 deadline = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
        while (!fd_remove_tree(AT_FDCWD, dir, NULL)) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_thread_yield();
        }
        g_free(dir);
}

static inline void write_text(const char *dir, const char *name, const char *text, int mode)
{
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *parent = g_path_get_dirname(path);
        g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        g_assert_cmpint(chmod(path, (mode_t)mode), ==, 0);
}

/* Makes calc VERSION with one program, returns the path of the package. */
static inline char *make_calc(const char *scratch, const char *version)
{
        g_autofree char *source = g_build_filename(scratch, "source", version, NULL);
        g_autofree char *info = g_strdup_printf(INFO_HEAD "<version>%s</version><batteries><battery "
                                                          "name=\"calc\"/></batteries></package-info>",
                                                version);
        g_autofree char *output = g_strdup_printf("%s/calc_%s.kantan", scratch, version);
        g_autoptr(GError) error = NULL;
        write_text(source, "package-info.xml", info, 0644);
        write_text(source, "bin/calcd", version, 0755);
        char *made = package_make(source, output, &error);
        g_assert_no_error(error);
        return made;
}

static inline PackageInfo *read_path(const char *path, const char *destination, GError **error)
{
        g_autofree char *name = g_path_get_basename(path);
        AUTO_FD int fd = package_open(path, error);
        return fd < 0 ? NULL : package_read(fd, name, destination, NULL, error);
}

static inline void unpack_calc(const char *scratch, const char *version)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *path = make_calc(scratch, version);
        g_autofree char *packages = g_build_filename(scratch, "state", "packages", NULL);
        g_autoptr(PackageInfo) info = read_path(path, packages, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(info->version, ==, version);
}

static inline void list_into(GString *to, int dir, const char *name, const char *path)
{
        struct stat st;
        g_assert_cmpint(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
        g_string_append_printf(to, "%s %o %" G_GINT64_FORMAT " %lu\n", path, st.st_mode,
                               S_ISREG(st.st_mode) ? (gint64)st.st_size : 0, (gulong)st.st_ino);
        if (!S_ISDIR(st.st_mode))
                return;
        AUTO_FD int fd = fd_open_dir(dir, name);
        g_autoptr(GPtrArray) names = fd_list(fd);
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *below = g_build_filename(path, names->pdata[i], NULL);
                list_into(to, fd, names->pdata[i], below);
        }
}

/* Names, modes, sizes and inodes of all below PATH: what a look from outside would notice. */
static inline char *listing(const char *path)
{
        GString *text = g_string_new(NULL);
        list_into(text, AT_FDCWD, path, ".");
        return g_string_free(text, FALSE);
}
