/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of our files share: a list of problems, and that it holds exactly one, this one. */
#pragma once

#include "policy/problem.h"

#include <string.h>

static inline GPtrArray *problems_new(void)
{
        return g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
}

/* Exactly one problem, this one. */
static inline void check_problem(GPtrArray *problems, ProblemLevel level, const char *file, guint line,
                          const char *said)
{
        for (gsize i = 0; i < problems->len && problems->len != 1; i++) {
                g_autofree char *text = problem_to_string(g_ptr_array_index(problems, i));
                g_test_message("%s", text);
        }
        g_assert_cmpuint(problems->len, ==, 1);
        Problem *p = g_ptr_array_index(problems, 0);
        g_autofree char *text = problem_to_string(p);
        g_autofree char *begin =
                line ? g_strdup_printf("%s:%u: %s: ", file, line,
                                       level == PROBLEM_ERROR ? "error" : "warning")
                     : g_strdup_printf("%s: %s: ", file, level == PROBLEM_ERROR ? "error" : "warning");
        if (!g_str_has_prefix(text, begin) || !strstr(text, said))
                g_error("'%s' is not '%s…%s…'", text, begin, said);
        if (level == PROBLEM_ERROR && !strstr(p->text, "expected"))
                g_error("'%s' does not say what was expected", text);
}
