/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user as a process needs it: ids, groups, home. Looked up before fork, for name services may not be
 * asked after it. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct Account {
        char *name, *home;
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        int n_groups;
        gboolean change; /* FALSE: it is who we are, nothing to change */
} Account;

/* USER NULL: our own. Fails for an unknown user, and for another one unless we are root. Asks the name
 * service of the machine and waits for it (system users are local files). */
Account *account_lookup(const char *user, GError **error);
void account_free(Account *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Account, account_free)
