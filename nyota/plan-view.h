/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans, as the service writes them in JSON, for people. */
#pragma once

#include "nyota/nyota.h"

#include <json-glib/json-glib.h>

/* TEXT parsed into an object; NULL and error if it is none. */
JsonNode *plan_parse(const char *text, GError **error);
/* Shows all updates of a plan; TRUE if none of them is refused. */
gboolean plan_show(Show *show, JsonNode *plan);
/* TRUE if none is refused. */
gboolean plan_is_granted(JsonNode *plan);
/* Asks the service for the plan of FILES (as named by the person). */
JsonNode *plan_ask(Client *client, const char *const *files, const char *strategy, gboolean override,
                   GError **error);
