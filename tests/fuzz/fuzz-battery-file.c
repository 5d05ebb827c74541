/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile battery files: two layers (parted by a form feed, which no valid file holds) become either a
 * configuration within its limits, or problems in words that are fit for a log. */
#include "policy/battery-file.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problems(GPtrArray *problems, gboolean refused)
{
        gboolean error = FALSE;
        g_assert_cmpuint(problems->len, <=, 2 * PROBLEMS_MAX);
        for (gsize i = 0; i < problems->len; i++) {
                Problem *p = problems->pdata[i];
                g_autofree char *text = problem_to_string(p);
                g_assert_true(g_utf8_validate(text, -1, NULL));
                g_assert_null(strchr(text, '\n'));
                error = error || p->level == PROBLEM_ERROR;
        }
        g_assert_true(error == refused);
}

static void check_config(const BatteryConfig *c)
{
        g_assert_true(c->program && *c->program);
        g_assert_true(*c->program == '/' || c->packages[0]);
        g_assert_cmpuint(c->replicants, <=, 1000);
        g_assert_cmpuint(c->passive, <=, c->replicants);
        g_assert_cmpuint(battery_config_floor(c), <=, battery_config_desired(c));
        g_assert_cmpuint(battery_config_max_unavailable(c), >=, 1);
        g_assert_cmpint(c->progress_deadline_us, >, 0);
        g_assert_true(!c->check || c->check[0][0] == '/');
        g_auto(GStrv) arguments = battery_config_expand(c, c->arguments, 1, NULL);
        g_assert_cmpuint(g_strv_length(arguments), ==, g_strv_length(c->arguments));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
        const char *bytes = size ? (const char *)data : "";
        const char *part = memchr(bytes, '\f', size);
        gsize first = part ? (gsize)(part - bytes) : size;
        BatteryLayer layers[] = {{"lower.battery", bytes, first}, {"upper.conf", part ? part + 1 : "", 0}};
        if (part)
                layers[1].length = size - first - 1;
        g_autoptr(BatteryConfig) c = battery_file_parse("calc", layers, G_N_ELEMENTS(layers), problems);
        check_problems(problems, c == NULL);
        if (c)
                check_config(c);
        return 0;
}
