/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which version each replicant runs: symlinks, each switched by one rename. They are relative, so that a
 * state directory may be moved as a whole. */
#include "store/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orchestrator/model/battery-config.h"
#include "store/fd.h"
#include "store/package-info.h"
#include "store/staging.h"

#define CURRENT "current"

/* Names become paths here: whoever passes an unclean one is refused before anything is touched. */
static gboolean names_valid(const char *battery, const char *package, const char *version, GError **error)
{
        if ((battery && !battery_name_valid(battery)) || !package_name_valid(package) ||
            (version && !package_version_valid(version))) {
                g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                    "not the name of a battery, package or version");
                return FALSE;
        }
        return TRUE;
}

/* Puts a symlink NAME -> TARGET into DIR, in place of what is there, by one rename. The directory is
 * synced even if nothing changes: the sync may be what a crash prevented. */
static gboolean link_put(int dir, const char *name, const char *target)
{
        g_autofree char *now = fd_read_link(dir, name);
        if (g_strcmp0(now, target) != 0) {
                g_autofree char *beside = g_strdup_printf(".%s.new", name);
                if (unlinkat(dir, beside, 0) < 0 && errno != ENOENT)
                        return FALSE;
                if (symlinkat(target, dir, beside) < 0 || renameat(dir, beside, dir, name) < 0)
                        return FALSE;
        }
        return fd_sync(dir);
}

/* Makes state/installations/B/N, each new level synced in its parent. -1 and errno. */
static int open_replicant_dir(const char *state, const char *battery, guint replicant)
{
        g_autofree char *number = g_strdup_printf("%u", replicant);
        const char *parts[] = {"installations", battery, number};
        AUTO_FD int at = fd_open_dir(AT_FDCWD, state);
        for (guint i = 0; at >= 0 && i < G_N_ELEMENTS(parts); i++) {
                struct stat st;
                gboolean missing = fstatat(at, parts[i], &st, AT_SYMLINK_NOFOLLOW) < 0;
                int next = fd_make_dir(at, parts[i]);
                if (next >= 0 && missing && !fd_sync(at))
                        fd_close(&next);
                fd_close(&at);
                at = next;
        }
        int opened = at;
        at = -1;
        return opened;
}

/* Takes the store's lock, so that what is about to be linked is not collected meanwhile. -1 and error. */
static int lock_version(const char *state, const char *package, const char *version, GError **error)
{
        g_autofree char *path = g_build_filename(state, "packages", NULL);
        g_autofree char *wanted = g_strdup_printf("%s/%s", package, version);
        AUTO_FD int packages = packages_open_shared(path, error);
        if (packages < 0)
                return -1;
        AUTO_FD int dir = openat(packages, wanted, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0) {
                fd_fault(error, errno, "%s %s is not unpacked", package, version);
                return -1;
        }
        int locked = packages;
        packages = -1;
        return locked;
}

gboolean installation_switch(const char *state, const char *battery, guint replicant, const char *package,
                             const char *version, GError **error)
{
        if (!names_valid(battery, package, version, error))
                return FALSE;
        AUTO_FD int lock = lock_version(state, package, version, error);
        if (lock < 0)
                return FALSE;
        g_autofree char *target = g_strdup_printf("../../../packages/%s/%s", package, version);
        AUTO_FD int dir = open_replicant_dir(state, battery, replicant);
        if (dir < 0 || !link_put(dir, package, target))
                return fd_fault(error, errno, "switching replicant %u of %s to %s %s", replicant, battery,
                                package, version);
        return TRUE;
}

/* The last part of a link's target, if it is a version. */
static char *linked_version(const char *link)
{
        g_autofree char *target = fd_read_link(AT_FDCWD, link);
        g_autofree char *version = target ? g_path_get_basename(target) : NULL;
        return version && package_version_valid(version) ? g_steal_pointer(&version) : NULL;
}

char *installation_version(const char *state, const char *battery, guint replicant, const char *package)
{
        if (!names_valid(battery, package, NULL, NULL))
                return NULL;
        g_autofree char *link =
                g_strdup_printf("%s/installations/%s/%u/%s", state, battery, replicant, package);
        return linked_version(link);
}

static gboolean remove_current(int packages, const char *package)
{
        AUTO_FD int dir = fd_open_dir(packages, package);
        if (dir < 0)
                return errno == ENOENT;
        if (unlinkat(dir, CURRENT, 0) < 0 && errno != ENOENT)
                return FALSE;
        return fd_sync(dir);
}

static gboolean put_current(int packages, const char *package, const char *version)
{
        AUTO_FD int dir = fd_open_dir(packages, package);
        return dir >= 0 && link_put(dir, CURRENT, version);
}

gboolean installation_set_current(const char *state, const char *package, const char *version, GError **error)
{
        if (!names_valid(NULL, package, version, error))
                return FALSE;
        g_autofree char *path = g_build_filename(state, "packages", NULL);
        AUTO_FD int packages =
                version ? lock_version(state, package, version, error) : packages_open_shared(path, error);
        if (packages < 0)
                return FALSE;
        if (version ? put_current(packages, package, version) : remove_current(packages, package))
                return TRUE;
        return fd_fault(error, errno, "setting the current version of %s", package);
}

char *installation_current(const char *state, const char *package)
{
        if (!names_valid(NULL, package, NULL, NULL))
                return NULL;
        g_autofree char *link = g_build_filename(state, "packages", package, CURRENT, NULL);
        return linked_version(link);
}

PackageInfo *installation_info(const char *state, const char *package, const char *version, GError **error)
{
        gsize length;
        if (!names_valid(NULL, package, version, error))
                return NULL;
        g_autofree char *path = g_build_filename(state, "packages", package, version, NULL);
        AUTO_FD int dir = fd_open_dir(AT_FDCWD, path);
        g_autofree char *xml =
                dir < 0 ? NULL : fd_read_file(dir, PACKAGE_INFO_FILE, PACKAGE_INFO_BYTES_MAX, &length);
        if (!xml) {
                fd_fault(error, errno, "%s %s is not unpacked", package, version);
                return NULL;
        }
        return package_info_parse(xml, length, error);
}

char *installation_program(const char *state, const char *battery, guint replicant, const char *package,
                           const char *program)
{
        g_autofree char *version = installation_version(state, battery, replicant, package);
        if (!version || (program && !package_path_valid(program)))
                return NULL;
        return g_build_filename(state, "packages", package, version, program, NULL);
}
