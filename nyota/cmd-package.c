/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* package make, show, verify: works without the service. */
#include "nyota/commands.h"
#include "nyota/json.h"
#include "store/package.h"

#include <unistd.h>

/* FILE_NAME is compared with name and version inside when STRICT names it. */
static PackageInfo *read_package(const char *path, const char *file_name, GError **error)
{
        int fd = package_open(path, error);
        if (fd < 0)
                return NULL;
        PackageInfo *info = package_read(fd, file_name, NULL, NULL, error);
        close(fd);
        return info;
}

static ExitCode run_make(Nyota *n, const Args *args)
{
        GError *error = NULL;
        g_autofree char *path = package_make(args_word(args, 0), args_get(args, "output"), &error);
        if (!path)
                return nyota_fail(error);
        if (n->json) {
                JsonObject *o = json_object_new();
                json_object_set_string_member(o, "path", path);
                json_print(json_node_of_object(o));
        } else {
                show_line(n->show, TONE_PLAIN, "%s", path);
        }
        return EXIT_DONE;
}

static const char *type_word(PackageFileType type)
{
        switch (type) {
        case PACKAGE_PROGRAM:
                return "program";
        case PACKAGE_DATA:
                return "data";
        case PACKAGE_CONFIG:
                return "config";
        case PACKAGE_SYMLINK:
                return "symlink";
        }
        g_assert_not_reached();
}

static JsonObject *file_json(const PackageFile *f)
{
        JsonObject *o = json_object_new();
        json_object_set_string_member(o, "type", type_word(f->type));
        json_object_set_string_member(o, "name", f->name);
        if (f->type == PACKAGE_SYMLINK) {
                json_object_set_string_member(o, "target", f->target);
                return o;
        }
        g_autofree char *mode = g_strdup_printf("%04o", f->mode);
        json_object_set_string_member(o, "mode", mode);
        json_object_set_int_member(o, "size", (gint64)f->size);
        json_object_set_string_member(o, "sha256", f->sha256);
        return o;
}

static JsonObject *info_json(const PackageInfo *info)
{
        JsonObject *o = json_object_new();
        JsonArray *batteries = json_array_new(), *files = json_array_new();
        for (char **b = info->batteries; *b; b++)
                json_array_add_string_element(batteries, *b);
        for (guint i = 0; i < info->files->len; i++)
                json_array_add_object_element(files, file_json(info->files->pdata[i]));
        json_object_set_string_member(o, "name", info->name);
        json_object_set_string_member(o, "version", info->version);
        json_object_set_string_member(o, "compatibility", info->compatibility);
        json_object_set_string_member(o, "uuid", info->uuid);
        json_object_set_string_member(o, "title", info->title);
        json_object_set_string_member(o, "description", info->description);
        json_object_set_array_member(o, "batteries", batteries);
        json_object_set_array_member(o, "files", files);
        return o;
}

static void show_files(Show *show, const PackageInfo *info)
{
        static const Column columns[] = {
                {"  MODE", COLUMN_TEXT}, {"SIZE", COLUMN_NUMBER}, {"TYPE", COLUMN_TEXT},
                {"NAME", COLUMN_TEXT},   {NULL, COLUMN_TEXT},
        };
        g_autoptr(Table) table = table_new(columns);
        for (guint i = 0; i < info->files->len; i++) {
                const PackageFile *f = info->files->pdata[i];
                gboolean link = f->type == PACKAGE_SYMLINK;
                g_autofree char *mode = link ? NULL : g_strdup_printf("  %04o", f->mode);
                g_autofree char *size = link ? NULL : show_bytes(f->size);
                g_autofree char *name =
                        link ? g_strdup_printf("%s -> %s", f->name, f->target) : g_strdup(f->name);
                table_add(table, link ? "  -" : mode, size, type_word(f->type), name);
        }
        table_print(table, show);
}

static ExitCode run_show(Nyota *n, const Args *args)
{
        GError *error = NULL;
        g_autoptr(PackageInfo) info = read_package(args_word(args, 0), NULL, &error);
        if (!info)
                return nyota_fail(error);
        if (n->json) {
                json_print(json_node_of_object(info_json(info)));
                return EXIT_DONE;
        }
        g_autofree char *batteries = g_strjoinv(", ", info->batteries);
        show_line(n->show, TONE_STRONG, "%s %s%s%s", info->name, info->version, info->title ? ": " : "",
                  info->title ? info->title : "");
        if (info->description && *info->description)
                show_line(n->show, TONE_PLAIN, "  %s", info->description);
        show_line(n->show, TONE_PLAIN, "  compatibility %s, batteries: %s", info->compatibility,
                  *batteries ? batteries : "none");
        show_files(n->show, info);
        return EXIT_DONE;
}

static ExitCode run_verify(Nyota *n, const Args *args)
{
        GError *error = NULL;
        g_autofree char *name = g_path_get_basename(args_word(args, 0));
        g_autoptr(PackageInfo) info = read_package(args_word(args, 0), name, &error);
        if (!info)
                return nyota_fail(error);
        if (n->json) {
                JsonObject *o = json_object_new();
                json_object_set_string_member(o, "path", args_word(args, 0));
                json_object_set_string_member(o, "name", info->name);
                json_object_set_string_member(o, "version", info->version);
                json_print(json_node_of_object(o));
        } else {
                show_line(n->show, TONE_GOOD, "%s: %s %s is whole, %u files", args_word(args, 0), info->name,
                          info->version, info->files->len);
        }
        return EXIT_DONE;
}

static const OptionSpec options_make[] = {
        {"output", 'o', "FILE", "where to write it; default: NAME_VERSION.kantan here"},
        {NULL},
};

const Command commands_package[] = {
        {"package make", "DIR [-o FILE]", "make a package of a directory with a package-info.xml",
         "<files> may be left out of package-info.xml: it is filled in from what lies in the directory.",
         options_make, 1, 1, ARGS_MIXED, run_make},
        {"package show", "FILE", "say what is in a package", NULL, NULL, 1, 1, ARGS_MIXED, run_show},
        {"package verify", "FILE", "check a package completely: name, sizes, hashes, paths", NULL, NULL, 1, 1,
         ARGS_MIXED, run_verify},
        {NULL},
};
