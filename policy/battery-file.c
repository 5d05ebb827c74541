/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a battery's files, reading them in the order of their precedence, listing batteries. */
#include "policy/battery-file.h"

#include "base/keyfile.h"
#include "policy/battery-keys.h"

#include <string.h>

#define BATTERY_SUFFIX ".battery"
#define DROPIN_SUFFIX ".conf"

/* ---- one battery ---- */

typedef struct Layers {
        GPtrArray *files;   /* of Keyfile */
        GPtrArray *entries; /* of KeyfileEntry, theirs */
        ProblemSink sink;
} Layers;

static void layers_init(Layers *l, GPtrArray *problems)
{
        *l = (Layers){
                .files = g_ptr_array_new_with_free_func((GDestroyNotify)keyfile_free),
                .entries = g_ptr_array_new(),
                .sink = {.problems = problems},
        };
}

static void layers_clear(Layers *l)
{
        g_ptr_array_unref(l->entries);
        g_ptr_array_unref(l->files);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Layers, layers_clear)

/* Takes K. */
static void layers_add(Layers *l, Keyfile *k)
{
        g_ptr_array_add(l->files, k);
        for (gsize i = 0; i < k->entries->len; i++)
                g_ptr_array_add(l->entries, g_ptr_array_index(k->entries, i));
}

static BatteryConfig *layers_finish(Layers *l, const char *name, const char *main_file)
{
        if (l->sink.count[PROBLEM_ERROR] > 0)
                return NULL;
        g_autoptr(BatteryConfig) c = battery_keys_read(name, main_file, l->entries, &l->sink);
        return l->sink.count[PROBLEM_ERROR] > 0 ? NULL : g_steal_pointer(&c);
}

static gboolean check_name(Layers *l, const char *name, const char *file)
{
        if (battery_name_valid(name))
                return TRUE;
        problem_report(&l->sink, PROBLEM_ERROR, file, 0,
                       "expected a battery's name ([a-z][a-z0-9_]{0,47}) before .battery");
        return FALSE;
}

BatteryConfig *battery_file_parse(const char *name, const BatteryLayer *layers, gsize n_layers,
                                  GPtrArray *problems)
{
        g_auto(Layers) l;
        layers_init(&l, problems);
        g_assert(n_layers > 0);
        check_name(&l, name, layers[0].file);
        for (gsize i = 0; i < n_layers; i++) {
                guint line;
                g_autoptr(GError) error = NULL;
                Keyfile *k = keyfile_parse(layers[i].file, layers[i].bytes, layers[i].length, &line, &error);
                if (k)
                        layers_add(&l, k);
                else
                        problem_report(&l.sink, PROBLEM_ERROR, layers[i].file, line, "%s", error->message);
        }
        return layers_finish(&l, name, layers[0].file);
}

/* ---- from disk ---- */

typedef enum Presence { MUST_EXIST, MAY_BE_MISSING } Presence;

/* TRUE if there is such a file, good or bad. */
static gboolean load_layer(Layers *l, const char *path, Presence presence)
{
        guint line;
        g_autoptr(GError) error = NULL;
        Keyfile *k = keyfile_load(path, &line, &error);
        if (k)
                layers_add(l, k);
        else if (presence == MAY_BE_MISSING && g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                return FALSE;
        else
                problem_report(&l->sink, PROBLEM_ERROR, path, line, "%s", error->message);
        return TRUE;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in directory PATH that end in SUFFIX, in byte order, hidden files left out; a directory that
 * does not exist has none. */
static GPtrArray *list_dir(const char *path, const char *suffix, ProblemSink *sink)
{
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
        const char *name;
        if (!dir && !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                problem_report(sink, PROBLEM_ERROR, path, 0, "%s", error->message);
        while (dir && (name = g_dir_read_name(dir)))
                if (*name != '.' && g_str_has_suffix(name, suffix))
                        g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_sort(names, compare_names);
        return names;
}

static void load_dropins(Layers *l, const char *battery_path)
{
        g_autofree char *dir = g_strconcat(battery_path, ".d", NULL);
        g_autoptr(GPtrArray) names = list_dir(dir, DROPIN_SUFFIX, &l->sink);
        if (names->len > BATTERY_DROPINS_MAX) {
                problem_report(&l->sink, PROBLEM_ERROR, dir, 0, "expected at most %d drop-ins",
                               BATTERY_DROPINS_MAX);
                return;
        }
        for (gsize i = 0; i < names->len; i++) {
                g_autofree char *path = g_build_filename(dir, g_ptr_array_index(names, i), NULL);
                load_layer(l, path, MUST_EXIST);
        }
}

BatteryConfig *battery_file_load(const char *vendor_dir, const char *config_dir, const char *name,
                                 GPtrArray *problems)
{
        g_auto(Layers) l;
        g_autofree char *file = g_strconcat(name, BATTERY_SUFFIX, NULL);
        g_autofree char *vendor = g_build_filename(vendor_dir, "batteries", file, NULL);
        g_autofree char *config = g_build_filename(config_dir, "batteries", file, NULL);
        layers_init(&l, problems);
        if (!check_name(&l, name, config)) /* it may hold '/': nothing is opened */
                return NULL;
        gboolean in_vendor = load_layer(&l, vendor, MAY_BE_MISSING);
        load_dropins(&l, vendor);
        gboolean in_config = load_layer(&l, config, MAY_BE_MISSING);
        load_dropins(&l, config);
        if (!in_vendor && !in_config)
                problem_report(&l.sink, PROBLEM_ERROR, config, 0, "expected this file or %s", vendor);
        return layers_finish(&l, name, in_config ? config : vendor);
}

/* ---- all batteries ---- */

/* Adds to NAMES (a set) the batteries of DIR. */
static void list_batteries(const char *dir, GHashTable *names, ProblemSink *sink)
{
        g_autofree char *path = g_build_filename(dir, "batteries", NULL);
        g_autoptr(GPtrArray) files = list_dir(path, BATTERY_SUFFIX, sink);
        for (gsize i = 0; i < files->len; i++) {
                const char *file = g_ptr_array_index(files, i);
                g_autofree char *name = g_strndup(file, strlen(file) - strlen(BATTERY_SUFFIX));
                g_autofree char *full = g_build_filename(path, file, NULL);
                if (!battery_name_valid(name))
                        problem_report(
                                sink, PROBLEM_WARNING, full, 0,
                                "expected a battery's name ([a-z][a-z0-9_]{0,47}) before .battery, ignored");
                else if (g_hash_table_size(names) < BATTERY_FILES_MAX)
                        g_hash_table_add(names, g_steal_pointer(&name));
                else if (!g_hash_table_contains(names, name))
                        problem_report(sink, PROBLEM_ERROR, full, 0, "expected at most %d batteries, ignored",
                                       BATTERY_FILES_MAX);
        }
}

char **battery_files_list(const char *vendor_dir, const char *config_dir, GPtrArray *problems)
{
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GPtrArray) sorted = g_ptr_array_new();
        ProblemSink sink = {.problems = problems};
        GHashTableIter iter;
        gpointer name;
        list_batteries(vendor_dir, names, &sink);
        list_batteries(config_dir, names, &sink);
        g_hash_table_iter_init(&iter, names);
        while (g_hash_table_iter_next(&iter, &name, NULL))
                g_ptr_array_add(sorted, g_strdup(name));
        g_ptr_array_sort(sorted, compare_names);
        g_ptr_array_add(sorted, NULL);
        return (char **)g_ptr_array_steal(sorted, NULL);
}
