/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile package-info.xml becomes a description that survives its own way to XML and back, or one line
 * of words. */
#include <stdint.h>
#include <string.h>

#include "store/package-info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const GError *error)
{
        g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_assert_null(strchr(error->message, '\n'));
        g_assert_cmpuint(strlen(error->message), <, 3 * PACKAGE_PATH_MAX);
}

static void check_info(const PackageInfo *info)
{
        g_assert_true(package_name_valid(info->name));
        g_assert_true(package_version_valid(info->version));
        g_assert_cmpuint(info->files->len, <=, PACKAGE_ENTRIES_MAX);
        for (guint i = 0; i < info->files->len; i++) {
                const PackageFile *f = info->files->pdata[i];
                g_assert_true(package_path_valid(f->name));
                g_assert_cmpuint(f->mode, <=, 0777);
                g_assert_true((f->type == PACKAGE_SYMLINK) == (f->target != NULL));
                g_assert_true((f->type == PACKAGE_SYMLINK) == (f->sha256 == NULL));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(PackageInfo) info = package_info_parse((const char *)data, size, &error);
        if (!info) {
                check_error(error);
                return 0;
        }
        check_info(info);
        g_autofree char *once = package_info_to_xml(info);
        if (strlen(once) > PACKAGE_INFO_BYTES_MAX)
                return 0;
        g_autoptr(PackageInfo) again = package_info_parse(once, strlen(once), &error);
        g_assert_no_error(error);
        g_autofree char *twice = package_info_to_xml(again);
        g_assert_cmpstr(once, ==, twice);
        return 0;
}
