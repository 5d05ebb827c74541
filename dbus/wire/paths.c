/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where objects stand. Battery names need no escaping: [a-z][a-z0-9_]{0,47} is valid in a path. */
#include "dbus/wire/wire-private.h"

char *wire_path_battery(const char *battery)
{
        return g_strdup_printf(WIRE_ROOT "/svc/%s", battery);
}

char *wire_path_replicant(const char *battery, guint replicant)
{
        return g_strdup_printf(WIRE_ROOT "/svc/%s/%u", battery, replicant);
}

char *wire_path_update(guint64 id)
{
        return id ? g_strdup_printf(WIRE_ROOT "/update/%" G_GUINT64_FORMAT, id) : g_strdup("/");
}

char *wire_path_transaction(guint64 id)
{
        return id ? g_strdup_printf(WIRE_ROOT "/transaction/%" G_GUINT64_FORMAT, id) : g_strdup("/");
}

GVariant *wire_string(const char *s)
{
        return g_variant_new_take_string(g_utf8_make_valid(s ? s : "", -1));
}
