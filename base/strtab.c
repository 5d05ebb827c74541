/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* String tables: the search behind every from_string(). */
#include "base/strtab.h"

int strtab_find(const char *const *table, int n, const char *word)
{
        if (!word)
                return -1;
        for (int i = 0; i < n; i++)
                if (g_str_equal(table[i], word))
                        return i;
        return -1;
}
