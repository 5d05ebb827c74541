/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that explain: why a battery is as it is, what happened to it, what happened in one update. */
#include "nyota/commands.h"
#include "nyota/dict.h"
#include "nyota/event.h"
#include "nyota/json.h"
#include "nyota/stream.h"

#include <string.h>

/* What history shows unless told otherwise. */
#define HISTORY_DEFAULT 20

static GVariant *list_inhibitors(Client *client, GError **error)
{
        ClientCall call = {.path = NYOTA_ROOT, .interface = "Manager", .member = "ListInhibitors"};
        g_autoptr(GVariant) body = client_call(client, &call, error);
        if (!body)
                return NULL;
        if (g_variant_is_of_type(body, G_VARIANT_TYPE("(a(ssssuu))")))
                return g_variant_get_child_value(body, 0);
        g_set_error(error, CLIENT_ERROR, EXIT_FAILED, "the service's answer has another type");
        return NULL;
}

typedef struct Inhibitor {
        const char *battery, *who, *why, *mode;
        guint uid, pid;
} Inhibitor;

/* The next one that holds BATTERY. */
static gboolean next_inhibitor(GVariantIter *it, const char *battery, Inhibitor *ret)
{
        while (g_variant_iter_next(it, "(&s&s&s&suu)", &ret->battery, &ret->who, &ret->why, &ret->mode,
                                   &ret->uid, &ret->pid))
                if (g_str_equal(ret->battery, battery) || g_str_equal(ret->battery, "*"))
                        return TRUE;
        return FALSE;
}

static JsonArray *inhibitors_json(GVariant *inhibitors, const char *battery)
{
        JsonArray *array = json_array_new();
        GVariantIter it;
        Inhibitor i;
        g_variant_iter_init(&it, inhibitors);
        while (next_inhibitor(&it, battery, &i)) {
                JsonObject *o = json_object_new();
                json_object_set_string_member(o, "battery", i.battery);
                json_object_set_string_member(o, "who", i.who);
                json_object_set_string_member(o, "why", i.why);
                json_object_set_string_member(o, "mode", i.mode);
                json_object_set_int_member(o, "uid", i.uid);
                json_object_set_int_member(o, "pid", i.pid);
                json_array_add_object_element(array, o);
        }
        return array;
}

static void why_json(GVariant *objects, const char *path, GVariant *b, GVariant *inhibitors)
{
        const char *update = dict_string(b, "CurrentUpdate");
        g_autoptr(GVariant) u = dict_object(objects, update, "Update");
        JsonObject *o = json_of_properties(b, path);
        if (u)
                json_object_set_object_member(o, "Update", json_of_properties(u, update));
        else
                json_object_set_null_member(o, "Update");
        json_object_set_array_member(o, "Inhibitors", inhibitors_json(inhibitors, dict_string(b, "Name")));
        json_print(json_node_of_object(o));
}

static void why_replicants(Nyota *n, GVariant *objects, const char *battery)
{
        g_autofree char *prefix = g_strconcat(battery, "/", NULL);
        GVariantIter it;
        const char *path;
        g_variant_iter_init(&it, objects);
        while (g_variant_iter_next(&it, "{&o@a{sa{sv}}}", &path, NULL)) {
                g_autoptr(GVariant) r =
                        g_str_has_prefix(path, prefix) ? dict_object(objects, path, "Replicant") : NULL;
                Tone tone = r ? tone_of_state(dict_string(r, "State")) : TONE_PLAIN;
                const char *reason = dict_string(r, "Reason");
                if (tone == TONE_BAD || tone == TONE_BUSY)
                        show_line(n->show, tone, "  replicant %s is %s%s%s", nyota_last_part(path),
                                  dict_string(r, "State"), *reason ? ": " : "", reason);
        }
}

static void why_text(Nyota *n, GVariant *objects, const char *path, GVariant *b, GVariant *inhibitors)
{
        const char *name = dict_string(b, "Name"), *next = dict_string(b, "Next");
        const char *update = dict_string(b, "CurrentUpdate"), *reason = dict_string(b, "Reason");
        g_autoptr(GVariant) u = dict_object(objects, update, "Update");
        GVariantIter it;
        Inhibitor i;
        show_line(n->show, TONE_STRONG, "%s is %s%s%s", name, dict_string(b, "State"), *reason ? ": " : "",
                  reason);
        why_replicants(n, objects, path);
        if (u) {
                const char *why = dict_string(u, "Reason");
                show_line(n->show, tone_of_state(dict_string(u, "State")), "  update %s (%s -> %s) is %s%s%s",
                          nyota_last_part(update), show_version(dict_string(u, "FromVersion")),
                          show_version(dict_string(u, "ToVersion")), dict_string(u, "State"),
                          *why ? ": " : "", why);
        }
        g_variant_iter_init(&it, inhibitors);
        while (next_inhibitor(&it, name, &i))
                show_line(n->show, TONE_BUSY, "  %s (pid %u) may %s its updates: %s", i.who, i.pid,
                          g_str_equal(i.mode, "block") ? "veto" : "delay", i.why);
        if (*next)
                show_line(n->show, TONE_PLAIN, "What would change that: %s", next);
}

static ExitCode run_why(Nyota *n, const Args *args)
{
        GError *error = NULL;
        Client *client = nyota_client(n, &error);
        g_autofree char *path = nyota_battery_path(args_word(args, 0), error ? NULL : &error);
        g_autoptr(GVariant) objects = client && path ? client_objects(client, &error) : NULL;
        g_autoptr(GVariant) inhibitors = objects ? list_inhibitors(client, &error) : NULL;
        if (!inhibitors)
                return nyota_fail(error);
        g_autoptr(GVariant) b = dict_object(objects, path, "Battery");
        if (!b)
                return nyota_fail(
                        g_error_new(CLIENT_ERROR, EXIT_FAILED,
                                    "there is no battery '%s'\n  `nyota list` shows those there are",
                                    args_word(args, 0)));
        if (n->json)
                why_json(objects, path, b, inhibitors);
        else
                why_text(n, objects, path, b, inhibitors);
        return EXIT_DONE;
}

static void history_row(Table *table, GVariant *u)
{
        gint64 started = (gint64)dict_number(u, "started"), finished = (gint64)dict_number(u, "finished");
        g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, dict_number(u, "id"));
        g_autofree char *when = show_time(started);
        /* one that never began to run took no time */
        g_autofree char *took = started && finished > started
                                        ? show_seconds((double)(finished - started) / G_USEC_PER_SEC)
                                        : NULL;
        g_autofree char *least = g_strdup_printf("%" G_GUINT64_FORMAT, dict_number(u, "least_active"));
        table_add(table, id, when, dict_string(u, "strategy"), dict_string(u, "from"), dict_string(u, "to"),
                  dict_string(u, "state"), took, finished ? least : NULL, dict_string(u, "initiator"),
                  dict_string(u, "reason"));
}

static void history_text(Nyota *n, GVariant *list, const char *battery)
{
        static const Column columns[] = {
                {"UPDATE", COLUMN_NUMBER}, {"STARTED", COLUMN_TEXT}, {"STRATEGY", COLUMN_TEXT},
                {"FROM", COLUMN_TEXT},     {"TO", COLUMN_TEXT},      {"STATE", COLUMN_STATE},
                {"TOOK", COLUMN_NUMBER},   {"LEAST", COLUMN_NUMBER}, {"BY", COLUMN_TEXT},
                {"REASON", COLUMN_TEXT},   {NULL, COLUMN_TEXT},
        };
        g_autoptr(Table) table = table_new(columns);
        for (gsize i = 0; i < g_variant_n_children(list); i++) {
                g_autoptr(GVariant) u = g_variant_get_child_value(list, i);
                history_row(table, u);
        }
        if (g_variant_n_children(list) > 0)
                table_print(table, n->show);
        else
                show_line(n->show, TONE_PLAIN,
                          "No updates of a battery '%s' yet; `nyota list` shows those there are.", battery);
}

static ExitCode run_history(Nyota *n, const Args *args)
{
        GError *error = NULL;
        guint64 most = HISTORY_DEFAULT;
        const char *word = args_get(args, "most");
        if (word && !g_ascii_string_to_unsigned(word, 10, 1, G_MAXUINT, &most, NULL))
                return nyota_usage("--most wants a number, not '%s'", word);
        g_autofree char *path = nyota_battery_path(args_word(args, 0), &error);
        Client *client = path ? nyota_client(n, &error) : NULL;
        if (!client)
                return nyota_fail(error);
        ClientCall call = {.path = NYOTA_ROOT,
                           .interface = "Manager",
                           .member = "History",
                           .args = g_variant_new("(su)", args_word(args, 0), (guint)most)};
        g_autoptr(GVariant) body = client_call(client, &call, &error);
        if (!body)
                return nyota_fail(error);
        if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(aa{sv})")))
                return nyota_fail(
                        g_error_new(CLIENT_ERROR, EXIT_FAILED, "the service's answer has another type"));
        g_autoptr(GVariant) list = g_variant_get_child_value(body, 0);
        if (n->json)
                json_print(json_of_variant(list));
        else
                history_text(n, list, args_word(args, 0));
        return EXIT_DONE;
}

typedef struct Log {
        Nyota *nyota;
        const char *path;
        guint told;
        char *battery; /* known from the update's first event on, until its last */
} Log;

static void log_clear(Log *log)
{
        g_free(log->battery);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Log, log_clear)

/* What happens to the battery's replicants while the update runs belongs to it, unless it says that it
 * belongs to another one. */
static gboolean log_wants(Log *log, const Event *event)
{
        const char *path = dict_string(event->detail, "update");
        if (*path)
                return g_str_equal(path, log->path);
        return log->battery && g_str_equal(event->battery, log->battery);
}

static void log_event(const Event *event, gpointer user)
{
        Log *log = user;
        if (!log_wants(log, event))
                return;
        log->told++;
        if (!log->battery)
                log->battery = g_strdup(event->battery);
        if (g_str_equal(event->kind, "UpdateFinished"))
                g_clear_pointer(&log->battery, g_free);
        if (log->nyota->json)
                json_print_line(event_to_json(event));
        else
                event_print(event, log->nyota->show);
}

/* What became of it; an update of long ago has no object any more, only events. */
static gboolean log_state(Nyota *n, Client *client, const char *path)
{
        g_autoptr(GVariant) u = client_properties(client, path, "Update", NULL);
        if (!u || n->json)
                return u != NULL;
        const char *reason = dict_string(u, "Reason");
        show_line(n->show, tone_of_state(dict_string(u, "State")),
                  "update %s of %s: %s -> %s, %s, %s, by %s%s%s", nyota_last_part(path),
                  dict_string(u, "Battery"), show_version(dict_string(u, "FromVersion")),
                  show_version(dict_string(u, "ToVersion")), dict_string(u, "Strategy"),
                  dict_string(u, "State"),
                  *dict_string(u, "Initiator") ? dict_string(u, "Initiator") : "nobody known",
                  *reason ? ": " : "", reason);
        return TRUE;
}

static ExitCode run_log(Nyota *n, const Args *args)
{
        GError *error = NULL;
        g_autofree char *path = nyota_update_path(args_word(args, 0), &error);
        Client *client = path ? nyota_client(n, &error) : NULL;
        g_auto(Log) log = {n, path, 0, NULL};
        if (!client || !stream_read_stored(client, NYOTA_CHANNEL, 0, log_event, &log, &error))
                return nyota_fail(error);
        if (!log_state(n, client, path) && log.told == 0)
                return nyota_fail(
                        g_error_new(CLIENT_ERROR, EXIT_FAILED,
                                    "nothing is known of update %s\n  `nyota history BATTERY` shows the "
                                    "updates",
                                    nyota_last_part(path)));
        return EXIT_DONE;
}

static const OptionSpec options_history[] = {
        {"most", 'n', "NUMBER", "show at most that many (default 20)"},
        {NULL},
};

const Command commands_why[] = {
        {"why", "BATTERY", "why a battery is in the state it is in, and what would change that", NULL, NULL,
         1, 1, ARGS_MIXED, run_why},
        {"history", "[--most=NUMBER] BATTERY", "a battery's updates, the newest first", NULL, options_history,
         1, 1, ARGS_MIXED, run_history},
        {"log", "UPDATE", "all that happened in one update",
         "UPDATE is a number that `nyota history`, `nyota list` or `nyota update` told.", NULL, 1, 1,
         ARGS_MIXED, run_log},
        {NULL},
};
