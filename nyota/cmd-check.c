/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check: reads battery files as the service would, without it. */
#include "base/paths.h"
#include "nyota/commands.h"
#include "nyota/json.h"
#include "policy/battery-file.h"

static void problem_free_it(gpointer p)
{
        problem_free(p);
}

/* Without a controller replicant N owns BUSNAME.rN: hence the prefix. */
static char *bus_policy(const BatteryConfig *c)
{
        return g_strdup_printf(
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                "  \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                "<busconfig>\n"
                "  <policy user=\"%s\">\n"
                "    <allow own_prefix=\"%s\"/>\n"
                "  </policy>\n"
                "  <policy context=\"default\">\n"
                "    <allow send_destination_prefix=\"%s\"/>\n"
                "  </policy>\n"
                "</busconfig>",
                c->user ? c->user : "root", c->bus_name, c->bus_name);
}

static void add_problem(GPtrArray *problems, ProblemLevel level, const char *file, char *text)
{
        Problem *p = g_new0(Problem, 1);
        *p = (Problem){level, g_strdup(file), 0, text};
        g_ptr_array_add(problems, p);
}

/* What one file alone cannot know: whether the batteries that it names exist. */
static void check_names(const BatteryConfig *c, const char *key, char *const *names, const char *const *known,
                        GPtrArray *problems)
{
        for (; *names; names++)
                if (!g_strv_contains(known, *names))
                        add_problem(problems, PROBLEM_WARNING, c->name,
                                    g_strdup_printf("%s= names battery '%s', of which there is no file", key,
                                                    *names));
}

static BatteryConfig *check_one(const Paths *paths, const char *name, const char *const *known,
                                GPtrArray *problems)
{
        BatteryConfig *c = battery_file_load(paths->vendor, paths->config, name, problems);
        if (!c)
                return NULL;
        check_names(c, "After", c->after, known, problems);
        check_names(c, "Requires", c->requires, known, problems);
        return c;
}

static gboolean has_error(const GPtrArray *problems)
{
        for (guint i = 0; i < problems->len; i++)
                if (((Problem *)problems->pdata[i])->level == PROBLEM_ERROR)
                        return TRUE;
        return FALSE;
}

static void print_json(const GPtrArray *problems, const char *policy)
{
        JsonObject *o = json_object_new();
        JsonArray *array = json_array_new();
        for (guint i = 0; i < problems->len; i++) {
                const Problem *p = problems->pdata[i];
                JsonObject *one = json_object_new();
                json_object_set_string_member(one, "level", p->level == PROBLEM_ERROR ? "error" : "warning");
                json_object_set_string_member(one, "file", p->file);
                json_object_set_int_member(one, "line", p->line);
                json_object_set_string_member(one, "text", p->text);
                json_array_add_object_element(array, one);
        }
        json_object_set_array_member(o, "problems", array);
        if (policy)
                json_object_set_string_member(o, "bus_policy", policy);
        json_print(json_node_of_object(o));
}

static void print_text(Nyota *n, const GPtrArray *problems, guint checked)
{
        for (guint i = 0; i < problems->len; i++) {
                const Problem *p = problems->pdata[i];
                g_autofree char *text = problem_to_string(p);
                show_line(n->show, p->level == PROBLEM_ERROR ? TONE_BAD : TONE_BUSY, "%s", text);
        }
        if (problems->len == 0)
                show_line(n->show, TONE_GOOD, "%u %s checked, no problems", checked,
                          checked == 1 ? "battery" : "batteries");
}

static void print_policy(Nyota *n, const BatteryConfig *c, const char *policy)
{
        g_auto(GStrv) lines = g_strsplit(policy, "\n", -1);
        show_line(
                n->show, TONE_PLAIN,
                "To own %s on the system bus, its package ships this as /usr/share/dbus-1/system.d/%s.conf:",
                c->bus_name, c->bus_name);
        for (char **line = lines; *line; line++)
                show_line(n->show, TONE_PLAIN, "%s", *line);
}

static ExitCode check_named(Nyota *n, const Paths *paths, const char *name, const char *const *known,
                            GPtrArray *problems)
{
        g_autoptr(BatteryConfig) c = NULL;
        g_autofree char *policy = NULL;
        if (!battery_name_valid(name))
                return nyota_usage("'%s' is no battery name: a small letter, then small letters, digits, '_'",
                                   name);
        if (!g_strv_contains(known, name))
                add_problem(problems, PROBLEM_ERROR, name,
                            g_strdup_printf("no %s.battery in %s/batteries or %s/batteries", name,
                                            paths->config, paths->vendor));
        else
                c = check_one(paths, name, known, problems);
        if (c && c->bus_name)
                policy = bus_policy(c);
        if (n->json) {
                print_json(problems, policy);
        } else {
                print_text(n, problems, 1);
                if (policy)
                        print_policy(n, c, policy);
        }
        return has_error(problems) ? EXIT_FAILED : EXIT_DONE;
}

static ExitCode run_check(Nyota *n, const Args *args)
{
        g_autoptr(Paths) paths = paths_new(n->config, n->state);
        g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(problem_free_it);
        g_auto(GStrv) names = battery_files_list(paths->vendor, paths->config, problems);
        const char *const *known = (const char *const *)names;
        if (args_word(args, 0))
                return check_named(n, paths, args_word(args, 0), known, problems);
        for (char **name = names; *name; name++)
                battery_config_free(check_one(paths, *name, known, problems));
        if (n->json)
                print_json(problems, NULL);
        else
                print_text(n, problems, g_strv_length(names));
        return has_error(problems) ? EXIT_FAILED : EXIT_DONE;
}

const Command commands_check[] = {
        {"check", "[BATTERY]", "read battery files and say what is wrong with them",
         "Works without the service. With a battery's name it also prints the bus policy that the battery's "
         "package "
         "must ship. Exits with 1 if there are errors.",
         NULL, 0, 1, ARGS_MIXED, run_check},
        {NULL},
};
