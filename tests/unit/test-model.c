/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model: what follows from what, versions, and journal records that come back as they went. */
#include "orchestrator/model/battery.h"
#include "orchestrator/model/event.h"
#include "orchestrator/model/transaction.h"
#include "orchestrator/model/update.h"
#include "orchestrator/model/version.h"

static void test_version_compare(void)
{
        static const struct {
                const char *a, *b;
                int expected;
        } cases[] = {
                {"1", "1", 0},         {"1", "1.0", 0},     {"1.0.0.0", "1", 0}, {"1.9", "1.10", -1},
                {"2", "1.9.9", 1},     {"1.0.1", "1.0", 1}, {"10", "9", 1},      {"", "1", -1},
                {"1.0-3", "1.0-3", 0}, {"a", "b", -1},
        };
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_assert_cmpint(version_compare(cases[i].a, cases[i].b), ==, cases[i].expected);
                g_assert_cmpint(version_compare(cases[i].b, cases[i].a), ==, -cases[i].expected);
        }
}

static void test_version_compatibility(void)
{
        static const char *const cases[][2] = {
                {"1.1", "1"}, {"2:4.2-3", "4"}, {"12", "12"}, {"v3.1", "3"}, {"unstable", "unstable"},
        };
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *c = version_compatibility(cases[i][0]);
                g_assert_cmpstr(c, ==, cases[i][1]);
        }
}

/* Facts of a replicant at rest, and the state that must follow. */
static void test_replicant_state(void)
{
        static const struct {
                int pid;
                gboolean ready, admitted, drained, failed;
                Role role;
                ReplicantState expected;
        } cases[] = {
                {0, 0, 0, 0, 0, ROLE_ACTIVE, REPLICANT_STOPPED},
                {0, 0, 0, 0, 1, ROLE_ACTIVE, REPLICANT_FAILED},
                {7, 0, 0, 0, 0, ROLE_ACTIVE, REPLICANT_STARTING},
                {7, 1, 0, 0, 0, ROLE_ACTIVE, REPLICANT_READY},
                {7, 1, 1, 0, 0, ROLE_ACTIVE, REPLICANT_ACTIVE},
                {7, 1, 1, 1, 0, ROLE_ACTIVE, REPLICANT_READY},
                {7, 1, 1, 0, 0, ROLE_PASSIVE, REPLICANT_PASSIVE},
        };
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
                Replicant *r = replicant_new("calc", 1, cases[i].role);
                r->pid = cases[i].pid;
                r->ready = cases[i].ready;
                r->admitted = cases[i].admitted;
                r->drained = cases[i].drained;
                r->failed = cases[i].failed;
                g_assert_cmpint(replicant_get_state(r), ==, cases[i].expected);
                replicant_free(r);
        }
}

/* While a step holds a replicant it counts as active in no state of that step but waiting and admitted. */
static void test_replicant_state_in_step(void)
{
        Replicant *r = replicant_new("calc", 1, ROLE_ACTIVE);
        Step *s = step_new(3, "calc", 1, STEP_REPLACE, "");
        r->pid = 7;
        r->ready = r->admitted = TRUE;
        r->step = s;
        for (int state = 0; state < _STEP_STATE_MAX; state++) {
                s->state = state;
                gboolean counts = replicant_get_state(r) == REPLICANT_ACTIVE;
                g_assert_cmpint(counts, ==, !step_is_running(s));
        }
        r->step = NULL;
        step_free(s);
        replicant_free(r);
}

static Battery *battery_of_three(void)
{
        BatteryConfig *c = battery_config_new("calc");
        c->replicants = 3;
        Battery *b = battery_new(c);
        for (guint id = 1; id <= 3; id++)
                g_ptr_array_add(b->replicants, replicant_new("calc", id, ROLE_ACTIVE));
        return b;
}

static void set_up(Battery *b, guint n)
{
        for (guint i = 0; i < 3; i++) {
                Replicant *r = b->replicants->pdata[i];
                r->pid = i < n ? 7 : 0;
                r->ready = r->admitted = i < n;
        }
}

static void test_battery_state(void)
{
        Battery *b = battery_of_three();
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_STOPPED);
        set_up(b, 3);
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_STOPPING);
        b->wanted = TRUE;
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_RUNNING);
        g_assert_cmpuint(battery_active(b), ==, 3);
        set_up(b, 1);
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_DEGRADED);
        g_assert_true(battery_floor_broken(b));
        set_up(b, 0);
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_STARTING);
        for (guint i = 0; i < 3; i++)
                ((Replicant *)b->replicants->pdata[i])->failed = TRUE;
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_FAILED);
        b->update = 5;
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_FAILED); /* not before it has got to act */
        b->update_runs = TRUE;
        g_assert_cmpint(battery_get_state(b), ==, BATTERY_UPDATING);
        battery_free(b);
}

/* Through the text form that the journal keeps. */
static GVariant *through_text(GVariant *record)
{
        g_autoptr(GVariant) v = g_variant_ref_sink(record);
        g_autofree char *text = g_variant_print(v, TRUE);
        g_autoptr(GError) error = NULL;
        GVariant *back = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
        g_assert_no_error(error);
        return back;
}

static void test_records_replicant(void)
{
        Replicant *r = replicant_new("calc", 12, ROLE_PASSIVE);
        r->pid = 4711;
        r->start_ticks = G_MAXUINT64;
        r->ready = r->drained = TRUE;
        g_free(r->version);
        r->version = g_strdup("1.1 'quoted' \"twice\"");
        g_autofree char *id = replicant_record_id(r);
        g_autoptr(GVariant) body = through_text(replicant_to_record(r));
        Replicant *back = replicant_from_record(id, body);
        g_assert_cmpuint(back->id, ==, 12);
        g_assert_cmpint(back->pid, ==, 4711);
        g_assert_cmpuint(back->start_ticks, ==, G_MAXUINT64);
        g_assert_true(back->ready && back->drained && !back->admitted && !back->failed);
        g_assert_cmpint(back->role, ==, ROLE_PASSIVE);
        g_assert_cmpstr(back->version, ==, r->version);
        g_assert_null(replicant_from_record("calc", body));
        g_assert_null(replicant_from_record("calc/0", body));
        g_assert_null(replicant_from_record("../calc/1", body));
        replicant_free(back);
        replicant_free(r);
}

static void test_records_update(void)
{
        Update *u = update_new(9, 4, "calc");
        u->state = UPDATE_PAUSED;
        u->strategy = STRATEGY_FULL_STOP;
        u->goal = UPDATE_CANCELLED;
        u->only = 2;
        u->warn_end_us = 123456789012345;
        g_ptr_array_add(u->targets, target_new("calc", "1.0", "1.1"));
        g_autoptr(GVariant) body = through_text(update_to_record(u));
        Update *back = update_from_record("9", "calc", body);
        Step *s = step_new(9, "calc", 2, STEP_REPLACE, "why");
        s->state = STEP_SOAKING;
        s->canary = TRUE;
        g_autoptr(GVariant) step = through_text(step_to_record(s));
        g_assert_true(update_add_step_record(back, 0, "calc", step));
        g_assert_false(update_add_step_record(back, G_MAXUINT, "calc", step));
        g_assert_cmpint(back->state, ==, UPDATE_PAUSED);
        g_assert_cmpint(back->strategy, ==, STRATEGY_FULL_STOP);
        g_assert_cmpint(back->goal, ==, UPDATE_CANCELLED);
        g_assert_cmpuint(back->only, ==, 2);
        g_assert_cmpint(back->warn_end_us, ==, 123456789012345);
        g_assert_cmpstr(((Target *)back->targets->pdata[0])->to, ==, "1.1");
        g_assert_cmpint(update_step_of(back, 2)->state, ==, STEP_SOAKING);
        g_assert_true(update_step_of(back, 2)->canary);
        g_assert_null(update_from_record("nine", "calc", body));
        step_free(s);
        update_free(back);
        update_free(u);
}

static void test_records_transaction(void)
{
        Transaction *t = transaction_new(3, "kantan");
        guint64 update = 9;
        t->state = TRANSACTION_GRANTED;
        t->owner_pid = 77;
        g_array_append_val(t->updates, update);
        g_ptr_array_add(t->changes, package_change_new(OPERATION_UPGRADE, "calc", "1.0", "1.1", "/tmp/a\nb"));
        g_autoptr(GVariant) body = through_text(transaction_to_record(t));
        Transaction *back = transaction_from_record("3", body);
        g_assert_cmpint(back->state, ==, TRANSACTION_GRANTED);
        g_assert_cmpint(back->owner_pid, ==, 77);
        g_assert_cmpuint(g_array_index(back->updates, guint64, 0), ==, 9);
        g_assert_true(package_change_equal(t->changes->pdata[0], back->changes->pdata[0]));
        transaction_free(back);
        transaction_free(t);
}

static void test_qualified(void)
{
        static const char *const cases[][2] = {
                {"kantan", "calc"},        {"apt", "dpkg:calc"}, {"dpkg", "dpkg:calc"},
                {"pacman", "pacman:calc"}, {"rpm", "rpm:calc"},  {"dnf", "rpm:calc"},
        };
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *q = package_change_qualified(cases[i][0], "calc");
                g_assert_cmpstr(q, ==, cases[i][1]);
        }
}

static void test_vocabulary(void)
{
        for (int i = 0; i < _EVENT_KIND_MAX; i++)
                g_assert_cmpint(event_kind_from_string(event_kind_to_string(i)), ==, i);
        for (int i = 0; i < _UPDATE_STATE_MAX; i++)
                g_assert_cmpint(update_state_from_string(update_state_to_string(i)), ==, i);
        g_assert_cmpint(update_state_from_string("gone"), ==, _UPDATE_STATE_INVALID);
        g_assert_cmpint(update_state_from_string(NULL), ==, _UPDATE_STATE_INVALID);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/model/version/compare", test_version_compare);
        g_test_add_func("/model/version/compatibility", test_version_compatibility);
        g_test_add_func("/model/replicant/state", test_replicant_state);
        g_test_add_func("/model/replicant/state-in-step", test_replicant_state_in_step);
        g_test_add_func("/model/battery/state", test_battery_state);
        g_test_add_func("/model/records/replicant", test_records_replicant);
        g_test_add_func("/model/records/update", test_records_update);
        g_test_add_func("/model/records/transaction", test_records_transaction);
        g_test_add_func("/model/package/qualified", test_qualified);
        g_test_add_func("/model/vocabulary", test_vocabulary);
        return g_test_run();
}
