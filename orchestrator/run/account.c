/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* getpwnam, getgrouplist. */
#include "orchestrator/run/account.h"

#include <errno.h>
#include <gio/gio.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#define PASSWD_BYTES 16384 /* one entry; glibc's own suggestion is 1024 */
#define GROUPS_MAX 1024    /* groups of one user; the kernel takes 65536 */

static gboolean find_passwd(const char *user, struct passwd *pw, char *buffer, GError **error)
{
        struct passwd *found = NULL;
        int r = user ? getpwnam_r(user, pw, buffer, PASSWD_BYTES, &found)
                     : getpwuid_r(geteuid(), pw, buffer, PASSWD_BYTES, &found);
        if (found || !user)
                return found != NULL;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "user '%s': %s", user,
                    r ? g_strerror(r) : "no such user");
        return FALSE;
}

static gboolean find_groups(Account *a, GError **error)
{
        a->n_groups = GROUPS_MAX;
        a->groups = g_new(gid_t, GROUPS_MAX);
        if (getgrouplist(a->name, a->gid, a->groups, &a->n_groups) >= 0)
                return TRUE;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "user '%s' is in more than %d groups", a->name,
                    GROUPS_MAX);
        return FALSE;
}

Account *account_lookup(const char *user, GError **error)
{
        struct passwd pw;
        g_autofree char *buffer = g_malloc(PASSWD_BYTES);
        g_autoptr(Account) a = g_new0(Account, 1);
        if (!find_passwd(user, &pw, buffer, error)) {
                if (user)
                        return NULL;
                a->uid = geteuid();
                a->gid = getegid();
                a->home = g_strdup("/"); /* our own uid without an entry, as in containers */
                return g_steal_pointer(&a);
        }
        a->name = g_strdup(pw.pw_name);
        a->home = g_strdup(pw.pw_dir);
        a->uid = pw.pw_uid;
        a->gid = pw.pw_gid;
        a->change = user && pw.pw_uid != geteuid();
        if (!a->change)
                return g_steal_pointer(&a);
        if (geteuid() != 0) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                            "cannot run as user '%s': only root can change users", user);
                return NULL;
        }
        return find_groups(a, error) ? g_steal_pointer(&a) : NULL;
}

void account_free(Account *a)
{
        if (!a)
                return;
        g_free(a->name);
        g_free(a->home);
        g_free(a->groups);
        g_free(a);
}
