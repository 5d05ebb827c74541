/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A battery: the named set of replicants of one service, with what its file says and what is wanted of
 * it. Its state is never stored: it follows. */
#pragma once

#include "orchestrator/model/replicant.h"

typedef enum BatteryState {
        BATTERY_STOPPED,
        BATTERY_STARTING,
        BATTERY_RUNNING,
        BATTERY_DEGRADED,
        BATTERY_UPDATING,
        BATTERY_STOPPING,
        BATTERY_FAILED,
        _BATTERY_STATE_MAX,
        _BATTERY_STATE_INVALID = -1,
} BatteryState;
STRTAB_DECLARE(battery_state, BatteryState);

typedef struct Battery {
        BatteryConfig *config;
        BatteryConfig *next_config; /* read while an update runs; in force when it is over */
        gboolean wanted;            /* to run; journalled */
        gboolean file_gone;         /* its file vanished; forgotten once stopped */
        char *version;              /* that the battery is to run (of its first package); journalled */
        GHashTable *versions;       /* package -> version, of all its packages; journalled */
        GHashTable *previous;       /* package -> version before the last update that was done; journalled */
        GHashTable *pins;           /* package -> version that was rolled back; journalled */
        GPtrArray *replicants;      /* of Replicant, by id */
        guint64 update;             /* the one that is not final, or 0 */
        gboolean update_runs;       /* that one has got to act, or is about to (warned and later) */
        guint told_active;          /* for FloorBroken: what was last seen; not journalled */
} Battery;

Battery *battery_new(BatteryConfig *config); /* takes CONFIG */
void battery_free(Battery *b);
Replicant *battery_replicant(const Battery *b, guint id);
guint battery_active(const Battery *b); /* replicants in state active */
guint battery_alive(const Battery *b);  /* replicants with a process */
/* Nothing of it runs, is about to run, or is being done. */
gboolean battery_is_at_rest(const Battery *b);
BatteryState battery_get_state(const Battery *b);
/* The first of its packages that is Kantan's (unprefixed), or NULL. */
const char *battery_main_package(const Battery *b);
gboolean battery_has_package(const Battery *b, const char *qualified);
/* Fewer than the floor are active, though the battery is wanted. */
gboolean battery_floor_broken(const Battery *b);

/* Journal record: kind "battery", id = name. */
GVariant *battery_to_record(const Battery *b);
void battery_apply_record(Battery *b, GVariant *body);
