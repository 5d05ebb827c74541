/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to the orchestrator, and the one place that reads its errors. */
#include "kantan-hooks/hook-service.h"

#include <string.h>

static const struct {
        const char *name;
        HookReply reply;
} errors[] = {
        {"org.kantan.Error.NotFound", HOOK_REPLY_NOT_FOUND},
        {"org.freedesktop.DBus.Error.UnknownObject", HOOK_REPLY_NOT_FOUND},
        {"org.freedesktop.DBus.Error.ServiceUnknown", HOOK_REPLY_ABSENT},
        {"org.freedesktop.DBus.Error.NameHasNoOwner", HOOK_REPLY_ABSENT},
        {"org.freedesktop.DBus.Error.NoReply", HOOK_REPLY_LOST},
};

HookReply hook_reply_classify(const BusReply *reply, const char *signature)
{
        if (!reply->error_name)
                return reply->body && g_variant_is_of_type(reply->body, G_VARIANT_TYPE(signature))
                               ? HOOK_REPLY_GOOD
                               : HOOK_REPLY_FAULT;
        for (gsize i = 0; i < G_N_ELEMENTS(errors); i++)
                if (strcmp(reply->error_name, errors[i].name) == 0)
                        return errors[i].reply;
        return g_str_has_prefix(reply->error_name, "org.kantan.Error.") ? HOOK_REPLY_REFUSAL
                                                                        : HOOK_REPLY_FAULT;
}

GVariant *hook_begin_args(const HookCall *call, guint owner)
{
        GVariantBuilder changes, options;
        g_variant_builder_init(&changes, G_VARIANT_TYPE("a(sssss)"));
        for (guint i = 0; i < call->changes->len; i++) {
                const HookChange *c = call->changes->pdata[i];
                g_variant_builder_add(&changes, "(sssss)", hook_operation_to_string(c->operation), c->name,
                                      c->old_version ? c->old_version : "-",
                                      c->new_version ? c->new_version : "-", c->archive ? c->archive : "-");
        }
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&options, "{sv}", "owner", g_variant_new_uint32(owner));
        return g_variant_new("(sa(sssss)a{sv})", call->manager, &changes, &options);
}

guint64 hook_call_find(Bus *bus, guint owner, BusReplyFunc func, gpointer user)
{
        return bus_call(bus, HOOK_SERVICE, HOOK_MANAGER_PATH, HOOK_MANAGER, "FindTransaction",
                        g_variant_new("(u)", owner), HOOK_REPLY_TIMEOUT_MS, func, user);
}

guint64 hook_call_finish(Bus *bus, const char *transaction, gboolean success, int timeout_ms,
                         BusReplyFunc func, gpointer user)
{
        GVariantBuilder options;
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        return bus_call(bus, HOOK_SERVICE, transaction, HOOK_TRANSACTION, "Finish",
                        g_variant_new("(ba{sv})", success, &options), timeout_ms, func, user);
}
