/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers that follow from a battery's configuration: amounts, the floor, placeholders, names. */
#include "orchestrator/model/battery-config.h"

#include <string.h>

static void test_defaults(void)
{
        g_autoptr(BatteryConfig) c = battery_config_new("calc");
        g_assert_cmpstr(c->name, ==, "calc");
        g_assert_cmpuint(battery_config_desired(c), ==, 1);
        g_assert_cmpuint(battery_config_max_unavailable(c), ==, 1);
        g_assert_cmpuint(battery_config_floor(c), ==, 0);
        g_assert_cmpint(c->warn_us, ==, 10 * G_USEC_PER_SEC);
        g_assert_cmpint(c->coalesce_us, ==, 5 * G_USEC_PER_SEC);
        g_assert_cmpuint(g_strv_length(c->packages), ==, 0);
        battery_config_free(NULL);
}

static void test_amounts(void)
{
        static const struct {
                Amount amount;
                guint total, at_least, expected;
        } cases[] = {
                {{2, FALSE}, 10, 1, 2},     {{0, FALSE}, 10, 1, 0}, {{25, TRUE}, 10, 1, 2},
                {{25, TRUE}, 3, 1, 1},      {{25, TRUE}, 3, 0, 0},  {{100, TRUE}, 7, 1, 7},
                {{99, TRUE}, 1000, 1, 990}, {{50, TRUE}, 0, 1, 1},  {{33, TRUE}, 3, 0, 0},
        };
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
                g_assert_cmpuint(amount_of(cases[i].amount, cases[i].total, cases[i].at_least), ==,
                                 cases[i].expected);
}

/* All small batteries: the floor never exceeds Desired by default and leaves room for MaxUnavailable. */
static void test_floor(void)
{
        g_autoptr(BatteryConfig) c = battery_config_new("calc");
        for (c->replicants = 0; c->replicants < 12; c->replicants++)
                for (c->passive = 0; c->passive <= c->replicants; c->passive++)
                        for (guint away = 1; away < 12; away++) {
                                guint desired = c->replicants - c->passive;
                                c->max_unavailable = (Amount){away, FALSE};
                                g_assert_cmpuint(battery_config_desired(c), ==, desired);
                                g_assert_cmpuint(battery_config_floor(c), ==,
                                                 desired > away ? desired - away : 0);
                        }
        c->replicants = 10;
        c->passive = 2;
        c->min_active_set = TRUE;
        c->min_active = (Amount){50, TRUE};
        g_assert_cmpuint(battery_config_floor(c), ==, 4);
        c->min_active = (Amount){0, FALSE};
        g_assert_cmpuint(battery_config_floor(c), ==, 0);
        c->max_unavailable = (Amount){1, TRUE};
        g_assert_cmpuint(battery_config_max_unavailable(c), ==, 1);
        c->rollback_max_unavailable = (Amount){50, TRUE};
        g_assert_cmpuint(battery_config_rollback_max_unavailable(c), ==, 4);
}

static void test_expand(void)
{
        g_autoptr(BatteryConfig) c = battery_config_new("calc");
        const char *argv[] = {"/bin/x", "--id=%i", "%b/%i", "100%%", "%%i", "%", "%z", "", NULL};
        g_auto(GStrv) words = battery_config_expand(c, (char *const *)argv, 12, NULL);
        g_autofree char *joined = g_strjoinv("|", words);
        g_assert_cmpstr(joined, ==, "/bin/x|--id=12|calc/12|100%|%i|%|%z|");
}

static void test_names(void)
{
        static const char *const good[] = {"a", "calc", "a_1", "x0123456789"};
        static const char *const bad[] = {"", "A", "1a", "_a", "a-b", "a.b", "a/b", "../x", "ä", "a b"};
        for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
                g_assert_true(battery_name_valid(good[i]));
        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_false(battery_name_valid(bad[i]));
        g_assert_false(battery_name_valid(NULL));
        g_autofree char *longest = g_strnfill(48, 'a'), *longer = g_strnfill(49, 'a');
        g_assert_true(battery_name_valid(longest));
        g_assert_false(battery_name_valid(longer));
}

static void test_words(void)
{
        for (int i = 0; i < _STRATEGY_MAX; i++)
                g_assert_cmpint(strategy_from_string(strategy_to_string(i)), ==, i);
        for (int i = 0; i < _ON_FAILURE_MAX; i++)
                g_assert_cmpint(on_failure_from_string(on_failure_to_string(i)), ==, i);
        for (int i = 0; i < _RUNNER_KIND_MAX; i++)
                g_assert_cmpint(runner_kind_from_string(runner_kind_to_string(i)), ==, i);
        g_assert_cmpint(strategy_from_string("Rolling"), ==, _STRATEGY_INVALID);
        g_assert_cmpint(strategy_from_string(NULL), ==, _STRATEGY_INVALID);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/battery-config/defaults", test_defaults);
        g_test_add_func("/battery-config/amounts", test_amounts);
        g_test_add_func("/battery-config/floor", test_floor);
        g_test_add_func("/battery-config/expand", test_expand);
        g_test_add_func("/battery-config/names", test_names);
        g_test_add_func("/battery-config/words", test_words);
        return g_test_run();
}
