/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where are we: in a system that runs its services, or in one that is only being built or repaired? */
#pragma once

typedef enum HookPlace {
        HOOK_PLACE_RUNNING,
        HOOK_PLACE_CHROOT,     /* our root is not that of process 1 */
        HOOK_PLACE_NOT_BOOTED, /* nobody runs services here: no systemd, no system bus */
} HookPlace;

/* Each argument is a path; NULL: the real one ("/", "/proc/1/root/", "/run/systemd/system", the system
 * bus's socket). What cannot be seen (process 1's root is root's to see) counts as the usual case. */
HookPlace hook_place_find(const char *root, const char *init_root, const char *systemd, const char *socket);
