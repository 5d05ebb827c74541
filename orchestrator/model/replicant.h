/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A replicant: one running instance of a battery's service program. What it *is* stands here; what is
 * being done to it is its step (update.h), and its state follows from both. */
#pragma once

#include "orchestrator/model/battery-config.h"

typedef enum ReplicantState {
        REPLICANT_STOPPED,
        REPLICANT_STARTING,
        REPLICANT_READY, /* runs, passed READY=1, is not admitted */
        REPLICANT_ACTIVE,
        REPLICANT_DRAINING,
        REPLICANT_PASSIVE,
        REPLICANT_STOPPING,
        REPLICANT_FAILED, /* does not run and will not be started again by itself */
        _REPLICANT_STATE_MAX,
        _REPLICANT_STATE_INVALID = -1,
} ReplicantState;
STRTAB_DECLARE(replicant_state, ReplicantState);

typedef enum Role { ROLE_ACTIVE, ROLE_PASSIVE, _ROLE_MAX, _ROLE_INVALID = -1 } Role;
STRTAB_DECLARE(role, Role);

struct Step;

typedef struct Replicant {
        char *battery;
        guint id; /* 1, 2, … */
        Role role;
        /* The process; pid 0: none. Journalled before the program runs. */
        int pid;
        guint64 start_ticks;
        gboolean ready;    /* READY=1 came, journalled */
        gboolean admitted; /* in routing (active or following); journalled */
        gboolean drained;  /* a person took it out of routing */
        gboolean failed;   /* gave up starting it; a person or a new version resets */
        gboolean surplus;  /* the battery file wants fewer: goes when stopped */
        char *version;     /* what its process was started with; "" when stopped */
        char *health;      /* "unknown", "good", or what is wrong */
        char *status;      /* its own STATUS= text */
        /* Supervision; not journalled. */
        guint failures;          /* starts in a row that did not last */
        gint64 healthy_since_us; /* boot time */
        guint64 backoff_timer;
        gpointer runner;   /* whoever runs it: the manager */
        gboolean forking;  /* a start was asked for and not answered yet */
        struct Step *step; /* what is being done to it, or NULL; owned by its update or, update 0, by us */
} Replicant;

Replicant *replicant_new(const char *battery, guint id, Role role);
void replicant_free(Replicant *r);
ReplicantState replicant_get_state(const Replicant *r);
/* Forgets the process: it is confirmed gone. */
void replicant_clear_process(Replicant *r);

/* Journal record, kind "replicant", id "B/N". */
GVariant *replicant_to_record(const Replicant *r);
Replicant *replicant_from_record(const char *id, GVariant *body); /* NULL if it is not one */
char *replicant_record_id(const Replicant *r);
