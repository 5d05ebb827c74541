/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a{sv} with defaults: what is missing or of another type counts as the default, so records of
 * an older schema load and hostile options cannot confuse. */
#pragma once

#include <glib.h>

const char *dict_str(GVariant *dict, const char *key, const char *fallback); /* borrowed from DICT */
guint dict_u(GVariant *dict, const char *key, guint fallback);
int dict_i(GVariant *dict, const char *key, int fallback);
guint64 dict_t(GVariant *dict, const char *key, guint64 fallback);
gint64 dict_x(GVariant *dict, const char *key, gint64 fallback);
gboolean dict_b(GVariant *dict, const char *key, gboolean fallback);
/* New strv, never NULL. */
char **dict_as(GVariant *dict, const char *key);

/* Writing: one a{sv} builder with typed adders. */
void dict_add(GVariantBuilder *b, const char *key, GVariant *value);
/* dict_make("key", value, …, NULL): a floating a{sv}. Values floating are consumed. */
GVariant *dict_make(const char *key, ...) G_GNUC_NULL_TERMINATED;
