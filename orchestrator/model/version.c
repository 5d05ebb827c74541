/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing versions and deriving compatibility versions. */
#include "orchestrator/model/version.h"

#include <stdlib.h>
#include <string.h>

static gboolean is_numeric(const char *v)
{
        return *v && strspn(v, "0123456789.") == strlen(v);
}

int version_compare(const char *a, const char *b)
{
        if (!is_numeric(a) || !is_numeric(b)) {
                int c = strcmp(a, b);
                return c < 0 ? -1 : c > 0;
        }
        while (*a || *b) {
                char *end_a, *end_b;
                guint64 x = g_ascii_strtoull(a, &end_a, 10), y = g_ascii_strtoull(b, &end_b, 10);
                if (x != y)
                        return x < y ? -1 : 1;
                a = *end_a ? end_a + 1 : end_a;
                b = *end_b ? end_b + 1 : end_b;
        }
        return 0;
}

char *version_compatibility(const char *version)
{
        const char *colon = strchr(version, ':');
        const char *start = colon ? colon + 1 : version;
        while (*start && !g_ascii_isdigit(*start))
                start++;
        size_t n = strspn(start, "0123456789");
        return n ? g_strndup(start, n) : g_strdup(version);
}
