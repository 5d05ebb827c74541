/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --json: an object is its D-Bus properties by name plus `path`, lists are arrays, streams are one object
 * a line. */
#pragma once

#include <json-glib/json-glib.h>

/* Any value; dictionaries become objects, variants what is in them. */
JsonNode *json_of_variant(GVariant *value);
/* An object with the members of a{sv} PROPERTIES (may be NULL) and `path` (may be NULL). */
JsonObject *json_of_properties(GVariant *properties, const char *path);
/* Prints to standard output, many lines for a person to read or one; takes NODE. */
void json_print(JsonNode *node);
void json_print_line(JsonNode *node);
JsonNode *json_node_of_array(JsonArray *array);    /* takes it */
JsonNode *json_node_of_object(JsonObject *object); /* takes it */
