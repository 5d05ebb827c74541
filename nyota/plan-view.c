/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking for plans and showing them: what will happen, in which order, why, how many stay active, and who
 * could stop it. */
#include "nyota/plan-view.h"

static JsonArray *array_member(JsonObject *o, const char *name)
{
        JsonNode *node = json_object_get_member(o, name);
        return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static const char *string_member(JsonObject *o, const char *name)
{
        JsonNode *node = json_object_get_member(o, name);
        return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
                       ? json_node_get_string(node)
                       : "";
}

static gint64 number_member(JsonObject *o, const char *name)
{
        JsonNode *node = json_object_get_member(o, name);
        return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : 0;
}

/* The I-th element if it is an object, else NULL. */
static JsonObject *object_element(JsonArray *a, guint i)
{
        JsonNode *node = json_array_get_element(a, i);
        return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonNode *plan_parse(const char *text, GError **error)
{
        g_autoptr(GError) local = NULL;
        g_autoptr(JsonNode) node = json_from_string(text, &local);
        if (node && JSON_NODE_HOLDS_OBJECT(node))
                return g_steal_pointer(&node);
        g_set_error(error, CLIENT_ERROR, EXIT_FAILED, "the service's plan is not a JSON object%s%s",
                    local ? ": " : "", local ? local->message : "");
        return NULL;
}

static gboolean update_is_granted(JsonObject *u)
{
        return *string_member(u, "refused") == '\0' && *string_member(u, "refusal") == '\0';
}

gboolean plan_is_granted(JsonNode *plan)
{
        JsonArray *updates = array_member(json_node_get_object(plan), "updates");
        for (guint i = 0; updates && i < json_array_get_length(updates); i++) {
                JsonObject *u = object_element(updates, i);
                if (u && !update_is_granted(u))
                        return FALSE;
        }
        return TRUE;
}

static void show_inhibitors(Show *show, JsonArray *inhibitors)
{
        for (guint i = 0; inhibitors && i < json_array_get_length(inhibitors); i++) {
                JsonObject *o = object_element(inhibitors, i);
                if (o)
                        show_line(show, TONE_BUSY, "  %s may %s it: %s", string_member(o, "who"),
                                  g_str_equal(string_member(o, "mode"), "block") ? "veto" : "delay",
                                  string_member(o, "why"));
        }
}

static void show_steps(Show *show, JsonArray *steps)
{
        static const Column columns[] = {
                {"  STEP", COLUMN_NUMBER}, {"REPLICANT", COLUMN_NUMBER}, {"ACT", COLUMN_TEXT},
                {"WHY", COLUMN_TEXT},      {NULL, COLUMN_TEXT},
        };
        if (!steps || json_array_get_length(steps) == 0)
                return;
        g_autoptr(Table) table = table_new(columns);
        for (guint i = 0; i < json_array_get_length(steps); i++) {
                JsonObject *o = object_element(steps, i);
                if (!o)
                        continue;
                gint64 id = number_member(o, "replicant");
                g_autofree char *step = g_strdup_printf("%u", i + 1);
                g_autofree char *replicant = id ? g_strdup_printf("%" G_GINT64_FORMAT, id) : NULL;
                table_add(table, step, replicant, string_member(o, "act"), string_member(o, "reason"));
        }
        table_print(table, show);
}

static void show_numbers(Show *show, JsonObject *u)
{
        JsonNode *node = json_object_get_member(u, "warn_s");
        double warn = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : 0;
        g_autofree char *lead = show_seconds(warn);
        show_line(show, TONE_PLAIN,
                  "  at least %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                  " stay active (floor %" G_GINT64_FORMAT "); %s%s",
                  number_member(u, "least_active"), number_member(u, "desired"), number_member(u, "floor"),
                  warn > 0 ? "a warning comes first, by " : "no warning comes first", warn > 0 ? lead : "");
}

static void show_update(Show *show, JsonObject *u)
{
        const char *why = string_member(u, "why");
        show_line(show, TONE_STRONG, "%s: %s -> %s, %s", string_member(u, "battery"),
                  show_version(string_member(u, "from")), show_version(string_member(u, "to")),
                  string_member(u, "strategy"));
        if (!update_is_granted(u)) {
                const char *refused = string_member(u, "refused");
                show_line(show, TONE_BAD, "  refused: %s", *refused ? refused : string_member(u, "refusal"));
                return;
        }
        if (*why)
                show_line(show, TONE_PLAIN, "  %s", why);
        show_numbers(show, u);
        show_inhibitors(show, array_member(u, "inhibitors"));
        show_steps(show, array_member(u, "steps"));
}

gboolean plan_show(Show *show, JsonNode *plan)
{
        JsonArray *updates = array_member(json_node_get_object(plan), "updates");
        if (!updates || json_array_get_length(updates) == 0)
                show_line(show, TONE_PLAIN, "No battery uses these packages; they would only be unpacked.");
        for (guint i = 0; updates && i < json_array_get_length(updates); i++) {
                JsonObject *u = object_element(updates, i);
                if (u)
                        show_update(show, u);
        }
        return plan_is_granted(plan);
}

JsonNode *plan_ask(Client *client, const char *const *files, const char *strategy, gboolean override,
                   GError **error)
{
        g_auto(GVariantBuilder) paths = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("as"));
        g_auto(GVariantBuilder) options = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sv}"));
        for (; *files; files++) {
                /* the service has another working directory */
                g_autofree char *path = g_canonicalize_filename(*files, NULL);
                g_variant_builder_add(&paths, "s", path);
        }
        if (strategy)
                g_variant_builder_add(&options, "{sv}", "strategy", g_variant_new_string(strategy));
        if (override)
                g_variant_builder_add(&options, "{sv}", "override", g_variant_new_boolean(TRUE));
        ClientCall call = {.path = NYOTA_ROOT,
                           .interface = "Manager",
                           .member = "PlanUpdate",
                           .args = g_variant_new("(asa{sv})", &paths, &options),
                           .patience = CLIENT_FOREVER}; /* big packages take long to verify */
        g_autoptr(GVariant) body = client_call(client, &call, error);
        const char *text;
        if (!body)
                return NULL;
        if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(s)"))) {
                g_set_error(error, CLIENT_ERROR, EXIT_FAILED,
                            "the service answered with something else than a plan");
                return NULL;
        }
        g_variant_get(body, "(&s)", &text);
        return plan_parse(text, error);
}
