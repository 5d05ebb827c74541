/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roots are compared by device and inode: a chroot has no other mark of its own. */
#include "kantan-hooks/hook-place.h"

#include <glib.h>
#include <sys/stat.h>

static gboolean same_file(const char *a, const char *b)
{
        struct stat x, y;
        if (stat(a, &x) < 0 || stat(b, &y) < 0)
                return TRUE; /* not ours to see: no reason to think of a chroot */
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

HookPlace hook_place_find(const char *root, const char *init_root, const char *systemd, const char *socket)
{
        if (!same_file(root ? root : "/", init_root ? init_root : "/proc/1/root/"))
                return HOOK_PLACE_CHROOT;
        /* A container may well run a system bus and our service without systemd. */
        if (!g_file_test(systemd ? systemd : "/run/systemd/system", G_FILE_TEST_IS_DIR) &&
            !g_file_test(socket ? socket : "/run/dbus/system_bus_socket", G_FILE_TEST_EXISTS))
                return HOOK_PLACE_NOT_BOOTED;
        return HOOK_PLACE_RUNNING;
}
