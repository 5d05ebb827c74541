/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packages made, read and refused, by the real worker. A refused one leaves the store as it was. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "store/package-info.h"
#include "store/sandbox.h"
#include "store/worker.h"
#include "tests/unit/store-build.h"
#include "tests/unit/zip-build.h"

#define MARK "HOSTILE-CONTENT"

/* ---- archives of every kind of malice: each adds its entries to Z ---- */

static char *regular(const char *name, const char *mode, const char *bytes, gsize size)
{
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, bytes, -1);
        return g_strdup_printf("<file type=\"data\" name=\"%s\" mode=\"%s\" size=\"%" G_GSIZE_FORMAT
                               "\" sha256=\"%s\"/>",
                               name, mode, size, sum);
}

static void add_info(Zip *z, const char *files)
{
        g_autofree char *xml =
                g_strdup_printf(INFO_HEAD "<version>2.0</version><files>%s</files></package-info>", files);
        zip_add(z, "package-info.xml", 0100644, xml, strlen(xml));
}

static void add_text(Zip *z, const char *name, guint mode, const char *text)
{
        zip_add(z, name, mode, text, strlen(text));
}

/* A description of one file "a" that holds MARK, and then what the test says. */
static void begin_a(Zip *z)
{
        g_autofree char *a = regular("a", "0644", MARK, strlen(MARK));
        add_info(z, a);
}

static void honest(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0100644, MARK);
}

static void wrong_hash(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0100644, "hostile-CONTENT");
}

static void too_large(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0100644, MARK MARK);
}

static void too_small(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0100644, "HOST");
}

static void dot_dot(Zip *z)
{
        honest(z);
        add_text(z, "../../" MARK, 0100644, MARK);
}

static void absolute(Zip *z)
{
        honest(z);
        add_text(z, "/etc/" MARK, 0100644, MARK);
}

static void unlisted(Zip *z)
{
        honest(z);
        add_text(z, "b", 0100644, MARK);
}

static void missing(Zip *z)
{
        begin_a(z);
}

static void twice(Zip *z)
{
        honest(z);
        add_text(z, "a", 0100644, MARK);
}

static void info_twice(Zip *z)
{
        honest(z);
        begin_a(z);
}

static void info_late(Zip *z)
{
        add_text(z, "a", 0100644, MARK);
        begin_a(z);
}

static void setuid_entry(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0104755, MARK);
}

static void setuid_described(Zip *z)
{
        g_autofree char *a = regular("a", "4755", MARK, strlen(MARK));
        add_info(z, a);
        add_text(z, "a", 0100755, MARK);
}

static void device(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0020644, "");
}

/* libarchive takes a FIFO for a file (Info-ZIP writes such entries when it reads a pipe). */
static void fifo(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0010644, "");
}

static void directory(Zip *z)
{
        honest(z);
        add_text(z, "d/", 0040755, "");
}

static void symlink_instead(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0120777, "/etc/passwd");
}

static void symlink_out(Zip *z)
{
        add_info(z, "<file type=\"symlink\" name=\"l\" target=\"../../../etc\"/>");
        add_text(z, "l", 0120777, "../../../etc");
}

static void symlink_lies(Zip *z)
{
        add_info(z, "<file type=\"symlink\" name=\"l\" target=\"inside\"/>");
        add_text(z, "l", 0120777, "../../../etc");
}

static void below_symlink(Zip *z)
{
        g_autofree char *a = regular("l/a", "0644", MARK, strlen(MARK));
        g_autofree char *files = g_strconcat("<file type=\"symlink\" name=\"l\" target=\"d\"/>", a, NULL);
        add_info(z, files);
        add_text(z, "l", 0120777, "d");
        add_text(z, "l/a", 0100644, MARK);
}

/* ZIP has no hard links; an entry that the archive calls a file and that holds a link's name is a file
 * whose bytes are wrong. (Formats that have them are never opened: see test_formats.) */
static void hard_link(Zip *z)
{
        begin_a(z);
        add_text(z, "a", 0100644, "");
}

static void ratio(Zip *z)
{
        g_autofree char *a = regular("a", "0644", MARK, 1000 * 1000);
        add_info(z, a);
        add_text(z, "a", 0100644, MARK);
}

static void entities(Zip *z)
{
        add_text(z, "package-info.xml", 0100644,
                 "<!DOCTYPE x [<!ENTITY a \"" MARK "\"><!ENTITY b \"&a;&a;&a;\">]>" INFO_HEAD
                 "<title>&b;</title></package-info>");
}

static void bad_xml(Zip *z)
{
        add_text(z, "package-info.xml", 0100644, "<" MARK);
}

static void huge_xml(Zip *z)
{
        g_autofree char *xml = g_strnfill(PACKAGE_INFO_BYTES_MAX + 1, ' ');
        zip_add(z, "package-info.xml", 0100644, xml, PACKAGE_INFO_BYTES_MAX + 1);
}

static void huge_signature(Zip *z)
{
        g_autofree char *text = g_strnfill(5000, 'x');
        begin_a(z);
        add_text(z, "package-info.sig", 0100644, text);
        add_text(z, "a", 0100644, MARK);
}

static void wrong_name(Zip *z)
{
        add_text(z, "package-info.xml", 0100644,
                 "<package-info xmlns=\"urn:kantan:package-info:1\" name=\"other\"><version>2.0</version>"
                 "</package-info>");
}

static void wrong_version(Zip *z)
{
        add_text(z, "package-info.xml", 0100644, INFO_HEAD "<version>2.1</version></package-info>");
}

static void many(Zip *z, guint count)
{
        begin_a(z);
        for (guint i = 0; i < count; i++) {
                char name[16];
                g_snprintf(name, sizeof name, "f%u", i);
                zip_add(z, name, 0100644, "", 0);
        }
}

static void million(Zip *z)
{
        many(z, 1000000);
}

static void many_with_lying_count(Zip *z)
{
        many(z, 25000);
        z->entries = 2;
}

static const struct Malice {
        const char *name, *words;
        void (*build)(Zip *z);
} malices[] = {
        {"wrong-hash", "a: SHA-256 differs from package-info", wrong_hash},
        {"too-large", "a: larger than package-info says", too_large},
        {"too-small", "a: smaller than package-info says", too_small},
        {"dot-dot", "entry 3 has no clean relative path", dot_dot},
        {"absolute", "entry 3 has an absolute path", absolute},
        {"unlisted", "b: not listed in package-info", unlisted},
        {"missing", "a: listed in package-info, not in the archive", missing},
        {"twice", "a: stands in the archive twice", twice},
        {"info-twice", "package-info.xml: stands in the archive twice", info_twice},
        {"info-late", "the first entry is not package-info.xml", info_late},
        {"setuid-entry", "entry 2 is setuid", setuid_entry},
        {"setuid-described", "a: setuid, setgid and sticky", setuid_described},
        {"device", "entry 2 is neither a file nor a symlink", device},
        {"fifo", "a: smaller than package-info says", fifo},
        {"directory", "entry 3 is neither a file nor a symlink", directory},
        {"symlink-instead", "a: its type differs", symlink_instead},
        {"symlink-out", "l: the symlink leads out of the package", symlink_out},
        {"symlink-lies", "l: its target differs", symlink_lies},
        {"below-symlink", "l/a: lies below l", below_symlink},
        {"hard-link", "a: smaller than package-info says", hard_link},
        {"ratio", "more than 200 times as large", ratio},
        {"entities", "DOCTYPE", entities},
        {"bad-xml", "not well-formed XML", bad_xml},
        {"huge-xml", "package-info.xml: larger than 4096 KiB", huge_xml},
        {"huge-signature", "package-info.sig: larger than 4 KiB", huge_signature},
        {"wrong-name", "inside it is other 2.0", wrong_name},
        {"wrong-version", "inside it is calc 2.1", wrong_version},
        {"million", "too many entries", million},
        {"lying-count", "not listed in package-info", many_with_lying_count},
};

/* ---- reading them ---- */

typedef struct Fixture {
        char *scratch, *packages;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
        f->scratch = scratch_new();
        f->packages = g_build_filename(f->scratch, "state", "packages", NULL);
        unpack_calc(f->scratch, "1.0");
}

static void tear_down(Fixture *f, gconstpointer data)
{
        g_free(f->packages);
        scratch_free(f->scratch);
}

/* Reads BYTES as calc_2.0.kantan; it must be refused with WORDS, and the store must not notice. */
static void assert_refused(const Fixture *f, const void *bytes, gsize length, const char *words)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_build_filename(f->scratch, "calc_2.0.kantan", NULL);
        g_autofree char *before = listing(f->packages);
        g_assert_true(g_file_set_contents(path, bytes, (gssize)length, NULL));
        g_autoptr(PackageInfo) info = read_path(path, f->packages, &error);
        g_autofree char *after = listing(f->packages);
        g_assert_null(info);
        g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        if (!strstr(error->message, words) || !g_str_has_prefix(error->message, "calc_2.0.kantan: "))
                g_error("'%s' does not say '%s'", error->message, words);
        g_assert_null(strstr(error->message, MARK));
        g_assert_cmpstr(before, ==, after);
}

static void test_malice(Fixture *f, gconstpointer data)
{
        const struct Malice *m = data;
        Zip z;
        zip_begin(&z);
        m->build(&z);
        g_autoptr(GBytes) archive = zip_end(&z);
        assert_refused(f, g_bytes_get_data(archive, NULL), g_bytes_get_size(archive), m->words);
}

static GBytes *honest_archive(void)
{
        Zip z;
        zip_begin(&z);
        honest(&z);
        return zip_end(&z);
}

static void test_honest(Fixture *f, gconstpointer data)
{
        gsize length;
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) archive = honest_archive();
        g_autofree char *path = g_build_filename(f->scratch, "calc_2.0.kantan", NULL);
        g_autofree char *file = g_build_filename(f->packages, "calc", "2.0", "a", NULL);
        g_autofree char *text = NULL;
        g_file_set_contents(path, g_bytes_get_data(archive, &length), (gssize)g_bytes_get_size(archive),
                            NULL);
        g_autoptr(PackageInfo) info = read_path(path, f->packages, &error);
        g_assert_nonnull(info);
        g_assert_no_error(error);
        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, MARK);
}

/* Cut anywhere, or with a byte more anywhere near its ends: never accepted. */
static void test_truncated(Fixture *f, gconstpointer data)
{
        g_autoptr(GBytes) archive = honest_archive();
        gsize length;
        const guint8 *bytes = g_bytes_get_data(archive, &length);
        for (gsize n = 0; n < length; n += 13)
                assert_refused(f, bytes, n, "truncated");
        assert_refused(f, bytes, length - 1, "truncated");
}

static void test_garbage(Fixture *f, gconstpointer data)
{
        g_autoptr(GBytes) archive = honest_archive();
        g_autoptr(GByteArray) after = g_byte_array_new(), before = g_byte_array_new();
        gsize length;
        const guint8 *bytes = g_bytes_get_data(archive, &length);
        g_byte_array_append(after, bytes, (guint)length);
        g_byte_array_append(after, (const guint8 *)MARK, strlen(MARK));
        assert_refused(f, after->data, after->len, "bytes that belong to no entry");
        g_byte_array_append(before, (const guint8 *)"PK\3\4" MARK, 4 + strlen(MARK));
        g_byte_array_append(before, bytes, (guint)length);
        assert_refused(f, before->data, before->len, "bytes that belong to no entry");
        /* A comment that is announced is garbage, too; so is one that does not come. */
        after->data[length - 2] = (guint8)strlen(MARK);
        assert_refused(f, after->data, after->len, "bytes that belong to no entry");
        assert_refused(f, after->data, length, "bytes that belong to no entry");
}

/* Every byte turned over, one by one: refused, or the very same package. Never a crash of the reader. */
static void test_flipped(Fixture *f, gconstpointer data)
{
        g_autoptr(GBytes) archive = honest_archive();
        gsize length, refused = 0, tried = 0;
        const guint8 *bytes = g_bytes_get_data(archive, &length);
        g_autofree char *path = g_build_filename(f->scratch, "calc_2.0.kantan", NULL);
        g_autofree guint8 *copy = g_memdup2(bytes, length);
        for (gsize i = 0; i < length; i += 7) {
                g_autoptr(GError) error = NULL;
                copy[i] ^= 0x55;
                g_file_set_contents(path, (const char *)copy, (gssize)length, NULL);
                copy[i] ^= 0x55;
                g_autoptr(PackageInfo) info = read_path(path, NULL, &error);
                tried++;
                if (info)
                        continue;
                refused++;
                g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        }
        /* What may change unnoticed: times and the like in the headers. */
        g_assert_cmpuint(refused, >, tried / 2);
}

/* Only ZIP is opened, whatever else libarchive could read. */
static void test_formats(Fixture *f, gconstpointer data)
{
        g_autofree char *tar = g_malloc0(10240);
        memcpy(tar, "package-info.xml", 16);
        memcpy(tar + 257, "ustar", 5);
        assert_refused(f, tar, 10240, "not a ZIP archive");
        assert_refused(f, "", 0, "not a ZIP archive");
        assert_refused(f, "!<arch>\n" MARK, 8 + strlen(MARK), "not a ZIP archive");
}

static void test_open(Fixture *f, gconstpointer data)
{
        const char *bad[] = {"/dev/null", f->scratch};
        for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;
                g_assert_cmpint(package_open(bad[i], &error), ==, -1);
                g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        }
        g_autoptr(GError) error = NULL;
        g_autofree char *pipe = g_build_filename(f->scratch, "pipe", NULL);
        g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
        g_assert_cmpint(package_open(pipe, &error), ==, -1);
        g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        g_clear_error(&error);
        g_assert_cmpint(package_open("/none", &error), ==, -1);
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
        /* A person's symlink is followed. */
        g_clear_error(&error);
        g_autofree char *link = g_build_filename(f->scratch, "calc_1.0.kantan.link", NULL);
        g_assert_cmpint(symlink("calc_1.0.kantan", link), ==, 0);
        AUTO_FD int fd = package_open(link, &error);
        g_assert_no_error(error);
        g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
}

static void test_twice_unpacked(Fixture *f, gconstpointer data)
{
        g_autofree char *before = listing(f->packages);
        unpack_calc(f->scratch, "1.0");
        g_autofree char *after = listing(f->packages);
        g_assert_cmpstr(before, ==, after);

        /* The same version with other contents is refused. */
        g_autoptr(GError) error = NULL;
        g_autofree char *source = g_build_filename(f->scratch, "source", "1.0", NULL);
        g_autofree char *path = g_build_filename(f->scratch, "calc_1.0.kantan", NULL);
        write_text(source, "bin/more", "more", 0755);
        g_autofree char *made = package_make(source, path, &error);
        g_assert_nonnull(made);
        g_autoptr(PackageInfo) info = read_path(path, f->packages, &error);
        g_assert_null(info);
        g_assert_error(error, PACKAGE_ERROR, PACKAGE_ERROR_BAD);
        g_assert_nonnull(strstr(error->message, "in the store already with other contents"));
        g_autofree char *at_last = listing(f->packages);
        g_assert_cmpstr(before, ==, at_last);
}

static void test_cancelled(Fixture *f, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GCancellable) cancel = g_cancellable_new();
        g_autofree char *path = make_calc(f->scratch, "1.1");
        g_autofree char *before = listing(f->packages);
        AUTO_FD int fd = package_open(path, &error);
        g_cancellable_cancel(cancel);
        g_autoptr(PackageInfo) info = package_read(fd, NULL, f->packages, cancel, &error);
        g_assert_null(info);
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        g_autofree char *after = listing(f->packages);
        g_assert_cmpstr(before, ==, after);
}

/* The write itself fails: a fault, not a bad package, and nothing stays. */
static void test_file_limit(Fixture *f, gconstpointer data)
{
        g_autofree char *source = g_build_filename(f->scratch, "source", "3.0", NULL);
        g_autofree char *text = g_strnfill(200000, 'x');
        g_autoptr(GError) error = NULL;
        for (gsize i = 0; i < 200000; i++)
                text[i] = (char)('a' + g_random_int_range(0, 26));
        write_text(source, "bin/large", text, 0644);
        g_autofree char *path = make_calc(f->scratch, "3.0");
        g_autofree char *before = listing(f->packages);

        struct rlimit was, small;
        getrlimit(RLIMIT_FSIZE, &was);
        small = was;
        small.rlim_cur = 100000;
        signal(SIGXFSZ, SIG_IGN);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
        g_autoptr(PackageInfo) info = read_path(path, f->packages, &error);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &was), ==, 0);
        signal(SIGXFSZ, SIG_DFL);
        g_assert_null(info);
        g_assert_cmpuint(error->domain, ==, G_IO_ERROR);
        g_assert_nonnull(strstr(error->message, "unpacking bin/large"));
        g_autofree char *after = listing(f->packages);
        g_assert_cmpstr(before, ==, after);

        /* With room again it succeeds. */
        g_clear_error(&error);
        g_autoptr(PackageInfo) again = read_path(path, f->packages, &error);
        g_assert_nonnull(again);
        g_assert_no_error(error);
}

/* ---- making ---- */

static void test_reproducible(Fixture *f, gconstpointer data)
{
        g_autofree char *first = NULL, *second = NULL, *path = make_calc(f->scratch, "1.0");
        gsize first_length, second_length;
        g_assert_true(g_file_get_contents(path, &first, &first_length, NULL));
        g_autofree char *program = g_build_filename(f->scratch, "source", "1.0", "bin", "calcd", NULL);
        const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
        g_assert_cmpint(utimensat(AT_FDCWD, program, times, 0), ==, 0);
        g_assert_cmpint(chmod(program, 0700), ==, 0);
        g_setenv("TZ", "Asia/Tokyo", TRUE);
        g_autofree char *again = make_calc(f->scratch, "1.0");
        g_unsetenv("TZ");
        g_assert_true(g_file_get_contents(again, &second, &second_length, NULL));
        g_assert_cmpmem(first, first_length, second, second_length);
}

static void test_make_refuses(Fixture *f, gconstpointer data)
{
        g_autofree char *source = g_build_filename(f->scratch, "source", "4.0", NULL);
        g_autofree char *output = g_build_filename(f->scratch, "out.kantan", NULL);
        g_autofree char *pipe = g_build_filename(source, "pipe", NULL);
        g_autofree char *link = g_build_filename(source, "link", NULL);
        g_autoptr(GError) error = NULL;
        write_text(source, "package-info.xml", INFO_HEAD "<version>4.0</version></package-info>", 0644);
        g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
        g_assert_null(package_make(source, output, &error));
        g_assert_nonnull(strstr(error->message, "pipe: only files"));
        unlink(pipe);

        g_clear_error(&error);
        g_assert_cmpint(symlink("../../..", link), ==, 0);
        g_assert_null(package_make(source, output, &error));
        g_assert_nonnull(strstr(error->message, "link: the symlink leads out"));
        unlink(link);

        g_clear_error(&error);
        g_autofree char *zeros = g_strnfill(4000000, '0');
        write_text(source, "zeros", zeros, 0644);
        g_assert_null(package_make(source, output, &error));
        g_assert_nonnull(strstr(error->message, "compress more than 200 times"));
        g_assert_false(g_file_test(output, G_FILE_TEST_EXISTS));
}

/* The author lists the files: then the list must be true. */
static void test_make_listed(Fixture *f, gconstpointer data)
{
        g_autofree char *source = g_build_filename(f->scratch, "source", "5.0", NULL);
        g_autofree char *output = g_build_filename(f->scratch, "calc_5.0.kantan", NULL);
        g_autofree char *line = regular("a", "0640", "text", 4);
        g_autofree char *xml =
                g_strdup_printf(INFO_HEAD "<version>5.0</version><files>%s</files></package-info>", line);
        g_autoptr(GError) error = NULL;
        write_text(source, "package-info.xml", xml, 0644);
        g_assert_null(package_make(source, output, &error));
        g_assert_nonnull(strstr(error->message, "a: listed in package-info, not in the directory"));
        g_clear_error(&error);
        write_text(source, "a", "TEXT", 0644);
        g_assert_null(package_make(source, output, &error));
        g_assert_nonnull(strstr(error->message, "a: differs from package-info"));
        g_clear_error(&error);
        write_text(source, "a", "text", 0644);
        g_autofree char *made = package_make(source, output, &error);
        g_assert_no_error(error);
        g_autoptr(PackageInfo) info = read_path(made, f->packages, &error);
        g_assert_nonnull(info);
        g_assert_no_error(error);
        struct stat st;
        g_autofree char *file = g_build_filename(f->packages, "calc", "5.0", "a", NULL);
        g_assert_cmpint(stat(file, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0640);
}

/* ---- the cage ---- */

static char *status_of(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
        char *text = NULL;
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return text;
}

static guint descriptors_of(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
        AUTO_FD int fd = fd_open_dir(AT_FDCWD, path);
        g_autoptr(GPtrArray) names = fd_list(fd);
        return names->len;
}

/* A worker that waits for somebody to read its pipe is looked at from outside. */
static void test_cage(Fixture *f, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_build_filename(f->scratch, "large.zip", NULL);
        g_autofree char *large = g_strnfill(4 * 1024 * 1024, 'x');
        Zip z;
        Worker w;
        char some[64];
        zip_begin(&z);
        zip_add(&z, "package-info.xml", 0100644, large, 4 * 1024 * 1024);
        g_autoptr(GBytes) archive = zip_end(&z);
        g_file_set_contents(path, g_bytes_get_data(archive, NULL), (gssize)g_bytes_get_size(archive), NULL);
        AUTO_FD int fd = package_open(path, &error);
        AUTO_FD int stray = open("/dev/null", O_RDONLY); /* not close-on-exec: must not get there */
        g_assert_cmpint(stray, >=, 3);
        g_assert_true(worker_start(&w, fd, NULL, &error));
        /* More than HELLO: so it is past its locking in. */
        for (gsize got = 0; got < sizeof some;) {
                ssize_t n = read(w.out, some, sizeof some - got);
                g_assert_cmpint(n, >, 0);
                got += (gsize)n;
        }
        g_autofree char *status = status_of(w.pid);
        g_assert_nonnull(strstr(status, "NoNewPrivs:\t1"));
        if (!SANDBOX_SANITIZED)
                g_assert_nonnull(strstr(status, "Seccomp:\t2"));
        if (geteuid() == 0) {
                g_assert_nonnull(strstr(status, "Uid:\t65534\t65534\t65534\t65534"));
                g_assert_nonnull(strstr(status, "Gid:\t65534\t65534\t65534\t65534"));
                g_assert_nonnull(strstr(status, "Groups:\t \n"));
                g_assert_nonnull(strstr(status, "CapEff:\t0000000000000000"));
                g_assert_cmpuint(descriptors_of(w.pid), ==, 3);
        }
        pid_t pid = w.pid;
        worker_end(&w);
        g_assert_cmpint(kill(pid, 0), ==, -1);
}

int main(int argc, char **argv)
{
        if (package_is_worker(argc, argv))
                return package_worker_main();
        g_test_init(&argc, &argv, NULL);
        for (guint i = 0; i < G_N_ELEMENTS(malices); i++) {
                g_autofree char *path = g_strconcat("/package/refused/", malices[i].name, NULL);
                g_test_add(path, Fixture, &malices[i], set_up, test_malice, tear_down);
        }
        g_test_add("/package/honest", Fixture, NULL, set_up, test_honest, tear_down);
        g_test_add("/package/truncated", Fixture, NULL, set_up, test_truncated, tear_down);
        g_test_add("/package/garbage", Fixture, NULL, set_up, test_garbage, tear_down);
        g_test_add("/package/flipped", Fixture, NULL, set_up, test_flipped, tear_down);
        g_test_add("/package/formats", Fixture, NULL, set_up, test_formats, tear_down);
        g_test_add("/package/open", Fixture, NULL, set_up, test_open, tear_down);
        g_test_add("/package/twice-unpacked", Fixture, NULL, set_up, test_twice_unpacked, tear_down);
        g_test_add("/package/cancelled", Fixture, NULL, set_up, test_cancelled, tear_down);
        g_test_add("/package/file-limit", Fixture, NULL, set_up, test_file_limit, tear_down);
        g_test_add("/package/reproducible", Fixture, NULL, set_up, test_reproducible, tear_down);
        g_test_add("/package/make-refuses", Fixture, NULL, set_up, test_make_refuses, tear_down);
        g_test_add("/package/make-listed", Fixture, NULL, set_up, test_make_listed, tear_down);
        g_test_add("/package/cage", Fixture, NULL, set_up, test_cage, tear_down);
        return g_test_run();
}
