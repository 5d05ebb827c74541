/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes one of the example's packages at build time:
 *   make-packages OUTPUT STAGING PACKAGE-INFO CALCD CALC-CHECK
 * puts the files in the directory STAGING as they lie in the package, and packs that. */
#include "store/package.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

/* Programs are executable because the package says so by their mode. */
static gboolean file_place(const char *from, const char *dir, const char *name, int mode, GError **error)
{
        g_autofree char *to = g_build_filename(dir, name, NULL);
        g_autofree char *content = NULL;
        gsize length;
        if (!g_file_get_contents(from, &content, &length, error) ||
            !g_file_set_contents_full(to, content, length, G_FILE_SET_CONTENTS_NONE, mode, error))
                return FALSE;
        if (g_chmod(to, mode) == 0) /* a file that was there before keeps its own */
                return TRUE;
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: cannot set its mode", to);
        return FALSE;
}

int main(int argc, char **argv)
{
        g_autoptr(GError) error = NULL;
        if (argc != 6) {
                fputs("Usage: make-packages OUTPUT STAGING PACKAGE-INFO CALCD CALC-CHECK\n", stderr);
                return 2;
        }
        const char *output = argv[1], *staging = argv[2];
        g_autofree char *bin = g_build_filename(staging, "bin", NULL);
        g_autofree char *made = NULL;
        if (g_mkdir_with_parents(bin, 0755) == 0 &&
            file_place(argv[3], staging, "package-info.xml", 0644, &error) &&
            file_place(argv[4], bin, "calcd", 0755, &error) &&
            file_place(argv[5], bin, "calc-check", 0755, &error))
                made = package_make(staging, output, &error);
        if (made)
                return 0;
        fprintf(stderr, "make-packages: %s: %s\n", output,
                error ? error->message : "cannot make directories");
        return 1;
}
