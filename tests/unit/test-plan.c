/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The planner against golden plans (tests/golden/NAME.plan, written anew with GOLDEN_WRITE=1), its laws
 * over many small batteries, and the roll's choice of the next step. */
#include "orchestrator/plan/plan.h"

typedef struct Case {
        const char *name;
        guint replicants, passive, max_unavailable;
        int min_active; /* -1: the default */
        guint canary;
        Strategy strategy, asked;
        const char *from, *to, *from_c, *to_c;
        gboolean stopped, override, restart;
        guint only, down; /* replicant DOWN has crashed */
        guint already;    /* replicants 1..ALREADY run `to` */
} Case;

static const Case cases[] = {
        {"rolling-three", 3, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .only = 0},
        {"auto-full-stop", 3, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_AUTO, "1.1", "2.0", "1", "2", .only = 0},
        {"asked-full-stop", 3, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_FULL_STOP, "1.0", "1.1", "1", "1",
         .only = 0},
        {"two-at-once", 5, 0, 2, -1, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .only = 0},
        {"floor-narrows", 5, 0, 3, 4, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .only = 0},
        {"floor-refuses", 1, 0, 1, 1, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .only = 0},
        {"override", 1, 0, 1, 1, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1",
         .override = TRUE},
        {"passive-first", 4, 1, 1, -1, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .only = 0},
        {"canary", 4, 0, 1, -1, 1, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .only = 0},
        {"one-down", 3, 0, 1, -1, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .down = 2},
        {"stopped", 3, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_AUTO, "1.0", "2.0", "1", "2", .stopped = TRUE},
        {"restart", 3, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_ROLLING, "1.0", "1.0", "1", "1", .restart = TRUE},
        {"restart-one", 3, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_ROLLING, "1.0", "1.0", "1", "1",
         .restart = TRUE, .only = 2},
        {"half-done", 4, 0, 1, -1, 0, STRATEGY_ROLLING, STRATEGY_AUTO, "1.0", "1.1", "1", "1", .already = 2},
        {"remove", 2, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_AUTO, "1.0", "", "1", NULL, .only = 0},
        {"first-install", 2, 0, 1, -1, 0, STRATEGY_AUTO, STRATEGY_AUTO, "", "1.0", NULL, "1",
         .stopped = TRUE},
};

static PlanReplicant snapshot_one(const Case *c, guint id)
{
        Role role = id <= c->replicants - c->passive ? ROLE_ACTIVE : ROLE_PASSIVE;
        ReplicantState up = role == ROLE_ACTIVE ? REPLICANT_ACTIVE : REPLICANT_PASSIVE;
        gboolean is_down = c->stopped || id == c->down;
        return (PlanReplicant){.id = id,
                               .role = role,
                               .state = is_down ? REPLICANT_STOPPED : up,
                               .version = is_down            ? ""
                                          : id <= c->already ? c->to
                                                             : c->from};
}

static char *plan_text(const Case *c, Plan **ret)
{
        g_autoptr(BatteryConfig) config = battery_config_new("calc");
        PlanReplicant replicants[16];
        config->replicants = c->replicants;
        config->passive = c->passive;
        config->max_unavailable.value = c->max_unavailable;
        config->min_active_set = c->min_active >= 0;
        config->min_active.value = c->min_active >= 0 ? (guint)c->min_active : 0;
        config->canary.value = c->canary;
        config->strategy = c->strategy;
        for (guint i = 0; i < c->replicants; i++)
                replicants[i] = snapshot_one(c, i + 1);
        PlanInput in = {.config = config,
                        .replicants = replicants,
                        .n = c->replicants,
                        .strategy = c->asked,
                        .from = c->from,
                        .to = c->to,
                        .from_compatibility = c->from_c,
                        .to_compatibility = c->to_c,
                        .wanted = !c->stopped,
                        .override = c->override,
                        .restart = c->restart,
                        .only = c->only};
        *ret = plan_make(&in);
        return plan_to_text(&in, *ret);
}

static void test_golden(gconstpointer data)
{
        const Case *c = data;
        g_autoptr(Plan) plan = NULL;
        g_autofree char *text = plan_text(c, &plan), *expected = NULL;
        g_autofree char *path = g_strdup_printf("%s/tests/golden/%s.plan", g_getenv("SRCDIR"), c->name);
        if (g_getenv("GOLDEN_WRITE"))
                g_assert_true(g_file_set_contents(path, text, -1, NULL));
        g_assert_true(g_file_get_contents(path, &expected, NULL, NULL));
        g_assert_cmpstr(text, ==, expected);
}

/* Over 5000 batteries: each concerned replicant exactly once, the prediction keeps the floor, a refusal
 * has words and no steps. */
static void test_laws(void)
{
        guint seen = 0;
        for (guint n = 1; n <= 8; n++)
                for (guint passive = 0; passive < n; passive++)
                        for (guint away = 1; away <= 4; away++)
                                for (int floor = -1; floor <= (int)(n - passive); floor++)
                                        for (guint canary = 0; canary <= 2; canary++) {
                                                Case c = {"law",
                                                          n,
                                                          passive,
                                                          away,
                                                          floor,
                                                          canary,
                                                          STRATEGY_ROLLING,
                                                          STRATEGY_AUTO,
                                                          "1.0",
                                                          "1.1",
                                                          "1",
                                                          "1",
                                                          .only = 0};
                                                g_autoptr(Plan) p = NULL;
                                                g_autofree char *text G_GNUC_UNUSED = plan_text(&c, &p);
                                                seen++;
                                                if (p->refusal != REFUSAL_NONE) {
                                                        g_assert_cmpint(p->refusal, ==,
                                                                        REFUSAL_FLOOR_WOULD_BREAK);
                                                        g_assert_cmpuint(p->steps->len, ==, 0);
                                                        g_assert_cmpint(floor, ==, (int)(n - passive));
                                                        continue;
                                                }
                                                guint bits = 0;
                                                for (guint i = 0; i < p->steps->len; i++)
                                                        bits |= 1u << g_array_index(p->steps, PlanStep, i)
                                                                              .replicant;
                                                g_assert_cmpuint(p->steps->len, ==, n);
                                                g_assert_cmpuint(bits, ==, (2u << n) - 2);
                                                g_assert_cmpuint(p->least_active, >=, p->floor);
                                        }
        g_assert_cmpuint(seen, >, 1000);
}

static void test_roll_next(void)
{
        RollStep s[4] = {
                {.running = TRUE}, {.waiting = TRUE, .active = TRUE}, {.waiting = TRUE}, {.waiting = TRUE}};
        RollView v = {.active = 3, .floor = 2, .width = 2, .canary_open = TRUE};
        g_assert_cmpint(roll_next(s, 4, &v), ==, 1);
        v.width = 1; /* one is away already */
        g_assert_cmpint(roll_next(s, 4, &v), ==, ROLL_NONE);
        v.width = 2;
        v.active = 2; /* the floor has no room, but what runs will bring some */
        g_assert_cmpint(roll_next(s, 4, &v), ==, 2); /* so does one that serves nobody: it need not wait */
        s[2].active = s[3].active = TRUE;
        g_assert_cmpint(roll_next(s, 4, &v), ==, ROLL_NONE);
        s[0].running = FALSE; /* nothing runs: only others can bring room */
        g_assert_cmpint(roll_next(s, 4, &v), ==, ROLL_FLOOR);
        v.override = TRUE;
        g_assert_cmpint(roll_next(s, 4, &v), ==, 1);
        v = (RollView){.active = 3, .floor = 2, .width = 2, .canary_open = FALSE};
        g_assert_cmpint(roll_next(s, 4, &v), ==, ROLL_NONE);
        s[1].canary = TRUE;
        g_assert_cmpint(roll_next(s, 4, &v), ==, 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strdup_printf("/plan/golden/%s", cases[i].name);
                g_test_add_data_func(path, &cases[i], test_golden);
        }
        g_test_add_func("/plan/laws", test_laws);
        g_test_add_func("/plan/roll-next", test_roll_next);
        return g_test_run();
}
