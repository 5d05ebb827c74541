/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The law of updates and steps, walked through entirely: every state × every event. */
#include "orchestrator/run/update-step.h"

/* What the tables must say, written down a second time in another form: one line per legal move. */
static const struct {
        UpdateState from;
        UpdateEvent event;
        UpdateState to;
} update_moves[] = {
        {UPDATE_PENDING, UPDATE_EVENT_PLANNED, UPDATE_PLANNED},
        {UPDATE_PENDING, UPDATE_EVENT_HELD, UPDATE_HELD},
        {UPDATE_PENDING, UPDATE_EVENT_CANCEL, UPDATE_CANCELLED},
        {UPDATE_PENDING, UPDATE_EVENT_VETO, UPDATE_VETOED},
        {UPDATE_HELD, UPDATE_EVENT_RELEASED, UPDATE_PENDING},
        {UPDATE_HELD, UPDATE_EVENT_CANCEL, UPDATE_CANCELLED},
        {UPDATE_HELD, UPDATE_EVENT_VETO, UPDATE_VETOED},
        {UPDATE_PLANNED, UPDATE_EVENT_WARN, UPDATE_WARNED},
        {UPDATE_PLANNED, UPDATE_EVENT_HELD, UPDATE_HELD},
        {UPDATE_PLANNED, UPDATE_EVENT_CANCEL, UPDATE_CANCELLED},
        {UPDATE_PLANNED, UPDATE_EVENT_VETO, UPDATE_VETOED},
        {UPDATE_WARNED, UPDATE_EVENT_CLEAR, UPDATE_REPLACING},
        {UPDATE_WARNED, UPDATE_EVENT_CANCEL, UPDATE_CANCELLED},
        {UPDATE_WARNED, UPDATE_EVENT_VETO, UPDATE_VETOED},
        {UPDATE_REPLACING, UPDATE_EVENT_FILES, UPDATE_RUNNING},
        {UPDATE_REPLACING, UPDATE_EVENT_BACK, UPDATE_ROLLING_BACK},
        {UPDATE_RUNNING, UPDATE_EVENT_PAUSE, UPDATE_PAUSED},
        {UPDATE_RUNNING, UPDATE_EVENT_BACK, UPDATE_ROLLING_BACK},
        {UPDATE_RUNNING, UPDATE_EVENT_DONE, UPDATE_DONE},
        {UPDATE_RUNNING, UPDATE_EVENT_FAIL, UPDATE_FAILED},
        {UPDATE_PAUSED, UPDATE_EVENT_RESUME, UPDATE_RUNNING},
        {UPDATE_PAUSED, UPDATE_EVENT_BACK, UPDATE_ROLLING_BACK},
        {UPDATE_ROLLING_BACK, UPDATE_EVENT_BACK_DONE, UPDATE_ROLLED_BACK},
        {UPDATE_ROLLING_BACK, UPDATE_EVENT_CANCEL, UPDATE_CANCELLED},
        {UPDATE_ROLLING_BACK, UPDATE_EVENT_FAIL, UPDATE_FAILED},
};

static void test_update_table(void)
{
        for (int s = 0; s < _UPDATE_STATE_MAX; s++)
                for (int e = 0; e < _UPDATE_EVENT_MAX; e++) {
                        int expected = _UPDATE_STATE_INVALID;
                        for (guint i = 0; i < G_N_ELEMENTS(update_moves); i++)
                                if ((int)update_moves[i].from == s && (int)update_moves[i].event == e)
                                        expected = update_moves[i].to;
                        g_assert_cmpint(update_next(s, e), ==, expected);
                }
}

static void test_update_final_states_are_final(void)
{
        for (int s = 0; s < _UPDATE_STATE_MAX; s++)
                for (int e = 0; update_state_is_final(s) && e < _UPDATE_EVENT_MAX; e++)
                        g_assert_cmpint(update_next(s, e), ==, _UPDATE_STATE_INVALID);
}

/* No dead end: from every state that is not final some chain of events ends in a final one, and nothing
 * that has stopped a replicant can end without going through running or rolling-back. */
static void test_update_has_no_dead_end(void)
{
        gboolean reaches[_UPDATE_STATE_MAX] = {0};
        for (int s = 0; s < _UPDATE_STATE_MAX; s++)
                reaches[s] = update_state_is_final(s);
        for (int round = 0; round < _UPDATE_STATE_MAX; round++)
                for (int s = 0; s < _UPDATE_STATE_MAX; s++)
                        for (int e = 0; e < _UPDATE_EVENT_MAX; e++) {
                                int next = update_next(s, e);
                                if (next >= 0)
                                        reaches[s] |= reaches[next];
                        }
        for (int s = 0; s < _UPDATE_STATE_MAX; s++)
                g_assert_true(reaches[s]);
        for (int e = 0; e < _UPDATE_EVENT_MAX; e++) {
                int next = update_next(UPDATE_REPLACING, e);
                g_assert_true(next < 0 || next == UPDATE_RUNNING || next == UPDATE_ROLLING_BACK);
        }
}

static StepState follow(StepAct act, const StepEvent *events, guint n)
{
        StepState s = STEP_WAITING;
        for (guint i = 0; i < n; i++) {
                s = step_next(act, s, events[i]);
                g_assert_cmpint(s, >=, 0);
        }
        return s;
}

static void test_step_paths(void)
{
        const StepEvent all[] = {STEP_EVENT_GO,           STEP_EVENT_DRAINED, STEP_EVENT_STOPPED,
                                 STEP_EVENT_SWITCHED,     STEP_EVENT_READY,   STEP_EVENT_CHECKED,
                                 STEP_EVENT_SYNCHRONISED, STEP_EVENT_SOAKED};
        const StepEvent start[] = {STEP_EVENT_GO,      STEP_EVENT_SWITCHED,     STEP_EVENT_READY,
                                   STEP_EVENT_CHECKED, STEP_EVENT_SYNCHRONISED, STEP_EVENT_SOAKED};
        const StepEvent stop[] = {STEP_EVENT_GO, STEP_EVENT_DRAINED, STEP_EVENT_STOPPED};
        const StepEvent change[] = {STEP_EVENT_GO, STEP_EVENT_SWITCHED};
        g_assert_cmpint(follow(STEP_REPLACE, all, G_N_ELEMENTS(all)), ==, STEP_ADMITTED);
        g_assert_cmpint(follow(STEP_START, start, G_N_ELEMENTS(start)), ==, STEP_ADMITTED);
        g_assert_cmpint(follow(STEP_STOP, stop, G_N_ELEMENTS(stop)), ==, STEP_ADMITTED);
        g_assert_cmpint(follow(STEP_SWITCH, change, G_N_ELEMENTS(change)), ==, STEP_ADMITTED);
}

/* Laws over all acts × states × events. */
static void test_step_laws(void)
{
        for (int a = 0; a < _STEP_ACT_MAX; a++)
                for (int s = 0; s < _STEP_STATE_MAX; s++)
                        for (int e = 0; e < _STEP_EVENT_MAX; e++) {
                                int next = step_next(a, s, e);
                                Step step = {.state = s};
                                if (next < 0)
                                        continue;
                                g_assert_false(step_is_final(&step)); /* final is final */
                                g_assert_cmpint(next, >, s);          /* never back */
                                if (next >= STEP_SWITCHING && s < STEP_SWITCHING && a != STEP_START &&
                                    a != STEP_SWITCH)
                                        g_assert_true(
                                                e == STEP_EVENT_STOPPED ||
                                                e == STEP_EVENT_EXITED); /* also a failure: it is gone */
                                if (e == STEP_EVENT_FAULT)
                                        g_assert_cmpint(next, ==,
                                                        s == STEP_DRAINING ? STEP_STOPPING : STEP_FAILED);
                                if (next == STEP_ADMITTED && a != STEP_SWITCH && a != STEP_STOP)
                                        g_assert_cmpint(
                                                e, ==,
                                                STEP_EVENT_SOAKED); /* admitted through all gates only */
                        }
}

static void test_step_resume(void)
{
        for (int a = 0; a < _STEP_ACT_MAX; a++)
                for (int s = 0; s < _STEP_STATE_MAX; s++)
                        for (int alive = 0; alive < 2; alive++)
                                for (int ready = 0; ready < 2; ready++) {
                                        int r = step_resume(a, s, alive, ready);
                                        g_assert_cmpint(r, !=, STEP_SOAKING);
                                        if (s < STEP_STARTING || s >= STEP_ADMITTED)
                                                g_assert_cmpint(r, ==, s);
                                        else if (alive && ready)
                                                g_assert_cmpint(r, ==, STEP_VERIFYING); /* every gate again */
                                        else
                                                g_assert_cmpint(r, <=, STEP_STARTING);
                                }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/update-step/update/table", test_update_table);
        g_test_add_func("/update-step/update/final", test_update_final_states_are_final);
        g_test_add_func("/update-step/update/no-dead-end", test_update_has_no_dead_end);
        g_test_add_func("/update-step/step/paths", test_step_paths);
        g_test_add_func("/update-step/step/laws", test_step_laws);
        g_test_add_func("/update-step/step/resume", test_step_resume);
        return g_test_run();
}
