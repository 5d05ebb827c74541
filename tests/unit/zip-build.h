/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw ZIP archives for tests: stored entries with any name, mode and order, honest or not. */
#pragma once

#include <gio/gio.h>
#include <string.h>

typedef struct Zip {
        GByteArray *body, *directory;
        guint entries;
} Zip;

static inline void zip_le(GByteArray *to, guint64 value, guint bytes)
{
        for (guint i = 0; i < bytes; i++) {
                guint8 b = (guint8)(value >> (8 * i));
                g_byte_array_append(to, &b, 1);
        }
}

static inline guint32 zip_crc(const guint8 *p, gsize n)
{
        guint32 crc = 0xffffffff;
        for (gsize i = 0; i < n; i++) {
                crc ^= p[i];
                for (int k = 0; k < 8; k++)
                        crc = crc >> 1 ^ ((crc & 1) ? 0xedb88320u : 0);
        }
        return ~crc;
}

static inline void zip_begin(Zip *z)
{
        *z = (Zip){g_byte_array_new(), g_byte_array_new(), 0};
}

/* MODE with its type bits, as in stat. */
static inline void zip_add(Zip *z, const char *name, guint mode, const char *bytes, gsize length)
{
        guint32 crc = zip_crc((const guint8 *)bytes, length), offset = z->body->len;
        g_byte_array_append(z->body, (const guint8 *)"PK\3\4\24\0\0\10\0\0\0\0\41\0", 14);
        zip_le(z->body, crc, 4);
        zip_le(z->body, length, 4);
        zip_le(z->body, length, 4);
        zip_le(z->body, strlen(name), 2);
        zip_le(z->body, 0, 2);
        g_byte_array_append(z->body, (const guint8 *)name, (guint)strlen(name));
        g_byte_array_append(z->body, (const guint8 *)bytes, (guint)length);

        g_byte_array_append(z->directory, (const guint8 *)"PK\1\2\24\3\24\0\0\10\0\0\0\0\41\0", 16);
        zip_le(z->directory, crc, 4);
        zip_le(z->directory, length, 4);
        zip_le(z->directory, length, 4);
        zip_le(z->directory, strlen(name), 2);
        zip_le(z->directory, 0, 8); /* extra, comment, disk, internal */
        zip_le(z->directory, (guint64)mode << 16, 4);
        zip_le(z->directory, offset, 4);
        g_byte_array_append(z->directory, (const guint8 *)name, (guint)strlen(name));
        z->entries++;
}

/* The whole archive; Z is done with. */
static inline GBytes *zip_end(Zip *z)
{
        guint32 offset = z->body->len, length = z->directory->len;
        guint16 entries = (guint16)MIN(z->entries, 0xffff);
        g_byte_array_append(z->body, z->directory->data, z->directory->len);
        g_byte_array_append(z->body, (const guint8 *)"PK\5\6\0\0\0\0", 8);
        zip_le(z->body, entries, 2);
        zip_le(z->body, entries, 2);
        zip_le(z->body, length, 4);
        zip_le(z->body, offset, 4);
        zip_le(z->body, 0, 2);
        g_byte_array_unref(z->directory);
        return g_byte_array_free_to_bytes(z->body);
}
