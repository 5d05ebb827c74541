/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Package managers' words as package changes: what is taken, every limit, hostile input; the options. */
#include "kantan-hooks/hook-call.h"
#include "kantan-hooks/hook-options.h"
#include "kantan-hooks/hook-place.h"

#include <glib/gstdio.h>
#include <string.h>

static HookCall *call_read(const char *verb, const char *input, gsize length, GError **error)
{
        const char *words[] = {verb, NULL}, *none[] = {NULL};
        HookSource source = {words, none, input, length};
        return hook_adapter_find("kantan")->read(&source, error);
}

static void assert_refused_bytes(const char *input, gsize length, const char *expected)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(HookCall) call = call_read("pre", input, length, &error);
        g_assert_null(call);
        g_assert_error(error, HOOK_ERROR, HOOK_ERROR_BAD);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        if (!strstr(error->message, expected))
                g_error("\"%s\" does not say \"%s\"", error->message, expected);
}

static void assert_refused(const char *input, const char *expected)
{
        assert_refused_bytes(input, strlen(input), expected);
}

static void test_pre(void)
{
        const char *input = "install\tcalc\t-\t1.0\t/srv/calc_1.0.kantan\n"
                            "remove\told\t3\t-\t-\n"
                            "upgrade\tgr\xc3\xbc\xc3\x9f\t1\t2\t-";
        g_autoptr(GError) error = NULL;
        g_autoptr(HookCall) call = call_read("pre", input, strlen(input), &error);
        g_assert_no_error(error);
        g_assert_cmpstr(call->manager, ==, "kantan");
        g_assert_cmpint(call->verb, ==, HOOK_PRE);
        g_assert_cmpuint(call->changes->len, ==, 3);
        const HookChange *c = call->changes->pdata[0];
        g_assert_cmpint(c->operation, ==, HOOK_INSTALL);
        g_assert_cmpstr(c->name, ==, "calc");
        g_assert_null(c->old_version);
        g_assert_cmpstr(c->new_version, ==, "1.0");
        g_assert_cmpstr(c->archive, ==, "/srv/calc_1.0.kantan");
        c = call->changes->pdata[1];
        g_assert_cmpint(c->operation, ==, HOOK_REMOVE);
        g_assert_cmpstr(c->old_version, ==, "3");
        g_assert_null(c->new_version);
        g_assert_null(c->archive);
        c = call->changes->pdata[2]; /* the last line needs no newline */
        g_assert_cmpstr(c->name, ==, "gr\xc3\xbc\xc3\x9f");
}

static void test_every_operation(void)
{
        for (int i = 0; i < _HOOK_OPERATION_MAX; i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *input = g_strdup_printf("%s\ta\t1\t2\t-\n", hook_operation_to_string(i));
                g_autoptr(HookCall) call = call_read("pre", input, strlen(input), &error);
                g_assert_no_error(error);
                g_assert_cmpint(((HookChange *)call->changes->pdata[0])->operation, ==, i);
        }
}

static void test_empty(void)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(HookCall) call = call_read("pre", NULL, 0, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(call->changes->len, ==, 0);
}

static void test_verbs(void)
{
        static const char *const bad[] = {"", "Pre", "pre ", "finish", "-"};
        const char *two[] = {"pre", "post", NULL}, *none[] = {NULL};
        const HookAdapter *kantan = hook_adapter_find("kantan");
        for (int i = 0; i < _HOOK_VERB_MAX; i++) {
                const char *words[] = {hook_verb_to_string(i), NULL};
                HookSource source = {words, none, "not looked at unless pre\n", i == HOOK_PRE ? 0 : 25};
                g_autoptr(HookCall) call = kantan->read(&source, NULL);
                g_assert_cmpint(call->verb, ==, i);
                g_assert_cmpint(kantan->input_fd(&source), ==, i == HOOK_PRE ? 0 : -1);
        }
        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_null(call_read(bad[i], "", 0, NULL));
        HookSource nothing = {none, none, NULL, 0}, twice = {two, none, NULL, 0};
        g_assert_null(kantan->read(&nothing, NULL));
        g_assert_null(kantan->read(&twice, NULL));
        g_assert_cmpint(kantan->input_fd(&nothing), ==, -1);
        g_assert_cmpint(kantan->input_fd(&twice), ==, -1);
}

static void test_adapters(void)
{
        g_assert_true(hook_adapter_find("kantan") == &hook_adapter_kantan);
        g_assert_null(hook_adapter_find("Kantan"));
        g_assert_null(hook_adapter_find(""));
        g_assert_null(hook_adapter_find(NULL));
}

static void test_hostile(void)
{
        static const char *const shape = "separated by one tab";
        assert_refused("\n", shape);
        assert_refused("install calc - 1.0 -\n", shape);
        assert_refused("install\tcalc\t-\t1.0\n", shape);
        assert_refused("install\tcalc\t-\t1.0\t-\tmore\n", shape);
        assert_refused("install\tcalc\t-\t1.0\t-\n\n", "line 2");
        assert_refused("Install\tcalc\t-\t1.0\t-\n", "operation must be");
        assert_refused("\tcalc\t-\t1.0\t-\n", "operation must be");
        assert_refused("install\t\t-\t1.0\t-\n", "package name is empty");
        assert_refused("install\t-\t-\t1.0\t-\n", "package name is needed");
        assert_refused("install\tcal\x1b[2Jc\t-\t1.0\t-\n", "package name");
        assert_refused("install\tcal\xc2\x9b"
                       "c\t-\t1.0\t-\n",
                       "package name"); /* C1: an escape as well */
        assert_refused("install\tcalc\t\t1.0\t-\n", "old version");
        assert_refused("install\tcalc\t-\t1.0\r\t-\n", "new version");
        assert_refused("install\tcalc\t-\t-\t-\n", "needs a new version");
        assert_refused("install\tcalc\t-\t1.0\tcalc.kantan\n", "absolute");
        assert_refused("install\tcalc\t-\t1.0\t../x\n", "absolute");
        assert_refused("install\tcalc\t-\t1.0\t\n", "archive");
        assert_refused("install\tcalc\t-\t1.0\t/a\x07\n", "archive");
        assert_refused("install\tcal\xff\xfe"
                       "c\t-\t1.0\t-\n",
                       "UTF-8");
        assert_refused("install\tcal\xc3", "UTF-8");
        assert_refused_bytes("install\tca\0lc\t-\t1.0\t-\n", 24, "UTF-8");
}

static void test_line_limit(void)
{
        static const char start[] = "install\tcalc\t-\t1.0\t/";
        g_autoptr(GString) s = g_string_new(start);
        g_autoptr(GError) error = NULL;
        while (s->len < HOOK_LINE_MAX)
                g_string_append_c(s, 'a');
        g_autoptr(HookCall) call = call_read("pre", s->str, s->len, &error);
        g_assert_no_error(error);
        g_assert_nonnull(call);
        g_string_append_c(s, 'a');
        assert_refused_bytes(s->str, s->len, "longer than 4096 bytes");
}

static void test_change_limit(void)
{
        g_autoptr(GString) s = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        for (int i = 0; i < HOOK_CHANGES_MAX; i++)
                g_string_append(s, "remove\ta\t1\t-\t-\n");
        g_autoptr(HookCall) call = call_read("pre", s->str, s->len, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(call->changes->len, ==, HOOK_CHANGES_MAX);
        g_string_append(s, "remove\ta\t1\t-\t-\n");
        assert_refused_bytes(s->str, s->len, "more than 10000 lines");
}

static void test_input_limit(void)
{
        g_autofree char *big = g_malloc(HOOK_INPUT_MAX + 1);
        memset(big, '\n', HOOK_INPUT_MAX + 1);
        assert_refused_bytes(big, HOOK_INPUT_MAX, "separated by one tab");
        assert_refused_bytes(big, HOOK_INPUT_MAX + 1, "bytes of changes");
}

/* Adapters that do not read lines meet the limit on changes as well. */
static void test_add_limit(void)
{
        g_autoptr(HookCall) call = hook_call_new("kantan", HOOK_PRE);
        g_autoptr(GError) error = NULL;
        for (int i = 0; i < HOOK_CHANGES_MAX; i++)
                g_assert_true(hook_call_add(call, 1, HOOK_REMOVE, "a", NULL, NULL, NULL, NULL));
        g_assert_false(hook_call_add(call, 1, HOOK_REMOVE, "a", NULL, NULL, NULL, &error));
        g_assert_error(error, HOOK_ERROR, HOOK_ERROR_BAD);
        g_assert_cmpuint(call->changes->len, ==, HOOK_CHANGES_MAX);
}

static void test_options(void)
{
        const char *argv[] = {"kantan-hook",
                              "--manager=kantan",
                              "--bus=unix:path=/x",
                              "--config=/c",
                              "--state=/s",
                              "--log-level=debug",
                              "pre",
                              NULL};
        g_autoptr(GError) error = NULL;
        g_autoptr(HookOptions) o = hook_options_parse(argv, &error);
        g_assert_no_error(error);
        g_assert_cmpint(o->ask, ==, HOOK_ASK_RUN);
        g_assert_cmpstr(o->manager, ==, "kantan");
        g_assert_cmpstr(o->bus, ==, "unix:path=/x");
        g_assert_cmpstr(o->config, ==, "/c");
        g_assert_cmpstr(o->state, ==, "/s");
        g_assert_cmpstr(o->log_level, ==, "debug");
        g_assert_cmpuint(g_strv_length(o->words), ==, 1);
        g_assert_cmpstr(o->words[0], ==, "pre");
}

static void test_options_few(void)
{
        const char *bare[] = {"kantan-hook", NULL}, *help[] = {"kantan-hook", "-h", NULL};
        const char *version[] = {"kantan-hook", "--version", NULL},
                   *bad[] = {"kantan-hook", "--nonsense", NULL};
        g_autoptr(HookOptions) o = hook_options_parse(bare, NULL);
        g_assert_cmpstr(o->bus, ==, "system");
        g_assert_null(o->manager);
        g_assert_cmpuint(g_strv_length(o->words), ==, 0);
        g_autoptr(HookOptions) h = hook_options_parse(help, NULL);
        g_assert_cmpint(h->ask, ==, HOOK_ASK_HELP);
        g_autoptr(HookOptions) v = hook_options_parse(version, NULL);
        g_assert_cmpint(v->ask, ==, HOOK_ASK_VERSION);
        g_assert_null(hook_options_parse(bad, NULL));
}

static void test_place(void)
{
        g_autofree char *here = g_dir_make_tmp("hook-place-XXXXXX", NULL);
        g_autofree char *missing = g_build_filename(here, "missing", NULL);
        g_assert_cmpint(hook_place_find("/", here, here, here), ==, HOOK_PLACE_CHROOT);
        g_assert_cmpint(hook_place_find("/", "/", here, missing), ==, HOOK_PLACE_RUNNING);
        g_assert_cmpint(hook_place_find("/", "/", missing, here), ==, HOOK_PLACE_RUNNING);
        g_assert_cmpint(hook_place_find("/", "/", missing, missing), ==, HOOK_PLACE_NOT_BOOTED);
        /* process 1's root cannot be seen by everybody */
        g_assert_cmpint(hook_place_find("/", missing, here, here), ==, HOOK_PLACE_RUNNING);
        g_rmdir(here);
}

static void test_text_plain(void)
{
        g_autofree char *none = hook_text_plain(NULL);
        g_autofree char *hostile = hook_text_plain("b\xc3\xb6se \x1b[2J\n\xff.");
        g_autofree char *big = g_strnfill(5000, 'a');
        g_autofree char *cut = hook_text_plain(big);
        g_assert_cmpstr(none, ==, "");
        g_assert_cmpstr(hostile, ==, "b\xc3\xb6se ?[2J?\xef\xbf\xbd.");
        g_assert_cmpuint(strlen(cut), ==, 1000);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/hook-call/pre", test_pre);
        g_test_add_func("/hook-call/every-operation", test_every_operation);
        g_test_add_func("/hook-call/empty", test_empty);
        g_test_add_func("/hook-call/verbs", test_verbs);
        g_test_add_func("/hook-call/adapters", test_adapters);
        g_test_add_func("/hook-call/hostile", test_hostile);
        g_test_add_func("/hook-call/line-limit", test_line_limit);
        g_test_add_func("/hook-call/change-limit", test_change_limit);
        g_test_add_func("/hook-call/input-limit", test_input_limit);
        g_test_add_func("/hook-call/add-limit", test_add_limit);
        g_test_add_func("/hook-call/options", test_options);
        g_test_add_func("/hook-call/options-few", test_options_few);
        g_test_add_func("/hook-call/place", test_place);
        g_test_add_func("/hook-call/text-plain", test_text_plain);
        return g_test_run();
}
