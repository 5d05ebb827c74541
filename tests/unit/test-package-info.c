/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* package-info.xml: what is read, what is refused, with which words. */
#include <string.h>

#include "store/package-info.h"
#include "tests/unit/store-build.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define REGULAR(name) "<file type=\"data\" name=\"" name "\" mode=\"0644\" size=\"1\" sha256=\"" SUM "\"/>"
#define SYMLINK(name, target) "<file type=\"symlink\" name=\"" name "\" target=\"" target "\"/>"
#define WITH(rest) INFO_HEAD "<version>1.0</version>" rest "</package-info>"
#define FILES(rest) WITH("<files>" rest "</files>")

static void test_good(void)
{
        static const char xml[] =
                "<?xml version=\"1.0\"?><!-- ours -->" INFO_HEAD "<title>A &amp; B</title>"
                "<version>12.1.0</version><description>two\nlines</description><batteries>"
                "<battery name=\"calc\"/><battery name=\"other\"/></batteries><files>" REGULAR("bin/a")
                        SYMLINK("lib/x/l", "../../bin/a")
                                SYMLINK("gone", "var/none") "</files></package-info>";
        g_autoptr(GError) error = NULL;
        g_autoptr(PackageInfo) info = package_info_parse(xml, sizeof xml - 1, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(info->title, ==, "A & B");
        g_assert_cmpstr(info->compatibility, ==, "12");
        g_assert_cmpstr(info->batteries[1], ==, "other");
        g_assert_cmpuint(info->files->len, ==, 3);

        /* And back: XML of a description describes the same. */
        g_autofree char *once = package_info_to_xml(info);
        g_autoptr(PackageInfo) again = package_info_parse(once, strlen(once), &error);
        g_assert_no_error(error);
        g_autofree char *twice = package_info_to_xml(again);
        g_assert_cmpstr(once, ==, twice);
}

static const struct {
        const char *xml, *words;
} refused[] = {
        {"", "not well-formed"},
        {"\377\376<package-info/>", "not well-formed"},
        {"<package-info", "not well-formed"},
        {WITH("<files>"), "not well-formed"},
        {WITH("<title>&ha;</title>"), "not well-formed"},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]>" WITH(""), "line 1: DOCTYPE"},
        {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" WITH(""), "DOCTYPE"},
        {WITH("<title><![CDATA[x]]></title>"), "CDATA"},
        {WITH("<?php x?>"), "processing instructions"},
        {"<package-info name=\"calc\"/>", "needs xmlns"},
        {"<package-info xmlns=\"urn:kantan:package-info:1\"/>", "needs a name"},
        {"<package-info xmlns=\"urn:kantan:package-info:1\" name=\"../x\"/>", "needs a name"},
        {"<package-info xmlns=\"urn:kantan:package-info:1\" name=\"calc\" name=\"calc\"/>", "name twice"},
        {"<package-info xmlns=\"urn:kantan:package-info:1\" name=\"calc\" x=\"y\"/>", "unknown attribute"},
        {"<package-info xmlns=\"urn:kantan:package-info:1\" name=\"calc\" uuid=\"x\"/>", "uuid"},
        {INFO_HEAD "</package-info>", "no <version>"},
        {INFO_HEAD "<version>1.2.3.4.5</version></package-info>", "up to four numbers"},
        {INFO_HEAD "<version>../../x</version></package-info>", "up to four numbers"},
        {WITH("<version>1.0</version>"), "<version> stands twice"},
        {WITH("<compatibility>a b</compatibility>"), "<compatibility>"},
        {WITH("<title>a&#27;[31m</title>"), "control characters"},
        {WITH("<evil/>"), "unknown here"},
        {WITH("<file/>"), "unknown here"},
        {WITH("stray"), "text where none belongs"},
        {WITH("<batteries><battery name=\"A\"/></batteries>"), "<battery> needs a name"},
        {FILES("<file type=\"device\" name=\"a\"/>"), "needs a type"},
        {FILES("<file type=\"data\" name=\"a\" size=\"1\" sha256=\"" SUM "\"/>"), "a: needs a mode"},
        {FILES("<file type=\"data\" name=\"a\" mode=\"4755\" size=\"1\" sha256=\"" SUM "\"/>"), "a: setuid"},
        {FILES("<file type=\"data\" name=\"a\" mode=\"0644\" sha256=\"" SUM "\"/>"), "a: needs a size"},
        {FILES("<file type=\"data\" name=\"a\" mode=\"0644\" size=\"-1\" sha256=\"" SUM "\"/>"),
         "needs a size"},
        {FILES("<file type=\"data\" name=\"a\" mode=\"0644\" size=\"2147483649\" sha256=\"" SUM "\"/>"),
         "at most 2 GiB"},
        {FILES("<file type=\"data\" name=\"a\" mode=\"0644\" size=\"1\" sha256=\"12\"/>"),
         "a: needs a sha256"},
        {FILES(REGULAR("a") REGULAR("a")), "a: listed twice"},
        {FILES(REGULAR("a") REGULAR("a/b")), "a/b: lies below a"},
        {FILES(REGULAR("package-info.xml")), "reserved"},
        {FILES(REGULAR("/etc/passwd")), "clean relative name"},
        {FILES(REGULAR("a/../../b")), "clean relative name"},
        {FILES(REGULAR("a//b")), "clean relative name"},
        {FILES(REGULAR("./b")), "clean relative name"},
        {FILES(REGULAR("a\\b")), "clean relative name"},
        {FILES(REGULAR("a&#10;b")), "clean relative name"},
        {FILES(SYMLINK("l", "/etc/passwd")), "l: the symlink's target is absolute"},
        {FILES(SYMLINK("l", "")), "l: a symlink needs a target"},
        {FILES(SYMLINK("l", "a/./b")), "no clean path"},
        {FILES(SYMLINK("l", "..")), "l: the symlink leads out"},
        {FILES(SYMLINK("d/l", "../../etc")), "d/l: the symlink leads out"},
        {FILES(SYMLINK("d/up", "..") SYMLINK("out", "d/up/..")), "out: the symlink leads through d/up"},
        {FILES(SYMLINK("l", "d") REGULAR("l/a")), "l/a: lies below l"},
        {FILES("<file type=\"symlink\" name=\"l\" target=\"a\" size=\"1\"/>"), "no size"},
        {FILES("<file type=\"data\" name=\"a\" target=\"b\" mode=\"0644\" size=\"1\" sha256=\"" SUM "\"/>"),
         "only a symlink"},
};

static void assert_refused(const char *xml, gsize length, const char *words)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(PackageInfo) info = package_info_parse(xml, length, &error);
        g_assert_null(info);
        g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        if (!strstr(error->message, words))
                g_error("'%s' does not say '%s'", error->message, words);
        g_assert_cmpuint(strlen(error->message), <, 300);
}

static void test_refused(void)
{
        for (guint i = 0; i < G_N_ELEMENTS(refused); i++)
                assert_refused(refused[i].xml, strlen(refused[i].xml), refused[i].words);
}

static char *repeat(const char *head, const char *middle, guint times, const char *tail)
{
        GString *s = g_string_new(head);
        for (guint i = 0; i < times; i++)
                g_string_append(s, middle);
        g_string_append(s, tail);
        return g_string_free(s, FALSE);
}

static void test_limits(void)
{
        g_autofree char *deep = repeat(INFO_HEAD, "<title>", 100000, "");
        assert_refused(deep, strlen(deep), "unknown here");
        g_autofree char *huge = repeat(WITH(""), "          ", PACKAGE_INFO_BYTES_MAX / 10 + 1, "");
        assert_refused(huge, strlen(huge), "larger than 4 MiB");
        g_autofree char *text =
                repeat(INFO_HEAD "<description>", "x", PACKAGE_TEXT_MAX + 1, "</description>");
        assert_refused(text, strlen(text), "longer than 65536");
        g_autofree char *title = repeat(INFO_HEAD "<title>", "x", PACKAGE_LINE_MAX + 1, "</title>");
        assert_refused(title, strlen(title), "longer than 256");
        g_autofree char *batteries = repeat(INFO_HEAD "<batteries>", "<battery name=\"b\"/>",
                                            PACKAGE_BATTERIES_MAX + 1, "</batteries>");
        assert_refused(batteries, strlen(batteries), "more than 64 batteries");
        g_autofree char *files = repeat(INFO_HEAD "<files>", SYMLINK("l", "a"), PACKAGE_ENTRIES_MAX + 1, "");
        assert_refused(files, strlen(files), "more than 20000 files");
        g_autofree char *path = repeat("", "x/", PACKAGE_DEPTH_MAX, "x");
        g_assert_false(package_path_valid(path));
        g_assert_true(package_path_valid(path + 2));
        g_autofree char *part = repeat("", "x", PACKAGE_PART_MAX + 1, "");
        g_assert_false(package_path_valid(part));
        g_assert_true(package_path_valid(part + 1));
        g_autofree char *nul = g_strdup(WITH(""));
        nul[5] = '\0';
        assert_refused(nul, strlen(WITH("")), "not well-formed");
}

static void test_total(void)
{
        GString *s = g_string_new(INFO_HEAD "<version>1.0</version><files>");
        for (guint i = 0; i < 5; i++)
                g_string_append_printf(s,
                                       "<file type=\"data\" name=\"f%u\" mode=\"0644\" size=\"2147483648\" "
                                       "sha256=\"" SUM "\"/>",
                                       i);
        g_string_append(s, "</files></package-info>");
        assert_refused(s->str, s->len, "more than 8 GiB");
        g_string_free(s, TRUE);
}

static void test_names(void)
{
        g_assert_true(package_name_valid("0ad-data.x+y"));
        g_assert_false(package_name_valid(""));
        g_assert_false(package_name_valid(".x"));
        g_assert_false(package_name_valid("Calc"));
        g_assert_false(package_name_valid("a_b"));
        g_assert_false(package_name_valid("a/b"));
        g_assert_true(package_version_valid("1.2.3.4"));
        g_assert_true(package_version_valid("0"));
        g_assert_false(package_version_valid("1."));
        g_assert_false(package_version_valid("1.0\n"));
        g_assert_false(package_version_valid("1234567890"));
        g_assert_false(package_version_valid("current"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/package-info/good", test_good);
        g_test_add_func("/package-info/refused", test_refused);
        g_test_add_func("/package-info/limits", test_limits);
        g_test_add_func("/package-info/total", test_total);
        g_test_add_func("/package-info/names", test_names);
        return g_test_run();
}
