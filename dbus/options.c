/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The a{sv} at the end of every mutating method: what is not known is refused, so that an option that a
 * later version understands is never silently ignored by this one. */
#include "dbus/object-private.h"

/* The type of KEY in KNOWN ("owner=u,strategy=s"), or NULL. */
static char *option_type(const char *known, const char *key)
{
        g_auto(GStrv) pairs = g_strsplit(known, ",", -1);
        gsize n = strlen(key);

        for (guint i = 0; pairs[i]; i++)
                if (strncmp(pairs[i], key, n) == 0 && pairs[i][n] == '=')
                        return g_strdup(pairs[i] + n + 1);
        return NULL;
}

static gboolean option_check(const char *known, const char *key, GVariant *value, char **ret_why)
{
        g_autofree char *type = option_type(known, key);

        if (!type)
                *ret_why = g_strdup_printf("unknown option '%.80s'", key);
        else if (!g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
                *ret_why = g_strdup_printf("option '%s' must be of type %s, not %s", key, type,
                                           g_variant_get_type_string(value));
        return *ret_why == NULL;
}

/* Twice the same key would let a check see one value and the handler another. */
gboolean bus_options_check(const char *known, GVariant *options, char **ret_why)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        for (gsize i = 0, n = g_variant_n_children(options); i < n; i++) {
                g_autoptr(GVariant) value = NULL;
                g_autoptr(GVariant) entry = g_variant_get_child_value(options, i);
                const char *key;
                g_variant_get(entry, "{&sv}", &key, &value);
                if (!option_check(known, key, value, ret_why))
                        return FALSE;
                if (!g_hash_table_add(seen, (gpointer)key)) {
                        *ret_why = g_strdup_printf("option '%.80s' is there twice", key);
                        return FALSE;
                }
        }
        return TRUE;
}
