/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D-Bus bodies and GVariants. What libdbus hands out is already validated (nesting at most 64 deep, UTF-8,
 * paths, signatures); what it gets from us is checked here, since it aborts or answers nonsense else. */
#include "dbus/variant.h"

#include <unistd.h>

/* A message over the system bus's 32 MiB gets its sender disconnected; one MiB is left for headers. */
#define BODY_MAX ((gsize)31 << 20)
/* What the buses and libdbus let one message carry. */
#define FDS_MAX 16
/* libdbus refuses more, variants counted. */
#define DEPTH_MAX 64
/* Values in one incoming body. A GVariant of one byte costs about 100: 32 MiB of empty strings would be
 * half a gigabyte. Arrays of numbers count as one value. */
#define VALUES_MAX (256 * 1024)

/* ---- out ---- */

typedef struct Writer {
        const int *fds;
        gsize n_fds, used_fds;
        gsize bytes; /* at least as many as on the wire */
        guint depth;
} Writer;

static gboolean append_value(Writer *w, DBusMessageIter *to, GVariant *v);

static gboolean account(Writer *w, gsize bytes)
{
        w->bytes += bytes + 8; /* length and padding */
        return w->bytes <= BODY_MAX;
}

static gboolean append_string(Writer *w, DBusMessageIter *to, int type, GVariant *v)
{
        gsize length;
        const char *s = g_variant_get_string(v, &length);

        if (!account(w, length))
                return FALSE;
        if (type == DBUS_TYPE_STRING && !dbus_validate_utf8(s, NULL))
                return FALSE;
        if (type == DBUS_TYPE_OBJECT_PATH && !dbus_validate_path(s, NULL))
                return FALSE;
        if (type == DBUS_TYPE_SIGNATURE && !dbus_signature_validate(s, NULL))
                return FALSE;
        return dbus_message_iter_append_basic(to, type, &s);
}

static gboolean append_fd(Writer *w, DBusMessageIter *to, GVariant *v)
{
        gint32 handle = g_variant_get_handle(v);

        if (handle < 0 || (gsize)handle >= w->n_fds || w->fds[handle] < 0 || ++w->used_fds > FDS_MAX)
                return FALSE;
        return dbus_message_iter_append_basic(to, DBUS_TYPE_UNIX_FD, &w->fds[handle]);
}

static gboolean append_number(Writer *w, DBusMessageIter *to, int type, GVariant *v)
{
        DBusBasicValue value = {0};

        if (type == DBUS_TYPE_BOOLEAN)
                value.bool_val = g_variant_get_boolean(v); /* four bytes on D-Bus, one in a GVariant */
        else
                memcpy(&value, g_variant_get_data(v), g_variant_get_size(v));
        return account(w, 0) && dbus_message_iter_append_basic(to, type, &value);
}

/* Numbers that look alike in an array on the wire and in a GVariant. */
static gboolean is_fixed(char type)
{
        return strchr("ynqiuxtd", type) != NULL;
}

static gsize fixed_size(int type)
{
        switch (type) {
        case DBUS_TYPE_BYTE:
                return 1;
        case DBUS_TYPE_INT16:
        case DBUS_TYPE_UINT16:
                return 2;
        case DBUS_TYPE_INT32:
        case DBUS_TYPE_UINT32:
                return 4;
        default:
                return 8;
        }
}

static gboolean append_children(Writer *w, DBusMessageIter *to, GVariant *v)
{
        GVariantIter iter;
        gboolean ok = TRUE;

        g_variant_iter_init(&iter, v);
        for (;;) {
                g_autoptr(GVariant) child = g_variant_iter_next_value(&iter);
                if (!child || !ok)
                        return ok;
                ok = append_value(w, to, child);
        }
}

static gboolean append_numbers(Writer *w, DBusMessageIter *to, int type, GVariant *v)
{
        gsize n;
        gconstpointer numbers = g_variant_get_fixed_array(v, &n, fixed_size(type));

        if (!account(w, n * fixed_size(type)))
                return FALSE;
        return n == 0 || dbus_message_iter_append_fixed_array(to, type, &numbers, (int)n);
}

static gboolean append_contents(Writer *w, DBusMessageIter *to, int type, GVariant *v)
{
        const char *signature = g_variant_get_type_string(v);

        if (type == DBUS_TYPE_ARRAY && is_fixed(signature[1]))
                return append_numbers(w, to, signature[1], v);
        return append_children(w, to, v);
}

/* What libdbus wants to know when a container is opened: the type inside of arrays and variants. */
static gboolean contained_signature(int type, GVariant *v, char **ret)
{
        if (type == DBUS_TYPE_ARRAY)
                *ret = g_strdup(g_variant_get_type_string(v) + 1);
        if (type == DBUS_TYPE_VARIANT) {
                g_autoptr(GVariant) child = g_variant_get_variant(v);
                *ret = g_strdup(g_variant_get_type_string(child));
                return dbus_signature_validate_single(*ret, NULL);
        }
        return TRUE;
}

static gboolean append_container(Writer *w, DBusMessageIter *to, int type, GVariant *v)
{
        DBusMessageIter sub;
        g_autofree char *signature = NULL;

        if (w->depth >= DEPTH_MAX || !contained_signature(type, v, &signature) ||
            !account(w, signature ? strlen(signature) : 0))
                return FALSE;
        if (!dbus_message_iter_open_container(to, type, signature, &sub))
                return FALSE;
        w->depth++;
        if (!append_contents(w, &sub, type, v)) {
                dbus_message_iter_abandon_container(to, &sub);
                return FALSE;
        }
        w->depth--;
        return dbus_message_iter_close_container(to, &sub);
}

static gboolean append_value(Writer *w, DBusMessageIter *to, GVariant *v)
{
        switch ((char)g_variant_classify(v)) {
        case 's':
        case 'o':
        case 'g':
                return append_string(w, to, (char)g_variant_classify(v), v);
        case 'h':
                return append_fd(w, to, v);
        case 'a':
                return append_container(w, to, DBUS_TYPE_ARRAY, v);
        case 'v':
                return append_container(w, to, DBUS_TYPE_VARIANT, v);
        case '(':
                return append_container(w, to, DBUS_TYPE_STRUCT, v);
        case '{':
                return append_container(w, to, DBUS_TYPE_DICT_ENTRY, v);
        default:
                return append_number(w, to, (char)g_variant_classify(v), v);
        }
}

/* The type of a tuple without its parentheses is a D-Bus signature, unless it holds a maybe, an empty
 * struct, a lone dictionary entry or more than 255 characters. */
static gboolean is_sendable(GVariant *values)
{
        const char *type = g_variant_get_type_string(values);
        g_autofree char *signature = NULL;

        if (type[0] != '(')
                return FALSE;
        signature = g_strndup(type + 1, strlen(type) - 2);
        return dbus_signature_validate(signature, NULL);
}

gboolean bus_message_append(DBusMessage *message, GVariant *values, const int *fds, gsize n_fds)
{
        Writer w = {.fds = fds, .n_fds = n_fds};
        DBusMessageIter to;

        if (!is_sendable(values))
                return FALSE;
        dbus_message_iter_init_append(message, &to);
        return append_children(&w, &to, values);
}

/* ---- in ---- */

typedef struct Reader {
        GArray *fds;
        guint n_fds;
        guint values;
} Reader;

static GVariant *read_value(Reader *r, DBusMessageIter *from);

static GVariant *read_fd(Reader *r, int fd)
{
        if (r->fds)
                g_array_append_val(r->fds, fd);
        else if (fd >= 0)
                close(fd);
        return g_variant_new_handle((gint32)(r->fds ? r->fds->len - 1 : r->n_fds++));
}

static GVariant *read_number(int type, const DBusBasicValue *value)
{
        const char type_string[] = {(char)type, '\0'};
        gpointer copy = g_memdup2(value, fixed_size(type));

        return g_variant_new_from_data(G_VARIANT_TYPE(type_string), copy, fixed_size(type), TRUE, g_free,
                                       copy);
}

static GVariant *read_basic(Reader *r, DBusMessageIter *from, int type)
{
        DBusBasicValue value;

        dbus_message_iter_get_basic(from, &value);
        switch (type) {
        case DBUS_TYPE_STRING:
                return g_variant_new_string(value.str);
        case DBUS_TYPE_OBJECT_PATH:
                return g_variant_new_object_path(value.str);
        case DBUS_TYPE_SIGNATURE:
                return g_variant_new_signature(value.str);
        case DBUS_TYPE_UNIX_FD:
                return read_fd(r, value.fd);
        case DBUS_TYPE_BOOLEAN:
                return g_variant_new_boolean(value.bool_val);
        default:
                return read_number(type, &value);
        }
}

static gboolean read_into(Reader *r, DBusMessageIter *from, GVariantBuilder *builder)
{
        for (; dbus_message_iter_get_arg_type(from) != DBUS_TYPE_INVALID; dbus_message_iter_next(from)) {
                GVariant *v = read_value(r, from);
                if (!v)
                        return FALSE;
                g_variant_builder_add_value(builder, v);
        }
        return TRUE;
}

static GVariant *read_children(Reader *r, DBusMessageIter *sub, const char *type)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE(type));
        if (!read_into(r, sub, &builder)) {
                g_variant_builder_clear(&builder);
                return NULL;
        }
        return g_variant_builder_end(&builder);
}

static GVariant *read_numbers(DBusMessageIter *sub, const char *element)
{
        gconstpointer numbers = NULL;
        int n = 0;

        dbus_message_iter_get_fixed_array(sub, &numbers, &n);
        return g_variant_new_fixed_array(G_VARIANT_TYPE(element), numbers, (gsize)n, fixed_size(element[0]));
}

static GVariant *read_container(Reader *r, DBusMessageIter *from, int type)
{
        DBusMessageIter sub;
        char *signature = dbus_message_iter_get_signature(from);
        GVariant *v;

        if (!signature)
                return NULL;
        dbus_message_iter_recurse(from, &sub);
        if (type == DBUS_TYPE_ARRAY && is_fixed(signature[1]))
                v = read_numbers(&sub, signature + 1);
        else
                v = read_children(r, &sub, signature);
        dbus_free(signature);
        return v;
}

/* A dictionary entry's iterator has no signature of its own. */
static GVariant *read_entry(Reader *r, DBusMessageIter *from)
{
        DBusMessageIter sub;
        g_autoptr(GVariant) key = NULL, value = NULL;

        dbus_message_iter_recurse(from, &sub);
        key = read_value(r, &sub);
        if (!key)
                return NULL;
        g_variant_ref_sink(key);
        dbus_message_iter_next(&sub);
        value = read_value(r, &sub);
        if (!value)
                return NULL;
        g_variant_ref_sink(value);
        return g_variant_new_dict_entry(key, value);
}

static GVariant *read_variant(Reader *r, DBusMessageIter *from)
{
        DBusMessageIter sub;
        GVariant *inner;

        dbus_message_iter_recurse(from, &sub);
        inner = read_value(r, &sub);
        return inner ? g_variant_new_variant(inner) : NULL;
}

/* Floating; NULL over the limit. */
static GVariant *read_value(Reader *r, DBusMessageIter *from)
{
        int type = dbus_message_iter_get_arg_type(from);

        if (++r->values > VALUES_MAX)
                return NULL;
        switch (type) {
        case DBUS_TYPE_ARRAY:
        case DBUS_TYPE_STRUCT:
                return read_container(r, from, type);
        case DBUS_TYPE_DICT_ENTRY:
                return read_entry(r, from);
        case DBUS_TYPE_VARIANT:
                return read_variant(r, from);
        default:
                return read_basic(r, from, type);
        }
}

GVariant *bus_message_body(DBusMessage *message, GArray *ret_fds)
{
        Reader r = {.fds = ret_fds};
        DBusMessageIter from;
        g_autofree char *type = g_strdup_printf("(%s)", dbus_message_get_signature(message));
        GVariant *body;

        dbus_message_iter_init(message, &from);
        body = read_children(&r, &from, type);
        return body ? g_variant_ref_sink(body) : NULL;
}
