/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables. A place without an entry is _INVALID (entries are stored plus one, so that 0 is none). */
#include "orchestrator/run/update-step.h"

#define TO(state) ((signed char)((state) + 1))

static const signed char update_table[_UPDATE_STATE_MAX][_UPDATE_EVENT_MAX] = {
        [UPDATE_PENDING] = {[UPDATE_EVENT_PLANNED] = TO(UPDATE_PLANNED),
                            [UPDATE_EVENT_HELD] = TO(UPDATE_HELD),
                            [UPDATE_EVENT_CANCEL] = TO(UPDATE_CANCELLED),
                            [UPDATE_EVENT_VETO] = TO(UPDATE_VETOED)},
        [UPDATE_HELD] = {[UPDATE_EVENT_RELEASED] = TO(UPDATE_PENDING),
                         [UPDATE_EVENT_CANCEL] = TO(UPDATE_CANCELLED),
                         [UPDATE_EVENT_VETO] = TO(UPDATE_VETOED)},
        [UPDATE_PLANNED] = {[UPDATE_EVENT_WARN] = TO(UPDATE_WARNED),
                            [UPDATE_EVENT_HELD] = TO(UPDATE_HELD),
                            [UPDATE_EVENT_CANCEL] = TO(UPDATE_CANCELLED),
                            [UPDATE_EVENT_VETO] = TO(UPDATE_VETOED)},
        [UPDATE_WARNED] = {[UPDATE_EVENT_CLEAR] = TO(UPDATE_REPLACING),
                           [UPDATE_EVENT_CANCEL] = TO(UPDATE_CANCELLED),
                           [UPDATE_EVENT_VETO] = TO(UPDATE_VETOED)},
        [UPDATE_REPLACING] =
                {[UPDATE_EVENT_FILES] = TO(UPDATE_RUNNING), [UPDATE_EVENT_BACK] = TO(UPDATE_ROLLING_BACK)},
        [UPDATE_RUNNING] = {[UPDATE_EVENT_PAUSE] = TO(UPDATE_PAUSED),
                            [UPDATE_EVENT_BACK] = TO(UPDATE_ROLLING_BACK),
                            [UPDATE_EVENT_DONE] = TO(UPDATE_DONE),
                            [UPDATE_EVENT_FAIL] = TO(UPDATE_FAILED)},
        [UPDATE_PAUSED] =
                {[UPDATE_EVENT_RESUME] = TO(UPDATE_RUNNING), [UPDATE_EVENT_BACK] = TO(UPDATE_ROLLING_BACK)},
        [UPDATE_ROLLING_BACK] = {[UPDATE_EVENT_BACK_DONE] = TO(UPDATE_ROLLED_BACK),
                                 [UPDATE_EVENT_CANCEL] = TO(UPDATE_CANCELLED),
                                 [UPDATE_EVENT_FAIL] = TO(UPDATE_FAILED)},
};

UpdateState update_next(UpdateState state, UpdateEvent event)
{
        g_assert(state >= 0 && state < _UPDATE_STATE_MAX && event < _UPDATE_EVENT_MAX);
        return (UpdateState)(update_table[state][event] - 1);
}

static const signed char replace_table[_STEP_STATE_MAX][_STEP_EVENT_MAX] = {
        [STEP_WAITING] = {[STEP_EVENT_GO] = TO(STEP_DRAINING)},
        [STEP_DRAINING] = {[STEP_EVENT_DRAINED] = TO(STEP_STOPPING),
                           [STEP_EVENT_EXITED] = TO(STEP_SWITCHING),   /* it went by itself: gone is gone */
                           [STEP_EVENT_FAULT] = TO(STEP_STOPPING)},    /* what is to go need not be well */
        [STEP_STOPPING] = {[STEP_EVENT_STOPPED] = TO(STEP_SWITCHING)}, /* nothing but its end ends a stop */
        [STEP_SWITCHING] = {[STEP_EVENT_SWITCHED] = TO(STEP_STARTING), [STEP_EVENT_FAULT] = TO(STEP_FAILED)},
        [STEP_STARTING] = {[STEP_EVENT_READY] = TO(STEP_VERIFYING),
                           [STEP_EVENT_EXITED] = TO(STEP_FAILED),
                           [STEP_EVENT_FAULT] = TO(STEP_FAILED)},
        [STEP_VERIFYING] = {[STEP_EVENT_CHECKED] = TO(STEP_SYNCHRONISING),
                            [STEP_EVENT_EXITED] = TO(STEP_FAILED),
                            [STEP_EVENT_FAULT] = TO(STEP_FAILED)},
        [STEP_SYNCHRONISING] = {[STEP_EVENT_SYNCHRONISED] = TO(STEP_SOAKING),
                                [STEP_EVENT_EXITED] = TO(STEP_FAILED),
                                [STEP_EVENT_FAULT] = TO(STEP_FAILED)},
        [STEP_SOAKING] = {[STEP_EVENT_SOAKED] = TO(STEP_ADMITTED),
                          [STEP_EVENT_EXITED] = TO(STEP_FAILED),
                          [STEP_EVENT_FAULT] = TO(STEP_FAILED)},
};

static StepState start_next(StepState state, StepEvent event)
{
        if (state == STEP_WAITING && event == STEP_EVENT_GO)
                return STEP_SWITCHING;
        if (state < STEP_SWITCHING)
                return _STEP_STATE_INVALID;
        return (StepState)(replace_table[state][event] - 1);
}

static StepState stop_next(StepState state, StepEvent event)
{
        StepState next =
                state <= STEP_STOPPING ? (StepState)(replace_table[state][event] - 1) : _STEP_STATE_INVALID;
        return next == STEP_SWITCHING ? STEP_ADMITTED : next;
}

static StepState switch_next(StepState state, StepEvent event)
{
        if (state == STEP_WAITING && event == STEP_EVENT_GO)
                return STEP_SWITCHING;
        if (state == STEP_SWITCHING && event == STEP_EVENT_SWITCHED)
                return STEP_ADMITTED;
        if (state == STEP_SWITCHING && event == STEP_EVENT_FAULT)
                return STEP_FAILED;
        return _STEP_STATE_INVALID;
}

StepState step_next(StepAct act, StepState state, StepEvent event)
{
        g_assert(state >= 0 && state < _STEP_STATE_MAX && event < _STEP_EVENT_MAX);
        switch (act) {
        case STEP_REPLACE:
                return (StepState)(replace_table[state][event] - 1);
        case STEP_START:
                return start_next(state, event);
        case STEP_STOP:
                return stop_next(state, event);
        case STEP_SWITCH:
                return switch_next(state, event);
        case _STEP_ACT_MAX:
        case _STEP_ACT_INVALID:
                break;
        }
        g_assert_not_reached();
}

/* A process that was told to stop is stopped again; one that never said READY=1 may have said so while
 * nobody listened: it serves nobody yet, so it is stopped and started anew; one that was ready is verified
 * again from the beginning of its gates. */
StepState step_resume(StepAct act, StepState state, gboolean alive, gboolean ready)
{
        switch (state) {
        case STEP_STARTING:
        case STEP_VERIFYING:
        case STEP_SYNCHRONISING:
        case STEP_SOAKING:
                if (!alive)
                        return STEP_STARTING;
                if (!ready)
                        return act == STEP_REPLACE ? STEP_STOPPING : STEP_STARTING;
                return STEP_VERIFYING;
        case STEP_WAITING:
        case STEP_DRAINING:
        case STEP_STOPPING:
        case STEP_SWITCHING:
        case STEP_ADMITTED:
        case STEP_FAILED:
        case _STEP_STATE_MAX:
        case _STEP_STATE_INVALID:
                break;
        }
        return state;
}
