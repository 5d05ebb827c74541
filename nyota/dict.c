/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking into dictionaries. */
#include "nyota/dict.h"
#include "nyota/client.h"

GVariant *dict_value(GVariant *dict, const char *key, const char *type)
{
        return dict ? g_variant_lookup_value(dict, key, type ? G_VARIANT_TYPE(type) : NULL) : NULL;
}

gboolean dict_has(GVariant *dict, const char *key)
{
        g_autoptr(GVariant) v = dict_value(dict, key, NULL);
        return v != NULL;
}

const char *dict_string(GVariant *dict, const char *key)
{
        g_autoptr(GVariant) v = dict_value(dict, key, NULL);
        if (!v || !(g_variant_is_of_type(v, G_VARIANT_TYPE_STRING) ||
                    g_variant_is_of_type(v, G_VARIANT_TYPE_OBJECT_PATH) ||
                    g_variant_is_of_type(v, G_VARIANT_TYPE_SIGNATURE)))
                return "";
        return g_variant_get_string(v, NULL); /* stays in DICT's own bytes */
}

static guint64 number_of(GVariant *v)
{
        switch (g_variant_get_type_string(v)[0]) {
        case 'y':
                return g_variant_get_byte(v);
        case 'b':
                return g_variant_get_boolean(v);
        case 'q':
                return g_variant_get_uint16(v);
        case 'u':
                return g_variant_get_uint32(v);
        case 't':
                return g_variant_get_uint64(v);
        case 'n':
                return (guint64)MAX(g_variant_get_int16(v), 0);
        case 'i':
                return (guint64)MAX(g_variant_get_int32(v), 0);
        case 'x':
                return (guint64)MAX(g_variant_get_int64(v), 0);
        default:
                return 0;
        }
}

guint64 dict_number(GVariant *dict, const char *key)
{
        g_autoptr(GVariant) v = dict_value(dict, key, NULL);
        return v ? number_of(v) : 0;
}

double dict_seconds(GVariant *dict, const char *key)
{
        g_autoptr(GVariant) v = dict_value(dict, key, NULL);
        if (!v)
                return 0;
        return g_variant_is_of_type(v, G_VARIANT_TYPE_DOUBLE) ? g_variant_get_double(v)
                                                              : (double)number_of(v);
}

GVariant *dict_object(GVariant *objects, const char *path, const char *interface)
{
        g_autofree char *full = client_interface(interface);
        g_autoptr(GVariant) interfaces = g_variant_lookup_value(objects, path, G_VARIANT_TYPE("a{sa{sv}}"));
        return interfaces ? g_variant_lookup_value(interfaces, full, G_VARIANT_TYPE("a{sv}")) : NULL;
}
