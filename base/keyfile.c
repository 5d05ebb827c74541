/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of a key file become entries; limits first, so that nothing later can overflow. */
#include "base/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

GQuark keyfile_error_quark(void)
{
        return g_quark_from_static_string("kantan-keyfile-error");
}

static void entry_free(gpointer data)
{
        KeyfileEntry *e = data;
        g_free(e->key);
        g_free(e->value);
        g_free(e);
}

static Keyfile *keyfile_new(const char *name)
{
        Keyfile *k = g_new0(Keyfile, 1);
        k->name = g_strdup(name);
        k->entries = g_ptr_array_new_with_free_func(entry_free);
        k->sections = g_ptr_array_new_with_free_func(g_free);
        return k;
}

void keyfile_free(Keyfile *k)
{
        if (!k)
                return;
        g_ptr_array_unref(k->entries);
        g_ptr_array_unref(k->sections);
        g_free(k->name);
        g_free(k);
}

static gboolean fail(GError **error, KeyfileError code, const char *text)
{
        g_set_error_literal(error, KEYFILE_ERROR, code, text);
        return FALSE;
}

/* Letters, digits and the marks that D-Bus names need. */
static gboolean name_valid(const char *name)
{
        if (!*name || strlen(name) > KEYFILE_NAME_MAX)
                return FALSE;
        for (const char *p = name; *p; p++)
                if (!g_ascii_isalnum(*p) && !strchr("._-", *p))
                        return FALSE;
        return TRUE;
}

static gboolean text_clean(const char *text)
{
        for (const char *p = text; *p; p++)
                if (g_ascii_iscntrl(*p) && *p != '\t')
                        return FALSE;
        return TRUE;
}

static gboolean read_section(Keyfile *k, char *text, GError **error)
{
        gsize length = strlen(text);
        if (text[length - 1] != ']')
                return fail(error, KEYFILE_ERROR_SYNTAX, "expected ']' at the end of the section's line");
        text[length - 1] = '\0';
        if (!name_valid(text + 1))
                return fail(error, KEYFILE_ERROR_SYNTAX,
                            "expected a section's name of letters, digits, '.', '_' and '-' between [ and ]");
        g_ptr_array_add(k->sections, g_strdup(text + 1));
        return TRUE;
}

static gboolean read_assignment(Keyfile *k, char *text, guint line, guint section_line, GError **error)
{
        char *equals = strchr(text, '=');
        if (!equals)
                return fail(error, KEYFILE_ERROR_SYNTAX, "expected [Section], Key=Value or a comment (#)");
        *equals = '\0';
        g_strchomp(text);
        if (!name_valid(text))
                return fail(error, KEYFILE_ERROR_SYNTAX,
                            "expected a key of letters, digits, '.', '_' and '-' before '='");
        if (k->sections->len == 0)
                return fail(error, KEYFILE_ERROR_SYNTAX, "expected a [Section] before the first key");
        KeyfileEntry *e = g_new0(KeyfileEntry, 1);
        e->file = k->name;
        e->line = line;
        e->section = g_ptr_array_index(k->sections, k->sections->len - 1);
        e->section_line = section_line;
        e->key = g_strdup(text);
        e->value = g_strdup(g_strstrip(equals + 1));
        g_ptr_array_add(k->entries, e);
        return TRUE;
}

static gboolean read_line(Keyfile *k, char *text, guint line, guint *section_line, GError **error)
{
        if (!text_clean(text))
                return fail(error, KEYFILE_ERROR_SYNTAX, "expected text without control characters");
        g_strstrip(text);
        if (!*text || *text == '#' || *text == ';')
                return TRUE;
        if (*text != '[')
                return read_assignment(k, text, line, *section_line, error);
        *section_line = line;
        return read_section(k, text, error);
}

static guint line_of(const char *bytes, const char *at)
{
        guint line = 1;
        for (const char *p = bytes; p < at; p++)
                line += *p == '\n';
        return line;
}

/* What can be wrong with the bytes before they are lines. */
static gboolean check_bytes(const char *bytes, gsize length, guint *ret_line, GError **error)
{
        const char *bad;
        *ret_line = 0;
        if (length > KEYFILE_BYTES_MAX)
                return fail(error, KEYFILE_ERROR_LIMIT, "expected a file of at most 256 KiB");
        if (!g_utf8_validate_len(bytes, length, &bad)) {
                *ret_line = line_of(bytes, bad);
                return fail(error, KEYFILE_ERROR_SYNTAX, "expected text in UTF-8");
        }
        return TRUE;
}

Keyfile *keyfile_parse(const char *name, const char *bytes, gsize length, guint *ret_line, GError **error)
{
        g_autoptr(Keyfile) k = keyfile_new(name);
        const char *end = bytes + length;
        guint unused, section_line = 0;
        guint *line = ret_line ? ret_line : &unused;
        if (!check_bytes(bytes, length, line, error))
                return NULL;
        if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) /* some editors begin UTF-8 so */
                bytes += 3;
        while (bytes < end) {
                const char *newline = memchr(bytes, '\n', end - bytes);
                gsize n = (newline ? newline : end) - bytes;
                if (++*line > KEYFILE_LINES_MAX)
                        return fail(error, KEYFILE_ERROR_LIMIT, "expected at most 10000 lines"), NULL;
                if (n > KEYFILE_LINE_MAX)
                        return fail(error, KEYFILE_ERROR_LIMIT, "expected a line of at most 8192 bytes"),
                               NULL;
                g_autofree char *text = g_strndup(bytes, n);
                if (n > 0 && newline && text[n - 1] == '\r')
                        text[n - 1] = '\0';
                if (!read_line(k, text, *line, &section_line, error))
                        return NULL;
                bytes += n + 1;
        }
        *line = 0;
        return g_steal_pointer(&k);
}

static int open_regular(const char *path, GError **error)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                g_set_error_literal(error, G_FILE_ERROR, g_file_error_from_errno(errno), g_strerror(errno));
                return -1;
        }
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
                return fd;
        close(fd);
        fail(error, KEYFILE_ERROR_NOT_REGULAR, "expected a regular file");
        return -1;
}

/* At most one byte more than allowed, which is how the limit is noticed; the size in stat may lie. */
static gboolean read_all(int fd, GByteArray *bytes, GError **error)
{
        guint8 chunk[16384];
        while (bytes->len <= KEYFILE_BYTES_MAX) {
                ssize_t n = read(fd, chunk, MIN(sizeof chunk, KEYFILE_BYTES_MAX + 1 - bytes->len));
                if (n == 0)
                        return TRUE;
                if (n > 0) {
                        g_byte_array_append(bytes, chunk, n);
                } else if (errno != EINTR) {
                        g_set_error_literal(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                                            g_strerror(errno));
                        return FALSE;
                }
        }
        return TRUE;
}

Keyfile *keyfile_load(const char *path, guint *ret_line, GError **error)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        if (ret_line)
                *ret_line = 0;
        int fd = open_regular(path, error);
        if (fd < 0)
                return NULL;
        gboolean ok = read_all(fd, bytes, error);
        close(fd);
        return ok ? keyfile_parse(path, bytes->len ? (char *)bytes->data : "", bytes->len, ret_line, error)
                  : NULL;
}
