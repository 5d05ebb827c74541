/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking into a{sv} dictionaries that come from another program: what is missing or of another type
 * reads as empty. */
#pragma once

#include <glib.h>

const char *dict_string(GVariant *dict, const char *key);        /* "" ; s, o or g */
guint64 dict_number(GVariant *dict, const char *key);            /* 0; any integer, negatives 0 */
double dict_seconds(GVariant *dict, const char *key);            /* 0; d or any integer */
gboolean dict_has(GVariant *dict, const char *key);
/* The value of the property KEY unboxed, NULL if missing; owned by the caller. */
GVariant *dict_value(GVariant *dict, const char *key, const char *type);
/* The a{sv} of INTERFACE (short name) at PATH in a{oa{sa{sv}}}; NULL if missing. */
GVariant *dict_object(GVariant *objects, const char *path, const char *interface);
