/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every D-Bus type there and back, and what must not be sent or decoded. */
#include "dbus/variant.h"

#include <fcntl.h>
#include <unistd.h>

#include "dbus/error.h"
#include <gio/gio.h>

static DBusMessage *message_new(void)
{
        DBusMessage *m = dbus_message_new_signal("/x", "x.Y", "Z");

        dbus_message_set_serial(m, 1);
        return m;
}

/* Over the wire format, so that libdbus validates what we wrote. */
static GVariant *there_and_back(GVariant *values)
{
        g_autoptr(GVariant) held = g_variant_ref_sink(values);
        DBusMessage *out = message_new(), *in;
        DBusError fault = DBUS_ERROR_INIT;
        GVariant *back;
        char *wire;
        int n;

        g_assert_true(bus_message_append(out, held, NULL, 0));
        g_assert_true(dbus_message_marshal(out, &wire, &n));
        in = dbus_message_demarshal(wire, n, &fault);
        g_assert_cmpstr(fault.message, ==, NULL);
        back = bus_message_body(in, NULL);
        dbus_free(wire);
        dbus_message_unref(out);
        dbus_message_unref(in);
        return back;
}

static const char *const texts[] = {
        "()",
        "(byte 0x07, true, false)",
        "(int16 -7, uint16 65535, -2147483648, uint32 4294967295)",
        "(int64 -9223372036854775808, uint64 18446744073709551615, -0.5)",
        "('', 'grün', objectpath '/a/b', signature 'a{sv}')",
        "(@ay [], @ab [], @as [], @a{sv} {}, @a(ii) [], @av [], @aay [])",
        "([byte 0x01, 0x02, 0x03], [true, false, true], [int16 1, -2], [uint16 3], [4, 5])",
        "([uint32 6], [int64 7, -8], [uint64 9], [1.5, -2.5])",
        "(['a', '', 'c'], [objectpath '/'], [signature 'i', ''])",
        "(<byte 0x01>, <'v'>, <<<int64 5>>>, <(1, 'a')>, <@as []>)",
        "({'a': <1>, 'b': <{'c': <['d']>}>}, {byte 0x01: [(uint16 2, @a{sv} {})]}, {objectpath '/': 1.0})",
        "([[['x'], []], []], (1, (2, (3, ('four', <5>)))))",
        "([('op', 'name', 'old', 'new', 'archive')], [(uint64 1, 'k', int64 2, 'b', {'x': <true>})])",
};

static void test_round_trips(void)
{
        for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GVariant) v = g_variant_parse(NULL, texts[i], NULL, NULL, &error);
                g_assert_no_error(error);
                g_autoptr(GVariant) back = there_and_back(v);
                g_autofree char *got = g_variant_print(back, TRUE);
                g_assert_cmpstr(got, ==, texts[i]);
                g_assert_cmpstr(g_variant_get_type_string(back), ==, g_variant_get_type_string(v));
        }
}

/* VARIANTS deep, each in the next. */
static GVariant *nested(guint variants)
{
        GVariant *v = g_variant_new_byte(1);

        for (guint i = 0; i < variants; i++)
                v = g_variant_new_variant(v);
        return g_variant_new_tuple(&v, 1);
}

static void test_depth(void)
{
        g_autoptr(GVariant) good = there_and_back(nested(60));
        g_autoptr(GVariant) bad = g_variant_ref_sink(nested(65));
        DBusMessage *m = message_new();

        g_assert_nonnull(good);
        g_assert_false(bus_message_append(m, bad, NULL, 0));
        dbus_message_unref(m);
}

static void test_not_sendable(void)
{
        const char *const bad[] = {"(just 1,)",  "((),)",       "({'a', 1},)", "(<just 'x'>,)",
                                   "'no tuple'", "(handle 0,)", "(<@a() []>,)"};

        for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GVariant) v = g_variant_parse(NULL, bad[i], NULL, NULL, NULL);
                DBusMessage *m = message_new();
                g_assert_nonnull(v);
                g_assert_false(bus_message_append(m, v, NULL, 0));
                dbus_message_unref(m);
        }
}

static void test_not_utf8(void)
{
        g_autoptr(GVariant) v = g_variant_ref_sink(
                g_variant_new_from_data(G_VARIANT_TYPE("(s)"), "a\xff", 3, TRUE, NULL, NULL));
        DBusMessage *m = message_new();

        g_assert_false(bus_message_append(m, v, NULL, 0));
        dbus_message_unref(m);
}

static void test_size(void)
{
        for (guint over = 0; over < 2; over++) {
                gsize n = ((gsize)31 << 20) - 4096 + over * 8192;
                gpointer zeros = g_malloc0(n);
                GVariant *bytes =
                        g_variant_new_from_data(G_VARIANT_TYPE_BYTESTRING, zeros, n, TRUE, g_free, zeros);
                g_autoptr(GVariant) v = g_variant_ref_sink(g_variant_new_tuple(&bytes, 1));
                DBusMessage *m = message_new();
                g_assert_cmpint(bus_message_append(m, v, NULL, 0), ==, over == 0);
                dbus_message_unref(m);
        }
}

/* What would cost a hundred times its size in memory is not decoded; numbers are no matter. */
static void test_too_many_values(void)
{
        const guint n = 300 * 1024;
        g_autofree const char **empty = g_new(const char *, n);
        g_autofree guint32 *numbers = g_new0(guint32, n);

        for (guint i = 0; i < n; i++)
                empty[i] = "";
        g_autoptr(GVariant) bad = there_and_back(g_variant_new("(@as)", g_variant_new_strv(empty, n)));
        g_assert_null(bad);
        g_autoptr(GVariant) good = there_and_back(g_variant_new(
                "(@au)", g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, numbers, n, sizeof *numbers)));
        g_assert_nonnull(good);
}

static gboolean same_file(int a, int b)
{
        g_autofree char *x = g_strdup_printf("/proc/self/fd/%d", a),
                        *y = g_strdup_printf("/proc/self/fd/%d", b);
        g_autofree char *p = g_file_read_link(x, NULL), *q = g_file_read_link(y, NULL);

        return g_strcmp0(p, q) == 0;
}

static void test_descriptors(void)
{
        int fds[] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC)};
        g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(int));
        g_autoptr(GVariant) v = g_variant_ref_sink(g_variant_new_parsed("(handle 1, [('x', handle 0)])"));
        g_autoptr(GVariant) bad = g_variant_ref_sink(g_variant_new_parsed("(handle 2,)"));
        DBusMessage *m = message_new(), *other = message_new();

        g_assert_true(bus_message_append(m, v, fds, 2));
        g_assert_false(bus_message_append(other, bad, fds, 2));
        g_autoptr(GVariant) back = bus_message_body(m, got);
        g_autofree char *text = g_variant_print(back, TRUE);
        g_assert_cmpstr(text, ==, "(handle 0, [('x', handle 1)])");
        g_assert_cmpuint(got->len, ==, 2);
        g_assert_true(same_file(g_array_index(got, int, 0), fds[1]));
        g_assert_true(same_file(g_array_index(got, int, 1), fds[0]));
        for (guint i = 0; i < 2; i++) {
                close(g_array_index(got, int, i));
                close(fds[i]);
        }
        dbus_message_unref(m);
        dbus_message_unref(other);
}

static void test_too_many_descriptors(void)
{
        GVariant *handles[17];
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        for (guint i = 0; i < 17; i++)
                handles[i] = g_variant_new_handle(0);
        g_autoptr(GVariant) v = g_variant_ref_sink(g_variant_new_tuple(handles, 17));
        DBusMessage *m = message_new();
        g_assert_false(bus_message_append(m, v, &fd, 1));
        dbus_message_unref(m);
        close(fd);
}

static void test_errors(void)
{
        g_autoptr(GError) missing = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "x");
        g_autoptr(GError) denied = g_error_new(G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "x");
        g_autoptr(GError) other = g_error_new(g_quark_from_string("other"), 1, "x");

        for (Refusal r = REFUSAL_NONE + 1; r < _REFUSAL_MAX; r++) {
                g_autofree char *name = g_strconcat("org.kantan.Error.", refusal_to_string(r), NULL);
                g_assert_cmpstr(bus_error_name(r), ==, name);
                g_assert_cmpint(bus_error_refusal(name), ==, r);
        }
        g_assert_cmpint(bus_error_refusal("org.kantan.Error.Nonsense"), ==, REFUSAL_NONE);
        g_assert_cmpint(bus_error_refusal("org.other.Busy"), ==, REFUSAL_NONE);
        g_assert_cmpint(bus_error_refusal(NULL), ==, REFUSAL_NONE);
        g_assert_cmpstr(bus_error_name_of_fault(missing), ==, DBUS_ERROR_FILE_NOT_FOUND);
        g_assert_cmpstr(bus_error_name_of_fault(denied), ==, DBUS_ERROR_ACCESS_DENIED);
        g_assert_cmpstr(bus_error_name_of_fault(other), ==, DBUS_ERROR_FAILED);
        g_assert_cmpstr(bus_error_name_of_fault(NULL), ==, DBUS_ERROR_FAILED);
}

int main(int argc, char **argv)
{
        int failed;

        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/variant/round-trips", test_round_trips);
        g_test_add_func("/variant/depth", test_depth);
        g_test_add_func("/variant/not-sendable", test_not_sendable);
        g_test_add_func("/variant/not-utf8", test_not_utf8);
        g_test_add_func("/variant/size", test_size);
        g_test_add_func("/variant/too-many-values", test_too_many_values);
        g_test_add_func("/variant/descriptors", test_descriptors);
        g_test_add_func("/variant/too-many-descriptors", test_too_many_descriptors);
        g_test_add_func("/error/names", test_errors);
        failed = g_test_run();
        dbus_shutdown();
        return failed;
}
