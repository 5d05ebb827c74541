/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* package-info.xml -> PackageInfo. The XML is hostile: a table says which element may stand where with
 * which attributes, everything else is refused at its first byte; no DOCTYPE, no entities but XML's five
 * (GMarkup knows no others), no processing instructions. Errors name lines, never content. */
#include "store/package-info.h"

#include <string.h>

#include "orchestrator/model/battery-config.h"

typedef enum Element {
        EL_ROOT,
        EL_TITLE,
        EL_VERSION,
        EL_COMPATIBILITY,
        EL_DESCRIPTION,
        EL_BATTERIES,
        EL_BATTERY,
        EL_FILES,
        EL_FILE,
        EL_MAX,
        EL_NONE = -1, /* outside of the root */
} Element;

#define ATTRIBUTES_MAX 6
typedef enum Repeat { ONCE, MANY } Repeat;

static const struct {
        const char *name;
        Element parent;
        Repeat repeat;
        gsize text_max; /* 0: no text, only white space */
        const char *attributes[ATTRIBUTES_MAX];
} elements[EL_MAX] = {
        [EL_ROOT] = {"package-info", EL_NONE, ONCE, 0, {"xmlns", "name", "uuid"}},
        [EL_TITLE] = {"title", EL_ROOT, ONCE, PACKAGE_LINE_MAX, {NULL}},
        [EL_VERSION] = {"version", EL_ROOT, ONCE, PACKAGE_LINE_MAX, {NULL}},
        [EL_COMPATIBILITY] = {"compatibility", EL_ROOT, ONCE, PACKAGE_LINE_MAX, {NULL}},
        [EL_DESCRIPTION] = {"description", EL_ROOT, ONCE, PACKAGE_TEXT_MAX, {NULL}},
        [EL_BATTERIES] = {"batteries", EL_ROOT, ONCE, 0, {NULL}},
        [EL_BATTERY] = {"battery", EL_BATTERIES, MANY, 0, {"name"}},
        [EL_FILES] = {"files", EL_ROOT, ONCE, 0, {NULL}},
        [EL_FILE] = {"file", EL_FILES, MANY, 0, {"type", "name", "mode", "size", "sha256", "target"}},
};

typedef struct Parse {
        PackageInfo *info;
        GPtrArray *batteries;
        Element at;
        gboolean seen[EL_MAX];
        GString *text; /* of the element that we are in */
} Parse;

static Element element_find(const char *name, Element parent)
{
        for (int e = 0; e < EL_MAX; e++)
                if (elements[e].parent == parent && g_str_equal(elements[e].name, name))
                        return (Element)e;
        return EL_NONE;
}

/* Puts each value at its attribute's place in the table; what the table does not know is refused. */
static gboolean collect_attributes(Element e, const char **names, const char **values, const char **ret,
                                   GError **error)
{
        for (guint i = 0; names[i]; i++) {
                guint a = 0;
                while (a < ATTRIBUTES_MAX && elements[e].attributes[a] &&
                       !g_str_equal(elements[e].attributes[a], names[i]))
                        a++;
                if (a == ATTRIBUTES_MAX || !elements[e].attributes[a])
                        return package_bad(error, "<%s> has an unknown attribute", elements[e].name);
                if (ret[a])
                        return package_bad(error, "<%s> has %s twice", elements[e].name,
                                           elements[e].attributes[a]);
                ret[a] = values[i];
        }
        return TRUE;
}

static gboolean begin_root(Parse *p, const char *const *a, GError **error)
{
        if (g_strcmp0(a[0], PACKAGE_INFO_NAMESPACE) != 0)
                return package_bad(error, "<package-info> needs xmlns=\"" PACKAGE_INFO_NAMESPACE "\"");
        if (!a[1] || !package_name_valid(a[1]))
                return package_bad(error, "<package-info> needs a name of [a-z0-9][a-z0-9.+-]*, at most %u",
                                   PACKAGE_NAME_MAX);
        if (a[2] && !g_uuid_string_is_valid(a[2]))
                return package_bad(error, "uuid is none");
        p->info->name = g_strdup(a[1]);
        p->info->uuid = g_strdup(a[2]);
        return TRUE;
}

static gboolean begin_battery(Parse *p, const char *const *a, GError **error)
{
        if (!a[0] || !battery_name_valid(a[0]))
                return package_bad(error, "<battery> needs a name of [a-z][a-z0-9_]*, at most 48");
        if (p->batteries->len >= PACKAGE_BATTERIES_MAX)
                return package_bad(error, "more than %u batteries", PACKAGE_BATTERIES_MAX);
        g_ptr_array_add(p->batteries, g_strdup(a[0]));
        return TRUE;
}

static gboolean is_sha256(const char *hex)
{
        return strlen(hex) == 64 && strspn(hex, "0123456789abcdefABCDEF") == 64;
}

static gboolean fill_symlink(PackageFile *f, const char *const *a, GError **error)
{
        const char *target = a[5];
        if (a[3] || a[4])
                return package_bad(error, "%s: a symlink has no size and no sha256", f->name);
        if (!target || !*target || strlen(target) > PACKAGE_PATH_MAX)
                return package_bad(error, "%s: a symlink needs a target of at most %u bytes", f->name,
                                   PACKAGE_PATH_MAX);
        if (target[0] == '/')
                return package_bad(error, "%s: the symlink's target is absolute", f->name);
        /* Without its ".." parts the target is a clean path, or nothing at all. */
        g_auto(GStrv) parts = g_strsplit(target, "/", -1);
        g_autoptr(GString) rest = g_string_new(NULL);
        for (char **part = parts; *part; part++)
                if (!g_str_equal(*part, ".."))
                        g_string_append_printf(rest, "%s%s", rest->len > 0 ? "/" : "", *part);
        if ((rest->len > 0 && !package_path_valid(rest->str)) || g_strv_length(parts) > PACKAGE_DEPTH_MAX)
                return package_bad(error, "%s: the symlink's target is no clean path", f->name);
        f->mode = 0777;
        f->target = g_strdup(target);
        return TRUE;
}

static gboolean fill_regular(PackageFile *f, const char *const *a, GError **error)
{
        guint64 mode = 0;
        if (a[5])
                return package_bad(error, "%s: only a symlink has a target", f->name);
        if (!a[2] || strlen(a[2]) > 4 || strspn(a[2], "01234567") != strlen(a[2]) || !*a[2])
                return package_bad(error, "%s: needs a mode such as 0644", f->name);
        mode = g_ascii_strtoull(a[2], NULL, 8);
        if (mode & 07000)
                return package_bad(error, "%s: setuid, setgid and sticky are not allowed", f->name);
        if (!a[3] || !g_ascii_string_to_unsigned(a[3], 10, 0, PACKAGE_FILE_BYTES_MAX, &f->size, NULL))
                return package_bad(error, "%s: needs a size in bytes, at most %u GiB", f->name,
                                   (guint)(PACKAGE_FILE_BYTES_MAX >> 30));
        if (!a[4] || !is_sha256(a[4]))
                return package_bad(error, "%s: needs a sha256 of 64 hexadecimal digits", f->name);
        f->mode = (guint)mode;
        f->sha256 = g_ascii_strdown(a[4], -1);
        return TRUE;
}

static gboolean begin_file(Parse *p, const char *const *a, GError **error)
{
        g_autoptr(PackageFile) f = g_new0(PackageFile, 1);
        int type = strtab_find(package_file_type_words, PACKAGE_FILE_TYPES, a[0]);
        if (type < 0)
                return package_bad(error, "<file> needs a type: program, data, config or symlink");
        if (!a[1] || !package_path_valid(a[1]))
                return package_bad(error,
                                   "<file> needs a clean relative name (no leading /, no .., at most "
                                   "%u bytes and %u parts)",
                                   PACKAGE_PATH_MAX, PACKAGE_DEPTH_MAX);
        if (g_str_equal(a[1], PACKAGE_INFO_FILE) || g_str_equal(a[1], PACKAGE_SIGNATURE_FILE))
                return package_bad(error, "%s: the name is reserved", a[1]);
        if (p->info->files->len >= PACKAGE_ENTRIES_MAX)
                return package_bad(error, "more than %u files", PACKAGE_ENTRIES_MAX);
        f->type = (PackageFileType)type;
        f->name = g_strdup(a[1]);
        if (f->type == PACKAGE_SYMLINK ? !fill_symlink(f, a, error) : !fill_regular(f, a, error))
                return FALSE;
        g_ptr_array_add(p->info->files, g_steal_pointer(&f));
        return TRUE;
}

static void on_start(GMarkupParseContext *context, const char *name, const char **attribute_names,
                     const char **attribute_values, gpointer user, GError **error)
{
        Parse *p = user;
        const char *attributes[ATTRIBUTES_MAX] = {NULL};
        Element e = element_find(name, p->at);
        if (e == EL_NONE) {
                package_bad(error, "an element that is unknown here");
                return;
        }
        if (elements[e].repeat == ONCE && p->seen[e]) {
                package_bad(error, "<%s> stands twice", elements[e].name);
                return;
        }
        p->seen[e] = TRUE;
        p->at = e;
        g_string_truncate(p->text, 0);
        if (!collect_attributes(e, attribute_names, attribute_values, attributes, error))
                return;
        if (e == EL_ROOT)
                begin_root(p, attributes, error);
        else if (e == EL_BATTERY)
                begin_battery(p, attributes, error);
        else if (e == EL_FILE)
                begin_file(p, attributes, error);
}

/* Control characters could play with the terminal that shows the text; a description may have lines. */
static gboolean text_printable(const char *text, const char *allowed)
{
        for (const char *c = text; *c; c = g_utf8_next_char(c))
                if (g_unichar_iscntrl(g_utf8_get_char(c)) && !strchr(allowed, *c))
                        return FALSE;
        return TRUE;
}

static gboolean end_text(Parse *p, GError **error)
{
        char *text = g_strstrip(p->text->str);
        if (!text_printable(text, p->at == EL_DESCRIPTION ? "\n\t\r" : ""))
                return package_bad(error, "<%s> holds control characters", elements[p->at].name);
        if (p->at == EL_TITLE)
                p->info->title = g_strdup(text);
        if (p->at == EL_DESCRIPTION)
                p->info->description = g_strdup(text);
        if (p->at == EL_VERSION) {
                if (!package_version_valid(text))
                        return package_bad(error, "<version> is not up to four numbers with dots");
                p->info->version = g_strdup(text);
        }
        if (p->at == EL_COMPATIBILITY) {
                if (!g_regex_match_simple("\\A[A-Za-z0-9][A-Za-z0-9.+~-]{0,63}\\z", text, 0, 0))
                        return package_bad(error, "<compatibility> is not a version");
                p->info->compatibility = g_strdup(text);
        }
        return TRUE;
}

static void on_end(GMarkupParseContext *context, const char *name, gpointer user, GError **error)
{
        Parse *p = user;
        if (elements[p->at].text_max > 0 && !end_text(p, error))
                return;
        p->at = elements[p->at].parent;
}

static void on_text(GMarkupParseContext *context, const char *text, gsize length, gpointer user,
                    GError **error)
{
        Parse *p = user;
        gsize most = p->at == EL_NONE ? 0 : elements[p->at].text_max;
        if (most > 0) {
                if (p->text->len + length > most)
                        package_bad(error, "<%s> is longer than %" G_GSIZE_FORMAT " bytes",
                                    elements[p->at].name, most);
                else
                        g_string_append_len(p->text, text, (gssize)length);
                return;
        }
        for (gsize i = 0; i < length; i++)
                if (!g_ascii_isspace(text[i])) {
                        package_bad(error, "text where none belongs");
                        return;
                }
}

/* Comments, and the XML declaration before the root, are let through; DOCTYPE, CDATA and processing
 * instructions are not. */
static void on_other(GMarkupParseContext *context, const char *text, gsize length, gpointer user,
                     GError **error)
{
        const Parse *p = user;
        gboolean comment = length >= 7 && strncmp(text, "<!--", 4) == 0;
        gboolean declaration = length >= 6 && strncmp(text, "<?xml ", 6) == 0 && !p->seen[EL_ROOT];
        if (!comment && !declaration)
                package_bad(error, "DOCTYPE, CDATA and processing instructions are not allowed");
}

static gboolean info_complete(Parse *p, GError **error)
{
        PackageInfo *info = p->info;
        if (!info->name || !info->version)
                return package_bad(error, PACKAGE_INFO_FILE ": no <version>");
        if (!info->compatibility)
                info->compatibility = g_strndup(info->version, strcspn(info->version, "."));
        g_ptr_array_add(p->batteries, NULL);
        g_strfreev(info->batteries);
        info->batteries = (char **)g_ptr_array_free(g_steal_pointer(&p->batteries), FALSE);

        g_autoptr(GError) local = NULL;
        if (!package_info_check_files(info, &local))
                return package_bad(error, PACKAGE_INFO_FILE ": %s", local->message);
        return TRUE;
}

static gboolean parse_all(Parse *p, const char *xml, gsize length, GError **error)
{
        static const GMarkupParser parser = {on_start, on_end, on_text, on_other, NULL};
        g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, p, NULL);
        g_autoptr(GError) local = NULL;
        if (g_markup_parse_context_parse(context, xml, (gssize)length, &local) &&
            g_markup_parse_context_end_parse(context, &local))
                return TRUE;

        int line = 0;
        g_markup_parse_context_get_position(context, &line, NULL);
        /* GMarkup's own words quote the file. */
        gboolean ours = local->domain == PACKAGE_ERROR;
        return package_bad(error, PACKAGE_INFO_FILE ", line %d: %s", line,
                           ours ? local->message : "not well-formed XML");
}

PackageInfo *package_info_parse(const char *xml, gsize length, GError **error)
{
        if (length > PACKAGE_INFO_BYTES_MAX) {
                package_bad(error, PACKAGE_INFO_FILE ": larger than %u MiB", PACKAGE_INFO_BYTES_MAX >> 20);
                return NULL;
        }
        if (length == 0 || memchr(xml, '\0', length)) {
                package_bad(error, PACKAGE_INFO_FILE ": not well-formed XML");
                return NULL;
        }
        g_autoptr(PackageInfo) info = package_info_new();
        Parse p = {.info = info, .at = EL_NONE};
        p.batteries = g_ptr_array_new_with_free_func(g_free);
        p.text = g_string_new(NULL);
        gboolean good = parse_all(&p, xml, length, error) && info_complete(&p, error);
        g_string_free(p.text, TRUE);
        if (p.batteries)
                g_ptr_array_unref(p.batteries);
        return good ? g_steal_pointer(&info) : NULL;
}
