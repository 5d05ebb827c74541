/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that look at batteries: list, status. Everything comes from one GetManagedObjects, so that the
 * numbers of one display belong together. */
#include "nyota/commands.h"
#include "nyota/dict.h"
#include "nyota/json.h"

#include <string.h>

/* Children of the channel's object are batteries (svc/B) and replicants (svc/B/N). */
static int compare_paths(gconstpointer a, gconstpointer b)
{
        const char *x = *(const char *const *)a, *y = *(const char *const *)b;
        gsize nx = strlen(x), ny = strlen(y);
        /* replicants count: 2 before 10 */
        gboolean digits = g_ascii_isdigit(x[nx - 1]) && g_ascii_isdigit(y[ny - 1]);
        if (digits && nx != ny && !g_ascii_isalpha(*nyota_last_part(x)) &&
            !g_ascii_isalpha(*nyota_last_part(y)))
                return nx < ny ? -1 : 1;
        return strcmp(x, y);
}

/* The paths below PARENT that have INTERFACE, sorted. */
static GPtrArray *paths_below(GVariant *objects, const char *parent, const char *interface)
{
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *prefix = g_strconcat(parent, "/", NULL);
        GVariantIter it;
        const char *path;
        g_variant_iter_init(&it, objects);
        while (g_variant_iter_next(&it, "{&o@a{sa{sv}}}", &path, NULL)) {
                g_autoptr(GVariant) properties = NULL;
                if (g_str_has_prefix(path, prefix) && !strchr(path + strlen(prefix), '/'))
                        properties = dict_object(objects, path, interface);
                if (properties)
                        g_ptr_array_add(paths, g_strdup(path));
        }
        g_ptr_array_sort(paths, compare_paths);
        return paths;
}

static char *number_text(GVariant *properties, const char *key)
{
        return g_strdup_printf("%" G_GUINT64_FORMAT, dict_number(properties, key));
}

/* "12" of the battery's current update; "" if it has none. */
static const char *current_update(GVariant *battery)
{
        const char *path = dict_string(battery, "CurrentUpdate");
        return strlen(path) > 1 ? nyota_last_part(path) : "";
}

static void list_text(Nyota *n, GVariant *objects, GPtrArray *paths)
{
        static const Column columns[] = {
                {"BATTERY", COLUMN_TEXT},  {"STATE", COLUMN_STATE},    {"VERSION", COLUMN_TEXT},
                {"ACTIVE", COLUMN_NUMBER}, {"DESIRED", COLUMN_NUMBER}, {"FLOOR", COLUMN_NUMBER},
                {"STRATEGY", COLUMN_TEXT}, {"UPDATE", COLUMN_TEXT},    {NULL, COLUMN_TEXT},
        };
        g_autoptr(Table) table = table_new(columns);
        for (guint i = 0; i < paths->len; i++) {
                g_autoptr(GVariant) b = dict_object(objects, paths->pdata[i], "Battery");
                g_autofree char *active = number_text(b, "Active");
                g_autofree char *desired = number_text(b, "Desired");
                g_autofree char *floor = number_text(b, "Floor");
                table_add(table, dict_string(b, "Name"), dict_string(b, "State"), dict_string(b, "Version"),
                          active, desired, floor, dict_string(b, "Strategy"), current_update(b));
        }
        table_print(table, n->show);
}

static ExitCode run_list(Nyota *n, const Args *args)
{
        GError *error = NULL;
        Client *client = nyota_client(n, &error);
        g_autoptr(GVariant) objects = client ? client_objects(client, &error) : NULL;
        if (!objects)
                return nyota_fail(error);
        g_autoptr(GPtrArray) paths = paths_below(objects, NYOTA_CHANNEL, "Battery");
        if (!n->json) {
                if (paths->len > 0)
                        list_text(n, objects, paths);
                else
                        show_line(n->show, TONE_PLAIN,
                                  "No batteries. A battery is a file in batteries/ of the "
                                  "configuration; `nyota check` reads it.");
                return EXIT_DONE;
        }
        JsonArray *array = json_array_new();
        for (guint i = 0; i < paths->len; i++) {
                g_autoptr(GVariant) b = dict_object(objects, paths->pdata[i], "Battery");
                json_array_add_object_element(array, json_of_properties(b, paths->pdata[i]));
        }
        json_print(json_node_of_array(array));
        return EXIT_DONE;
}

static JsonObject *status_json(GVariant *objects, const char *path)
{
        g_autoptr(GVariant) b = dict_object(objects, path, "Battery");
        g_autoptr(GPtrArray) replicants = paths_below(objects, path, "Replicant");
        JsonObject *o = json_of_properties(b, path);
        JsonArray *array = json_array_new();
        for (guint i = 0; i < replicants->len; i++) {
                g_autoptr(GVariant) r = dict_object(objects, replicants->pdata[i], "Replicant");
                json_array_add_object_element(array, json_of_properties(r, replicants->pdata[i]));
        }
        json_object_set_array_member(o, "Replicants", array);
        return o;
}

static void status_update(Nyota *n, GVariant *objects, GVariant *battery)
{
        g_autoptr(GVariant) u = dict_object(objects, dict_string(battery, "CurrentUpdate"), "Update");
        guint done = 0, all = 0;
        if (!u)
                return;
        g_autoptr(GVariant) progress = dict_value(u, "Progress", "(uu)");
        if (progress)
                g_variant_get(progress, "(uu)", &done, &all);
        const char *reason = dict_string(u, "Reason");
        show_line(n->show, tone_of_state(dict_string(u, "State")),
                  "  update %s: %s -> %s, %s, %s, %u of %u steps%s%s", current_update(battery),
                  show_version(dict_string(u, "FromVersion")), show_version(dict_string(u, "ToVersion")),
                  dict_string(u, "Strategy"), dict_string(u, "State"), done, all, *reason ? ": " : "",
                  reason);
}

static void status_replicants(Nyota *n, GVariant *objects, const char *path)
{
        static const Column columns[] = {
                {"  REPLICANT", COLUMN_NUMBER}, {"STATE", COLUMN_STATE}, {"ROLE", COLUMN_TEXT},
                {"VERSION", COLUMN_TEXT},       {"PID", COLUMN_NUMBER},  {"IN FLIGHT", COLUMN_NUMBER},
                {"HEALTH", COLUMN_HEALTH},      {NULL, COLUMN_TEXT},
        };
        g_autoptr(GPtrArray) replicants = paths_below(objects, path, "Replicant");
        g_autoptr(Table) table = table_new(columns);
        for (guint i = 0; i < replicants->len; i++) {
                g_autoptr(GVariant) r = dict_object(objects, replicants->pdata[i], "Replicant");
                g_autofree char *id = number_text(r, "Id");
                g_autofree char *pid = dict_number(r, "MainPID") ? number_text(r, "MainPID") : NULL;
                g_autofree char *flight = dict_has(r, "InFlight") ? number_text(r, "InFlight") : NULL;
                table_add(table, id, dict_string(r, "State"), dict_string(r, "Role"),
                          dict_string(r, "Version"), pid, flight, dict_string(r, "Health"));
        }
        if (replicants->len > 0)
                table_print(table, n->show);
}

static void status_text(Nyota *n, GVariant *objects, const char *path)
{
        g_autoptr(GVariant) b = dict_object(objects, path, "Battery");
        const char *reason = dict_string(b, "Reason");
        show_line(n->show, tone_of_state(dict_string(b, "State")),
                  "%s: %s, version %s, %u of %u active, floor %u%s%s", dict_string(b, "Name"),
                  dict_string(b, "State"), *dict_string(b, "Version") ? dict_string(b, "Version") : "-",
                  (guint)dict_number(b, "Active"), (guint)dict_number(b, "Desired"),
                  (guint)dict_number(b, "Floor"), *reason ? ": " : "", reason);
        status_update(n, objects, b);
        status_replicants(n, objects, path);
}

static ExitCode status_one(Nyota *n, GVariant *objects, const char *name)
{
        GError *error = NULL;
        g_autofree char *path = nyota_battery_path(name, &error);
        g_autoptr(GVariant) b = path ? dict_object(objects, path, "Battery") : NULL;
        if (!path)
                return nyota_fail(error);
        if (!b)
                return nyota_fail(
                        g_error_new(CLIENT_ERROR, EXIT_FAILED,
                                    "there is no battery '%s'\n  `nyota list` shows those there are; "
                                    "`nyota check %s` reads its file",
                                    name, name));
        if (n->json)
                json_print(json_node_of_object(status_json(objects, path)));
        else
                status_text(n, objects, path);
        return EXIT_DONE;
}

static ExitCode run_status(Nyota *n, const Args *args)
{
        GError *error = NULL;
        Client *client = nyota_client(n, &error);
        g_autoptr(GVariant) objects = client ? client_objects(client, &error) : NULL;
        if (!objects)
                return nyota_fail(error);
        if (args_word(args, 0))
                return status_one(n, objects, args_word(args, 0));
        g_autoptr(GPtrArray) paths = paths_below(objects, NYOTA_CHANNEL, "Battery");
        JsonArray *array = json_array_new();
        for (guint i = 0; i < paths->len; i++) {
                if (n->json)
                        json_array_add_object_element(array, status_json(objects, paths->pdata[i]));
                else
                        status_text(n, objects, paths->pdata[i]);
        }
        JsonNode *node = json_node_of_array(array);
        if (n->json)
                json_print(node);
        else
                json_node_unref(node);
        return EXIT_DONE;
}

const Command commands_see[] = {
        {"list", "", "the batteries, one a line", NULL, NULL, 0, 0, ARGS_MIXED, run_list},
        {"status", "[BATTERY]", "batteries with their replicants and running updates", NULL, NULL, 0, 1,
         ARGS_MIXED, run_status},
        {NULL},
};
