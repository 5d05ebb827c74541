/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* a{sv} dictionaries. */
#include "base/dict.h"

const char *dict_str(GVariant *dict, const char *key, const char *fallback)
{
        const char *s;
        return g_variant_lookup(dict, key, "&s", &s) ? s : fallback;
}

guint dict_u(GVariant *dict, const char *key, guint fallback)
{
        guint32 v;
        return g_variant_lookup(dict, key, "u", &v) ? v : fallback;
}

int dict_i(GVariant *dict, const char *key, int fallback)
{
        gint32 v;
        return g_variant_lookup(dict, key, "i", &v) ? v : fallback;
}

guint64 dict_t(GVariant *dict, const char *key, guint64 fallback)
{
        guint64 v;
        return g_variant_lookup(dict, key, "t", &v) ? v : fallback;
}

gint64 dict_x(GVariant *dict, const char *key, gint64 fallback)
{
        gint64 v;
        return g_variant_lookup(dict, key, "x", &v) ? v : fallback;
}

gboolean dict_b(GVariant *dict, const char *key, gboolean fallback)
{
        gboolean v;
        return g_variant_lookup(dict, key, "b", &v) ? v : fallback;
}

char **dict_as(GVariant *dict, const char *key)
{
        char **v = NULL;
        return g_variant_lookup(dict, key, "^as", &v) ? v : g_new0(char *, 1);
}

void dict_add(GVariantBuilder *b, const char *key, GVariant *value)
{
        g_variant_builder_add(b, "{sv}", key, value);
}

GVariant *dict_make(const char *key, ...)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        va_list ap;
        va_start(ap, key);
        for (; key; key = va_arg(ap, const char *))
                dict_add(&b, key, va_arg(ap, GVariant *));
        va_end(ap);
        return g_variant_builder_end(&b);
}
