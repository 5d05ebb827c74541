/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GVariants as JSON. */
#include "nyota/json.h"

#include <stdio.h>

JsonNode *json_of_variant(GVariant *value)
{
        return json_gvariant_serialize(value);
}

JsonObject *json_of_properties(GVariant *properties, const char *path)
{
        JsonObject *o = json_object_new();
        GVariantIter it;
        const char *name;
        GVariant *value;
        if (path)
                json_object_set_string_member(o, "path", path);
        if (!properties)
                return o;
        g_variant_iter_init(&it, properties);
        while (g_variant_iter_next(&it, "{&sv}", &name, &value)) {
                json_object_set_member(o, name, json_of_variant(value));
                g_variant_unref(value);
        }
        return o;
}

JsonNode *json_node_of_array(JsonArray *array)
{
        JsonNode *node = json_node_init_array(json_node_alloc(), array);
        json_array_unref(array);
        return node;
}

JsonNode *json_node_of_object(JsonObject *object)
{
        JsonNode *node = json_node_alloc();
        json_node_init_object(node, object);
        json_object_unref(object);
        return node;
}

static void print(JsonNode *node, gboolean pretty)
{
        g_autofree char *text = json_to_string(node, pretty);
        puts(text);
        fflush(stdout); /* whoever reads a stream through a pipe wants each line when it happens */
        json_node_unref(node);
}

void json_print(JsonNode *node)
{
        print(node, TRUE);
}

void json_print_line(JsonNode *node)
{
        print(node, FALSE);
}
