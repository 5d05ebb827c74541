/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* String tables: one vocabulary for log, journal, bus and command line. An enum runs from 0 to its
 * _MAX; its words stand in one table; -1 (_INVALID) is what an unknown word becomes. */
#pragma once

#include <glib.h>

/* Position of WORD in TABLE of N words, or -1. WORD may be NULL. */
int strtab_find(const char *const *table, int n, const char *word);

/* Declares  const char *NAME_to_string(TYPE v)  and  TYPE NAME_from_string(const char *s). */
#define STRTAB_DECLARE(name, Type)                                                                           \
        const char *name##_to_string(Type v);                                                                \
        Type name##_from_string(const char *s)

/* Defines both. TABLE must have MAX words. to_string() of a value out of range is a bug. */
#define STRTAB_DEFINE(name, Type, table, MAX)                                                                \
        G_STATIC_ASSERT(G_N_ELEMENTS(table) == (MAX));                                                       \
        const char *name##_to_string(Type v)                                                                 \
        {                                                                                                    \
                g_assert((int)v >= 0 && (int)v < (int)(MAX));                                                \
                return table[v];                                                                             \
        }                                                                                                    \
        Type name##_from_string(const char *s)                                                               \
        {                                                                                                    \
                return (Type)strtab_find(table, (MAX), s);                                                   \
        }
