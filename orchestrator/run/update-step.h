/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The law of updates and steps: which state follows which event. Pure tables; tests walk all states × all
 * events. What is to be *done* in a state is the manager's. */
#pragma once

#include "orchestrator/model/update.h"

typedef enum UpdateEvent {
        UPDATE_EVENT_PLANNED, /* there is a plan */
        UPDATE_EVENT_HELD,    /* policy holds it */
        UPDATE_EVENT_RELEASED,
        UPDATE_EVENT_WARN,  /* all of the transaction are planned */
        UPDATE_EVENT_CLEAR, /* all of the transaction are warned, nobody objects */
        UPDATE_EVENT_FILES, /* the package manager is done, our turn */
        UPDATE_EVENT_PAUSE,
        UPDATE_EVENT_RESUME,
        UPDATE_EVENT_BACK,      /* a failure, a person, the package manager's failure or death */
        UPDATE_EVENT_DONE,      /* all steps reached their aim */
        UPDATE_EVENT_BACK_DONE, /* all is as it was */
        UPDATE_EVENT_FAIL,
        UPDATE_EVENT_CANCEL,
        UPDATE_EVENT_VETO,
        _UPDATE_EVENT_MAX,
} UpdateEvent;

/* The next state, or _UPDATE_STATE_INVALID where the event has no place. */
UpdateState update_next(UpdateState state, UpdateEvent event);

typedef enum StepEvent {
        STEP_EVENT_GO,
        STEP_EVENT_DRAINED,
        STEP_EVENT_STOPPED, /* confirmed */
        STEP_EVENT_SWITCHED,
        STEP_EVENT_READY,
        STEP_EVENT_CHECKED,
        STEP_EVENT_SYNCHRONISED,
        STEP_EVENT_SOAKED,
        STEP_EVENT_EXITED, /* the process ended by itself */
        STEP_EVENT_FAULT,  /* a time ran out, a check failed, a switch failed … */
        _STEP_EVENT_MAX,
} StepEvent;

/* The next state, or _STEP_STATE_INVALID where the event has no place (it is late, or another's). */
StepState step_next(StepAct act, StepState state, StepEvent event);

/* Where a step that was in STATE goes on after the daemon died, by what the world shows: whether its
 * process lives, and said READY=1 before. */
StepState step_resume(StepAct act, StepState state, gboolean alive, gboolean ready);
