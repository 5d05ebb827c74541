/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An update: one co-ordinated reinstallation of one battery; and its steps, one per replicant. Data and
 * vocabulary; which transition is legal stands in run/update-step.c, who writes a state in manager. */
#pragma once

#include "orchestrator/model/battery-config.h"

typedef enum UpdateState {
        UPDATE_PENDING,      /* its packages are being verified and unpacked */
        UPDATE_HELD,         /* policy holds it */
        UPDATE_PLANNED,      /* it has a plan, and waits for its transaction's others */
        UPDATE_WARNED,       /* told; lead time and inhibitors run */
        UPDATE_REPLACING,    /* the package manager's turn (full stop: after confirmed stops) */
        UPDATE_RUNNING,      /* steps bring the new version */
        UPDATE_PAUSED,       /* no new step begins */
        UPDATE_ROLLING_BACK, /* steps bring the old version back */
        UPDATE_DONE,
        UPDATE_ROLLED_BACK,
        UPDATE_FAILED,
        UPDATE_CANCELLED,
        UPDATE_VETOED,
        _UPDATE_STATE_MAX,
        _UPDATE_STATE_INVALID = -1,
} UpdateState;
STRTAB_DECLARE(update_state, UpdateState);
gboolean update_state_is_final(UpdateState s);

typedef enum StepState {
        STEP_WAITING,
        STEP_DRAINING,
        STEP_STOPPING,
        STEP_SWITCHING,
        STEP_STARTING,
        STEP_VERIFYING,
        STEP_SYNCHRONISING,
        STEP_SOAKING,
        STEP_ADMITTED, /* the step's aim is reached */
        STEP_FAILED,
        _STEP_STATE_MAX,
        _STEP_STATE_INVALID = -1,
} StepState;
STRTAB_DECLARE(step_state, StepState);

typedef enum StepAct {
        STEP_REPLACE, /* drain, stop, switch, start, verify, synchronise, soak, admit */
        STEP_START,   /* from switching on, no soak: a start outside an update */
        STEP_STOP,    /* drain, stop */
        STEP_SWITCH,  /* the installation only: the replicant does not run and is not to */
        _STEP_ACT_MAX,
        _STEP_ACT_INVALID = -1,
} StepAct;
STRTAB_DECLARE(step_act, StepAct); /* replace, start, stop, switch */

/* One package of an update: what the battery's replicants leave and go to. "" for none. */
typedef struct Target {
        char *package; /* unprefixed: Kantan */
        char *from, *to;
} Target;

typedef struct Step {
        guint64 update; /* 0: none, the battery's own starting and stopping */
        char *battery;
        guint replicant;
        StepAct act;
        StepState state;
        gboolean back;   /* goes to the targets' `from` */
        gboolean canary; /* soaks for CanarySoakSec or until promoted */
        guint phase;     /* steps of one phase may run side by side */
        char *reason;    /* why it is in the plan; after a failure what went wrong */
        /* Not journalled. */
        guint index;       /* its place in the update's steps */
        guint64 cookie;    /* of the running command or switch; 0 none */
        guint outstanding; /* switches not yet answered */
        guint64 timer;
        gpointer runner; /* whoever runs it: the manager */
        guint part;      /* how far a state of several parts has got (soak, check, admit) */
        gboolean gated;  /* waits at switching until its update lets it */
} Step;

typedef struct Update {
        guint64 id;
        guint64 transaction;
        char *battery;
        Strategy strategy; /* rolling or full-stop, once planned */
        UpdateState state;
        char *from, *to;    /* versions, of the first package */
        GPtrArray *targets; /* of Target */
        GPtrArray *steps;   /* of Step, in order */
        char *reason, *initiator;
        char *plan;        /* JSON, as it was shown before it ran */
        gboolean person;   /* asked for by a person, not by a package manager */
        gboolean override; /* the floor may break: a person said so */
        gboolean undo;    /* a person takes back a version that was done: it is pinned like one rolled back */
        gboolean restart; /* same version: a restart */
        gboolean promoted;
        guint only;        /* this replicant alone, 0: all */
        gboolean clear;    /* warning over, nobody objects */
        gboolean switched; /* some replicant was switched to the new version */
        UpdateState goal;  /* what rolling-back ends in: rolled-back, cancelled or failed */
        gint64 created_us, started_us, finished_us, warn_end_us; /* realtime */
        guint least_active, failures;
        /* Not journalled. What was last made durable: nobody is told more. */
        UpdateState told_state;
        char *told_reason;
        gint64 delay_end_us; /* boot time */
        gint64 soak_end_us;  /* boot time; of the soak that ends last */
        gpointer runner;     /* whoever runs it: the manager */
        guint64 timer;       /* warning, inhibitor delay */
        guint64 deadline_timer;
        gboolean advancing, again; /* guard against looking again from below */
} Update;

Target *target_new(const char *package, const char *from, const char *to);
void target_free(Target *t);
Step *step_new(guint64 update, const char *battery, guint replicant, StepAct act, const char *reason);
void step_free(Step *s);
gboolean step_is_final(const Step *s);
gboolean step_is_running(const Step *s); /* neither waiting nor final */

Update *update_new(guint64 id, guint64 transaction, const char *battery);
void update_free(Update *u);
Step *update_step_of(const Update *u, guint replicant); /* the newest step of that replicant */
gboolean update_has_back_step(const Update *u, guint replicant); /* one that is not over */
guint update_steps_done(const Update *u);
gboolean update_is_final(const Update *u);
/* Where a version is unknown before and after (a battery without a package), it is neither. */
gboolean update_is_removal(const Update *u);
gboolean update_is_first(const Update *u); /* nothing was installed before: nothing to go back to */

/* Journal records: kind "update", id decimal; kind "step", id "U.INDEX". */
GVariant *update_to_record(const Update *u);
Update *update_from_record(const char *id, const char *battery, GVariant *body);
GVariant *step_to_record(const Step *s);
/* Adds the step to its place in U's steps; FALSE if it is not one. */
gboolean update_add_step_record(Update *u, guint index, const char *battery, GVariant *body);
