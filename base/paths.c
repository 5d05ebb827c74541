/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an instance keeps its things. */
#include "base/paths.h"

Paths *paths_new(const char *config, const char *state)
{
        Paths *p = g_new0(Paths, 1);
        if (config) {
                p->config = g_canonicalize_filename(config, NULL);
                p->vendor = g_build_filename(p->config, "vendor", NULL);
        } else {
                p->config = g_strdup("/etc/kantan");
                p->vendor = g_strdup("/usr/lib/kantan");
        }
        if (state) {
                p->state = g_canonicalize_filename(state, NULL);
                p->runtime = g_build_filename(p->state, "run", NULL);
        } else {
                p->state = g_strdup("/var/lib/kantan");
                p->runtime = g_strdup("/run/kantan");
        }
        return p;
}

void paths_free(Paths *p)
{
        if (!p)
                return;
        g_free(p->config);
        g_free(p->vendor);
        g_free(p->state);
        g_free(p->runtime);
        g_free(p);
}
