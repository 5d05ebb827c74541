/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events in words. Every kind that DESIGN's channel names has its sentence here; kinds of others (x-…) and
 * of later versions are shown with their details as they are. */
#include "nyota/event.h"
#include "nyota/dict.h"
#include "nyota/json.h"
#include "nyota/nyota.h"

static char *text_of_warning(GVariant *d)
{
        /* a time of day, which is still right when the event is read later */
        g_autofree char *when = show_time_of_day((gint64)dict_number(d, "deadline"));
        return g_strdup_printf("update %s from %s to %s (%s) begins at %s",
                               nyota_last_part(dict_string(d, "update")),
                               show_version(dict_string(d, "from")), show_version(dict_string(d, "to")),
                               dict_string(d, "strategy"), when);
}

static char *text_of_finished(GVariant *d)
{
        const char *reason = dict_string(d, "reason");
        g_autofree char *seconds = show_seconds(dict_seconds(d, "seconds"));
        return g_strdup_printf("update %s: %s in %s, at least %u active%s%s",
                               nyota_last_part(dict_string(d, "update")), dict_string(d, "state"), seconds,
                               (guint)dict_number(d, "least_active"), *reason ? ": " : "", reason);
}

/* -1: unknown, as of a process that ended while nobody looked. */
static gint32 signed_detail(GVariant *d, const char *key)
{
        g_autoptr(GVariant) v = dict_value(d, key, "i");
        return v ? g_variant_get_int32(v) : -1;
}

static char *text_of_stopped(GVariant *d)
{
        g_autoptr(GVariant) confirmed = dict_value(d, "confirmed", "b");
        gint32 signal = signed_detail(d, "signal"), status = signed_detail(d, "status");
        g_autofree char *how = signal > 0   ? g_strdup_printf(" by signal %d", signal)
                               : status > 0 ? g_strdup_printf(" with status %d", status)
                                            : g_strdup("");
        return g_strdup_printf("stopped%s%s", how,
                               confirmed && !g_variant_get_boolean(confirmed) ? ", not confirmed" : "");
}

static char *text_of_started(GVariant *d)
{
        const char *version = dict_string(d, "version");
        return g_strdup_printf("started, %s%spid %u", *version ? version : "", *version ? ", " : "",
                               (guint)dict_number(d, "pid"));
}

static char *text_of_floor(GVariant *d)
{
        return g_strdup_printf("the floor is broken: %u active, floor %u, by %s",
                               (guint)dict_number(d, "active"), (guint)dict_number(d, "floor"),
                               dict_string(d, "by"));
}

static char *text_of_missed(GVariant *d)
{
        return g_strdup_printf("%u heartbeats missed", (guint)dict_number(d, "count"));
}

static char *text_of_synchronised(GVariant *d)
{
        g_autofree char *bytes = show_bytes(dict_number(d, "bytes"));
        g_autofree char *seconds = show_seconds(dict_seconds(d, "seconds"));
        return g_strdup_printf("synchronised: %u rows, %s in %s", (guint)dict_number(d, "rows"), bytes,
                               seconds);
}

static char *text_of_disagreement(GVariant *d)
{
        return g_strdup_printf("replies to %s differ", dict_string(d, "method"));
}

static const struct Sentence {
        const char *kind;
        Tone tone;
        const char *words;               /* the reason, if there is one, follows */
        char *(*text)(GVariant *detail); /* instead of WORDS */
} sentences[] = {
        {"UpdateWarning", TONE_BUSY, NULL, text_of_warning},
        {"UpdateStarted", TONE_STRONG, "update started", NULL},
        {"UpdateHeld", TONE_BUSY, "update held", NULL},
        {"UpdatePaused", TONE_BUSY, "update paused", NULL},
        {"UpdateRolledBack", TONE_BAD, "update rolled back", NULL},
        {"UpdateFinished", TONE_STRONG, NULL, text_of_finished},
        {"ReplicantDraining", TONE_PLAIN, "draining", NULL},
        {"ReplicantStopped", TONE_PLAIN, NULL, text_of_stopped},
        {"ReplicantStarted", TONE_PLAIN, NULL, text_of_started},
        {"ReplicantHealthy", TONE_GOOD, "healthy", NULL},
        {"ReplicantFailed", TONE_BAD, "failed", NULL},
        {"HeartbeatMissed", TONE_BUSY, NULL, text_of_missed},
        {"RoleChanged", TONE_PLAIN, "role changed", NULL},
        {"FloorBroken", TONE_BAD, NULL, text_of_floor},
        {"Disagreement", TONE_BUSY, NULL, text_of_disagreement},
        {"Synchronised", TONE_PLAIN, NULL, text_of_synchronised},
        {"InhibitorTaken", TONE_BUSY, "lock taken", NULL},
        {"InhibitorReleased", TONE_PLAIN, "lock released", NULL},
        {"ControllerTakeover", TONE_BUSY, "another controller took over", NULL},
};

static const struct Sentence *sentence_of(const Event *e)
{
        for (gsize i = 0; i < G_N_ELEMENTS(sentences); i++)
                if (g_str_equal(sentences[i].kind, e->kind))
                        return &sentences[i];
        return NULL;
}

Tone event_tone(const Event *e)
{
        const struct Sentence *s = sentence_of(e);
        if (s && g_str_equal(e->kind, "UpdateFinished"))
                return tone_of_state(dict_string(e->detail, "state"));
        return s ? s->tone : TONE_PLAIN;
}

/* The words, then those details that most kinds share. */
static char *text_of_words(const char *words, GVariant *d)
{
        static const char *const keys[] = {"role", "mode", "who", "why", "reason"};
        GString *out = g_string_new(words);
        gboolean first = TRUE;
        for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
                const char *value = dict_string(d, keys[i]);
                if (*value) {
                        g_string_append_printf(out, "%s%s", first ? ": " : ", ", value);
                        first = FALSE;
                }
        }
        return g_string_free(out, FALSE);
}

char *event_to_text(const Event *e)
{
        const struct Sentence *s = sentence_of(e);
        guint replicant = (guint)dict_number(e->detail, "replicant");
        g_autofree char *words = NULL;
        if (!s) {
                g_autofree char *detail = g_variant_print(e->detail, FALSE);
                words = g_strdup_printf("%s %s", e->kind, detail);
        } else {
                words = s->text ? s->text(e->detail) : text_of_words(s->words, e->detail);
        }
        return replicant ? g_strdup_printf("replicant %u: %s", replicant, words) : g_steal_pointer(&words);
}

void event_print(const Event *e, Show *s)
{
        g_autofree char *time = show_time_of_day(e->time_us);
        g_autofree char *text = event_to_text(e);
        show_line(s, event_tone(e), "%s  %s  %s", time, *e->battery ? e->battery : "*", text);
}

JsonNode *event_to_json(const Event *e)
{
        JsonObject *o = json_object_new();
        json_object_set_int_member(o, "sequence", (gint64)e->sequence);
        json_object_set_string_member(o, "kind", e->kind);
        json_object_set_int_member(o, "time_us", e->time_us);
        json_object_set_string_member(o, "battery", e->battery);
        json_object_set_object_member(o, "detail", json_of_properties(e->detail, NULL));
        return json_node_of_object(o);
}
