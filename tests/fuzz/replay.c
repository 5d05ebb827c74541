/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target once over every file of a corpus directory: what was ever found stays found, also
 * where there is no libFuzzer. */
#include <glib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void replay(gconstpointer path)
{
        g_autofree char *data = NULL;
        gsize size = 0;
        g_autoptr(GError) error = NULL;
        g_file_get_contents(path, &data, &size, &error);
        g_assert_no_error(error);
        /* A copy of exactly SIZE bytes: GLib's own ends in a NUL that would hide a read past the end. */
        g_autofree guint8 *exact = g_memdup2(data, size);
        g_assert_cmpint(LLVMFuzzerTestOneInput(exact ? exact : (const guint8 *)"", size), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_assert(argc == 2);
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) dir = g_dir_open(argv[1], 0, &error);
        g_assert_no_error(error);
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        for (const char *name; (name = g_dir_read_name(dir));)
                g_ptr_array_add(paths, g_build_filename(argv[1], name, NULL));
        g_assert(paths->len > 0); /* an empty corpus tests nothing */
        for (guint i = 0; i < paths->len; i++) {
                g_autofree char *base = g_path_get_basename(paths->pdata[i]);
                g_autofree char *name = g_strdup_printf("/corpus/%s", base);
                g_test_add_data_func(name, paths->pdata[i], replay);
        }
        return g_test_run();
}
