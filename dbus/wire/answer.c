/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's answers as replies: ids become object paths, refusals become errors. Each drops the
 * reference to the call that it was given. */
#include "dbus/wire/wire-private.h"

/* TRUE: refused, and said so. */
static gboolean refused(BusCall *call, Refusal code, const char *why)
{
        if (code == REFUSAL_NONE)
                return FALSE;
        bus_call_refuse(call, code, why ? why : "");
        return TRUE;
}

void wire_answer_nothing(Refusal code, const char *why, GVariant *result, gpointer call)
{
        g_autoptr(BusCall) held = call;

        if (!refused(held, code, why))
                bus_call_return(held, NULL);
}

static guint64 id_of(GVariant *result)
{
        guint64 id;

        g_variant_get(result, "(t)", &id);
        return id;
}

void wire_answer_update(Refusal code, const char *why, GVariant *result, gpointer call)
{
        g_autoptr(BusCall) held = call;
        g_autofree char *path = NULL;

        if (refused(held, code, why))
                return;
        path = wire_path_update(id_of(result));
        bus_call_return(held, g_variant_new("(o)", path));
}

void wire_answer_transaction(Refusal code, const char *why, GVariant *result, gpointer call)
{
        g_autoptr(BusCall) held = call;
        g_autofree char *path = NULL;

        if (refused(held, code, why))
                return;
        path = wire_path_transaction(id_of(result));
        bus_call_return(held, g_variant_new("(o)", path));
}

void wire_answer_updates(Refusal code, const char *why, GVariant *result, gpointer call)
{
        g_autoptr(BusCall) held = call;
        g_autoptr(GVariantIter) ids = NULL;
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("ao"));
        guint64 id;

        if (refused(held, code, why)) {
                g_variant_builder_clear(&b);
                return;
        }
        g_variant_get(result, "(at)", &ids);
        while (g_variant_iter_next(ids, "t", &id)) {
                g_autofree char *path = wire_path_update(id);
                g_variant_builder_add(&b, "o", path);
        }
        bus_call_return(held, g_variant_new("(ao)", &b));
}

void wire_answer_string(Refusal code, const char *why, GVariant *result, gpointer call)
{
        g_autoptr(BusCall) held = call;

        if (!refused(held, code, why))
                bus_call_return(held, result);
}

void wire_answer_events(Refusal code, const char *why, GVariant *result, gpointer call)
{
        g_autoptr(BusCall) held = call;

        if (!refused(held, code, why))
                bus_call_return(held, g_variant_new("(@a(tsxsa{sv}))", result));
}

void wire_answer_fd(Refusal code, const char *why, int fd, gpointer call)
{
        g_autoptr(BusCall) held = call;

        if (!refused(held, code, why))
                bus_call_return_fd(held, g_variant_new("(h)", 0), fd);
}
