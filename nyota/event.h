/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One event of a channel, as a line for people and as JSON. */
#pragma once

#include "nyota/show.h"

#include <json-glib/json-glib.h>

typedef struct Event {
        guint64 sequence;
        const char *kind;
        gint64 time_us; /* real time */
        const char *battery;
        GVariant *detail; /* a{sv} */
} Event;

JsonNode *event_to_json(const Event *e);
/* "replicant 2: stopped" …, without time and battery; owned by the caller, not cleaned. */
char *event_to_text(const Event *e);
Tone event_tone(const Event *e);
/* Time, battery, text. */
void event_print(const Event *e, Show *s);
