/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The description of a package as a value: its life, its rules, its way back to XML. Pure. Reading XML is
 * package-xml.c's. */
#include "store/package-info.h"

#include <string.h>

G_DEFINE_QUARK(kantan - package - error, package_error)

const char *const package_file_type_words[PACKAGE_FILE_TYPES] = {"program", "data", "config", "symlink"};

gboolean package_bad(GError **error, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        g_autofree char *text = g_strdup_vprintf(format, args);
        va_end(args);
        g_set_error_literal(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD, text);
        return FALSE;
}

void package_file_free(PackageFile *f)
{
        if (!f)
                return;
        g_free(f->name);
        g_free(f->sha256);
        g_free(f->target);
        g_free(f);
}

PackageInfo *package_info_new(void)
{
        PackageInfo *p = g_atomic_rc_box_new0(PackageInfo);
        p->batteries = g_new0(char *, 1);
        p->files = g_ptr_array_new_with_free_func((GDestroyNotify)package_file_free);
        return p;
}

static void info_clear(gpointer data)
{
        PackageInfo *p = data;
        g_free(p->name);
        g_free(p->uuid);
        g_free(p->title);
        g_free(p->version);
        g_free(p->description);
        g_free(p->compatibility);
        g_strfreev(p->batteries);
        g_ptr_array_unref(p->files);
}

PackageInfo *package_info_ref(PackageInfo *p)
{
        return g_atomic_rc_box_acquire(p);
}

void package_info_unref(PackageInfo *p)
{
        if (p)
                g_atomic_rc_box_release_full(p, info_clear);
}

gboolean package_name_valid(const char *name)
{
        if (!name || !(g_ascii_islower(name[0]) || g_ascii_isdigit(name[0])))
                return FALSE;
        const char *allowed = G_CSET_a_2_z G_CSET_DIGITS ".+-";
        return strlen(name) <= PACKAGE_NAME_MAX && name[strspn(name, allowed)] == '\0';
}

gboolean package_version_valid(const char *version)
{
        /* Nine digits fit an int wherever versions are compared. */
        return version && g_regex_match_simple("\\A[0-9]{1,9}(\\.[0-9]{1,9}){0,3}\\z", version, 0, 0);
}

static gboolean text_clean(const char *text)
{
        if (!g_utf8_validate(text, -1, NULL))
                return FALSE;
        for (const char *p = text; *p; p = g_utf8_next_char(p))
                if (g_unichar_iscntrl(g_utf8_get_char(p)))
                        return FALSE;
        return TRUE;
}

gboolean package_path_valid(const char *path)
{
        gsize length = strlen(path);
        if (length == 0 || length > PACKAGE_PATH_MAX || strchr(path, '\\') || !text_clean(path))
                return FALSE;
        g_auto(GStrv) parts = g_strsplit(path, "/", PACKAGE_DEPTH_MAX + 1);
        if (g_strv_length(parts) > PACKAGE_DEPTH_MAX)
                return FALSE;
        for (char **part = parts; *part; part++)
                if (!**part || strlen(*part) > PACKAGE_PART_MAX || g_str_equal(*part, ".") ||
                    g_str_equal(*part, ".."))
                        return FALSE;
        return TRUE;
}

gboolean package_info_matches_file_name(const PackageInfo *info, const char *file_name)
{
        g_autofree char *expected = g_strdup_printf("%s_%s.kantan", info->name, info->version);
        return g_str_equal(file_name, expected);
}

/* The first part of PATH (itself excluded) that is one of NAMES: a file or symlink used as a directory. */
static const PackageFile *file_above(GHashTable *names, const char *path)
{
        g_autofree char *prefix = g_strdup(path);
        for (char *slash = strchr(prefix, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                const PackageFile *above = g_hash_table_lookup(names, prefix);
                if (above)
                        return above;
                *slash = '/';
        }
        return NULL;
}

/* Walks TARGET from the directory of LINK. Because no step may pass through another symlink, the walk on
 * paper and the walk on disk are the same, and ".." cannot lead further than it seems to. */
static gboolean check_symlink(GHashTable *names, const PackageFile *link, GError **error)
{
        g_auto(GStrv) parts = g_strsplit(link->target, "/", PACKAGE_PATH_MAX);
        g_autoptr(GString) at = g_string_new(link->name);
        const char *slash = strrchr(at->str, '/');
        g_string_truncate(at, slash ? (gsize)(slash - at->str) : 0);

        for (char **part = parts; *part; part++) {
                const PackageFile *here = at->len > 0 ? g_hash_table_lookup(names, at->str) : NULL;
                if (here)
                        return package_bad(error, "%s: the symlink leads through %s, which is no directory",
                                           link->name, here->name);
                if (!g_str_equal(*part, "..")) {
                        g_string_append_printf(at, "%s%s", at->len > 0 ? "/" : "", *part);
                        continue;
                }
                if (at->len == 0)
                        return package_bad(error, "%s: the symlink leads out of the package", link->name);
                slash = strrchr(at->str, '/');
                g_string_truncate(at, slash ? (gsize)(slash - at->str) : 0);
        }
        return TRUE;
}

gboolean package_info_check_files(const PackageInfo *info, GError **error)
{
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
        guint64 total = 0;
        for (guint i = 0; i < info->files->len; i++) {
                PackageFile *f = info->files->pdata[i];
                if (!g_hash_table_insert(names, f->name, f))
                        return package_bad(error, "%s: listed twice", f->name);
                total += f->size; /* at most entries x file limit: no overflow */
        }
        if (total > PACKAGE_BYTES_MAX)
                return package_bad(error, "the files need more than %u GiB",
                                   (guint)(PACKAGE_BYTES_MAX >> 30));

        for (guint i = 0; i < info->files->len; i++) {
                const PackageFile *f = info->files->pdata[i], *above = file_above(names, f->name);
                if (above)
                        return package_bad(error, "%s: lies below %s, which is no directory", f->name,
                                           above->name);
                if (f->type == PACKAGE_SYMLINK && !check_symlink(names, f, error))
                        return FALSE;
        }
        return TRUE;
}

static void append_element(GString *xml, const char *element, const char *text)
{
        g_autofree char *line = g_markup_printf_escaped("  <%s>%s</%s>\n", element, text, element);
        g_string_append(xml, line);
}

static void append_file(GString *xml, const PackageFile *f)
{
        g_autofree char *head = g_markup_printf_escaped("    <file type=\"%s\" name=\"%s\"",
                                                        package_file_type_words[f->type], f->name);
        g_string_append(xml, head);
        if (f->type == PACKAGE_SYMLINK) {
                g_autofree char *tail = g_markup_printf_escaped(" target=\"%s\"/>\n", f->target);
                g_string_append(xml, tail);
        } else {
                g_string_append_printf(xml, " mode=\"%04o\" size=\"%" G_GUINT64_FORMAT "\" sha256=\"%s\"/>\n",
                                       f->mode, f->size, f->sha256);
        }
}

char *package_info_to_xml(const PackageInfo *p)
{
        GString *xml = g_string_new("<package-info xmlns=\"" PACKAGE_INFO_NAMESPACE "\"");
        g_autofree char *name = g_markup_printf_escaped(" name=\"%s\"", p->name);
        g_string_append(xml, name);
        if (p->uuid)
                g_string_append_printf(xml, " uuid=\"%s\"", p->uuid);
        g_string_append(xml, ">\n");
        if (p->title)
                append_element(xml, "title", p->title);
        append_element(xml, "version", p->version);
        append_element(xml, "compatibility", p->compatibility);
        if (p->description)
                append_element(xml, "description", p->description);
        if (p->batteries[0]) {
                g_string_append(xml, "  <batteries>");
                for (char **b = p->batteries; *b; b++)
                        g_string_append_printf(xml, "<battery name=\"%s\"/>", *b);
                g_string_append(xml, "</batteries>\n");
        }
        g_string_append(xml, "  <files>\n");
        for (guint i = 0; i < p->files->len; i++)
                append_file(xml, p->files->pdata[i]);
        g_string_append(xml, "  </files>\n</package-info>\n");
        return g_string_free(xml, FALSE);
}
