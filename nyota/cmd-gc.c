/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gc: the store belongs to the service, which knows what a rollback still needs. */
#include "nyota/commands.h"
#include "nyota/json.h"

static void print_removed(Nyota *n, const char *const *removed, guint64 bytes, gboolean dry)
{
        g_autofree char *size = show_bytes(bytes);
        if (n->json) {
                JsonObject *o = json_object_new();
                JsonArray *a = json_array_new();
                for (; *removed; removed++)
                        json_array_add_string_element(a, *removed);
                json_object_set_array_member(o, "removed", a);
                json_object_set_int_member(o, "bytes", (gint64)bytes);
                json_object_set_boolean_member(o, "dry_run", dry);
                json_print(json_node_of_object(o));
                return;
        }
        if (!*removed) {
                show_line(n->show, TONE_PLAIN, "Nothing to remove.");
                return;
        }
        for (; *removed; removed++)
                show_line(n->show, TONE_PLAIN, "%s", *removed);
        show_line(n->show, TONE_STRONG, "%s %s", size, dry ? "would be freed" : "freed");
}

static ExitCode run_gc(Nyota *n, const Args *args)
{
        GError *error = NULL;
        gboolean dry = args_has(args, "dry-run");
        Client *client = nyota_client(n, &error);
        g_auto(GVariantBuilder) options = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sv}"));
        g_autofree const char **removed = NULL;
        guint64 bytes;
        if (!client)
                return nyota_fail(error);
        if (dry)
                g_variant_builder_add(&options, "{sv}", "dry-run", g_variant_new_boolean(TRUE));
        ClientCall call = {.path = NYOTA_ROOT,
                           .interface = "Manager",
                           .member = "CollectGarbage",
                           .args = g_variant_new("(a{sv})", &options),
                           .patience = CLIENT_FOREVER};
        g_autoptr(GVariant) body = client_call(client, &call, &error);
        if (!body)
                return nyota_fail(error);
        if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(ast)")))
                return nyota_fail(
                        g_error_new(CLIENT_ERROR, EXIT_FAILED, "the service's answer has another type"));
        g_variant_get(body, "(^a&st)", &removed, &bytes);
        print_removed(n, removed, bytes, dry);
        return EXIT_DONE;
}

static const OptionSpec options_gc[] = {
        {"dry-run", 0, NULL, "only say what would be removed"},
        {NULL},
};

const Command commands_gc[] = {
        {"gc", "[--dry-run]", "remove unpacked versions that nobody runs or needs for going back",
         "KeepVersions= in orchestrator.conf says how many versions of each package stay.", options_gc, 0, 0,
         ARGS_MIXED, run_gc},
        {NULL},
};
