/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Version numbers of Kantan packages (up to four numbers) and, for other managers' versions, just enough
 * to derive the compatibility version. Pure. */
#pragma once

#include <glib.h>

/* -1, 0, 1 by number, part for part; a missing part is 0. Non-numeric text: compared as text. */
int version_compare(const char *a, const char *b);
/* The first number, epoch ("2:") stripped: "1:4.2-3" -> "4". A copy of the text if it has no number. */
char *version_compatibility(const char *version);
