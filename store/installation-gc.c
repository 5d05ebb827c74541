/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collecting what nobody runs. A version first loses its name (one rename), then its files: a crash in
 * between leaves a staging directory, which the next collection removes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "orchestrator/model/version.h"
#include "store/fd.h"
#include "store/installation.h"
#include "store/staging.h"

typedef enum Mode { MODE_TELL, MODE_REMOVE } Mode;

typedef struct Collection {
        int packages;
        Mode mode;
        GHashTable *kept; /* "NAME/VERSION" */
        GPtrArray *removed;
        guint64 bytes;
} Collection;

static GPtrArray *list_below(int dir, const char *name)
{
        AUTO_FD int fd = fd_open_dir(dir, name);
        return fd < 0 ? NULL : fd_list(fd);
}

/* "…/NAME/VERSION" -> "NAME/VERSION", as our links end; NULL for anything else. */
static char *link_key(const char *target)
{
        g_autofree char *version = g_path_get_basename(target);
        g_autofree char *above = g_path_get_dirname(target);
        g_autofree char *name = g_path_get_basename(above);
        if (!package_name_valid(name) || !package_version_valid(version))
                return NULL;
        return g_strdup_printf("%s/%s", name, version);
}

static gboolean keep_linked_below(Collection *c, int replicant)
{
        g_autoptr(GPtrArray) links = fd_list(replicant);
        for (guint i = 0; links && i < links->len; i++) {
                g_autofree char *target = fd_read_link(replicant, links->pdata[i]);
                char *key = target ? link_key(target) : NULL;
                if (key)
                        g_hash_table_add(c->kept, key);
        }
        return links != NULL;
}

/* What any replicant of any battery runs. A directory that cannot be read is an error: what lies there
 * might be in use. */
static gboolean keep_linked(Collection *c, const char *state)
{
        AUTO_FD int root = fd_open_dir(AT_FDCWD, state);
        AUTO_FD int installations = root < 0 ? -1 : fd_open_dir(root, "installations");
        if (installations < 0)
                return root >= 0 && errno == ENOENT;
        g_autoptr(GPtrArray) batteries = fd_list(installations);
        for (guint b = 0; batteries && b < batteries->len; b++) {
                AUTO_FD int battery = fd_open_dir(installations, batteries->pdata[b]);
                g_autoptr(GPtrArray) replicants = battery < 0 ? NULL : fd_list(battery);
                if (!replicants)
                        return FALSE;
                for (guint r = 0; r < replicants->len; r++) {
                        AUTO_FD int replicant = fd_open_dir(battery, replicants->pdata[r]);
                        if (replicant < 0 || !keep_linked_below(c, replicant))
                                return FALSE;
                }
        }
        return batteries != NULL;
}

static int compare_newest_first(gconstpointer a, gconstpointer b)
{
        return -version_compare(*(const char *const *)a, *(const char *const *)b);
}

/* Out of sight at once, then away. */
static gboolean remove_version(Collection *c, const char *key)
{
        g_autofree char *unique = g_uuid_string_random();
        g_autofree char *aside = g_strconcat(STAGING_PREFIX, unique, NULL);
        if (c->mode == MODE_TELL) {
                c->bytes += fd_tree_bytes(c->packages, key);
                return TRUE;
        }
        return renameat(c->packages, key, c->packages, aside) == 0 && fd_sync(c->packages) &&
               fd_remove_tree(c->packages, aside, &c->bytes);
}

static gboolean collect_package(Collection *c, const char *name, guint keep)
{
        g_autoptr(GPtrArray) versions = list_below(c->packages, name);
        if (!versions)
                return FALSE;
        for (guint i = versions->len; i-- > 0;)
                if (!package_version_valid(versions->pdata[i]))
                        g_ptr_array_remove_index(versions, i);
        g_ptr_array_sort(versions, compare_newest_first);
        for (guint i = keep; i < versions->len; i++) {
                g_autofree char *key = g_strdup_printf("%s/%s", name, (char *)versions->pdata[i]);
                if (g_hash_table_contains(c->kept, key))
                        continue;
                if (!remove_version(c, key))
                        return FALSE;
                g_ptr_array_add(c->removed, g_steal_pointer(&key));
        }
        if (c->mode == MODE_REMOVE)
                unlinkat(c->packages, name, AT_REMOVEDIR); /* only if nothing is left in it */
        return TRUE;
}

/* The exclusive lock is held: no staging directory belongs to anybody who lives. */
static gboolean collect_leftover(Collection *c, const char *name)
{
        if (c->mode == MODE_REMOVE)
                return fd_remove_tree(c->packages, name, &c->bytes);
        c->bytes += fd_tree_bytes(c->packages, name);
        return TRUE;
}

static gboolean collect(Collection *c, const char *state, guint keep)
{
        g_autoptr(GPtrArray) names = fd_list(c->packages);
        if (!names)
                return FALSE;
        for (guint i = 0; i < names->len; i++) {
                const char *name = names->pdata[i];
                g_autofree char *current =
                        package_name_valid(name) ? installation_current(state, name) : NULL;
                if (current)
                        g_hash_table_add(c->kept, g_strdup_printf("%s/%s", name, current));
        }
        if (!keep_linked(c, state))
                return FALSE;
        for (guint i = 0; i < names->len; i++) {
                const char *name = names->pdata[i];
                if (g_str_has_prefix(name, STAGING_PREFIX) ? !collect_leftover(c, name)
                    : package_name_valid(name)             ? !collect_package(c, name, keep)
                                                           : FALSE)
                        return FALSE;
        }
        return TRUE;
}

GPtrArray *installation_gc(const char *state, guint keep, const char *const *keep_also, gboolean dry_run,
                           guint64 *ret_bytes, GError **error)
{
        g_autofree char *path = g_build_filename(state, "packages", NULL);
        g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GHashTable) kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        AUTO_FD int packages = fd_open_dir(AT_FDCWD, path);
        *ret_bytes = 0;
        if (packages < 0 && errno == ENOENT)
                return g_steal_pointer(&removed);
        if (packages < 0 || flock(packages, LOCK_EX) < 0) {
                fd_fault(error, errno, "opening the store of packages");
                return NULL;
        }
        for (guint i = 0; keep_also && keep_also[i]; i++)
                g_hash_table_add(kept, g_strdup(keep_also[i]));

        Collection c = {packages, dry_run ? MODE_TELL : MODE_REMOVE, kept, removed, 0};
        if (!collect(&c, state, keep)) {
                fd_fault(error, errno, "collecting packages");
                return NULL;
        }
        *ret_bytes = c.bytes;
        return g_steal_pointer(&removed);
}
