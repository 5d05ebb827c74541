/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning, pure: a snapshot of a battery and what it is to become goes in, a plan comes out: which
 * strategy, which replicants in which order and why, the least number of active replicants on the way, or
 * why it is refused. No I/O, no clock. */
#pragma once

#include "base/refusal.h"
#include "orchestrator/model/battery.h"
#include "orchestrator/model/update.h"

typedef struct PlanReplicant {
        guint id;
        Role role;
        ReplicantState state;
        const char *version; /* that its process was started with, "" if none runs */
        guint in_flight;
        gboolean drained; /* a person keeps it from serving, also once it was replaced */
} PlanReplicant;

typedef struct PlanInput {
        const BatteryConfig *config;
        const PlanReplicant *replicants;
        guint n;
        Strategy strategy; /* asked for; STRATEGY_AUTO: the file's */
        const char *from, *to;
        const char *from_compatibility, *to_compatibility; /* NULL: unknown */
        gboolean wanted;                                   /* the battery runs or is to */
        gboolean override;                                 /* a person lets the floor break */
        gboolean restart;                                  /* also those that run `to` already */
        guint only;                                        /* this replicant alone; 0: all */
} PlanInput;

typedef struct PlanStep {
        guint replicant;
        StepAct act;
        gboolean canary;
        guint phase; /* 1, 2, …; steps of one phase may run side by side */
        char *reason;
} PlanStep;

typedef struct Plan {
        Refusal refusal;
        char *why; /* of the refusal, or of the strategy */
        Strategy strategy;
        guint desired, floor, width; /* width: most replicants away at once */
        guint least_active;
        GArray *steps; /* of PlanStep */
} Plan;

Plan *plan_make(const PlanInput *in);
void plan_free(Plan *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)
/* The plan as a reviewer reads it; the golden files are made of it. */
char *plan_to_text(const PlanInput *in, const Plan *p);

/* ---- while it runs: which step may begin now ---- */
typedef struct RollStep {
        gboolean waiting, running;
        gboolean canary; /* is, or follows only after, the canaries: see roll_next */
        gboolean active; /* its replicant is active now: beginning takes one away */
} RollStep;

typedef struct RollView {
        guint active, floor, width;
        gboolean override;
        gboolean canary_open; /* no canary is still being watched */
} RollView;

#define ROLL_NONE (-1)  /* nothing may begin now; an end of a running step will change that */
#define ROLL_FLOOR (-2) /* the floor has no room: what others took away must come back first */
/* Index of the next step that may begin, or one of the above. */
int roll_next(const RollStep *steps, guint n, const RollView *view);
