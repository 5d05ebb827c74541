/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a battery file says (docs/battery-files.md), parsed and checked: plain values, no behaviour but
 * the few numbers that follow from others. policy/battery-file.c fills it. Times are microseconds. */
#pragma once

#include "base/strtab.h"

typedef enum Strategy {
        STRATEGY_AUTO,
        STRATEGY_ROLLING,
        STRATEGY_FULL_STOP,
        _STRATEGY_MAX,
        _STRATEGY_INVALID = -1,
} Strategy;
STRTAB_DECLARE(strategy, Strategy); /* auto, rolling, full-stop */

typedef enum OnFailure {
        ON_FAILURE_ROLLBACK,
        ON_FAILURE_PAUSE,
        ON_FAILURE_CONTINUE,
        _ON_FAILURE_MAX,
        _ON_FAILURE_INVALID = -1,
} OnFailure;
STRTAB_DECLARE(on_failure, OnFailure); /* rollback, pause, continue */

typedef enum RunnerKind {
        RUNNER_DIRECT,
        RUNNER_SYSTEMD,
        _RUNNER_KIND_MAX,
        _RUNNER_KIND_INVALID = -1,
} RunnerKind;
STRTAB_DECLARE(runner_kind, RunnerKind); /* direct, systemd */

/* A count, or a percentage of the replicants: "2" or "25%". */
typedef struct Amount {
        guint value;
        gboolean percent;
} Amount;

typedef struct BatteryConfig {
        char *name;
        /* [Battery] */
        char *description;
        char **packages;  /* as written: "calc", "dpkg:calc"; never NULL */
        char *program;    /* absolute, or relative to the first Kantan package's installation */
        char **arguments; /* Arguments=, %i is the replicant's id, %b the battery; never NULL */
        char *bus_name;   /* NULL if none */
        guint replicants, passive;
        RunnerKind runner;
        char *unit; /* systemd only */
        char *user; /* NULL: the daemon's own */
        gboolean stateless;
        char **after, **requires; /* battery names; never NULL */
        /* [Update] */
        Strategy strategy;
        gint64 warn_us, inhibit_delay_max_us;
        Amount max_unavailable, rollback_max_unavailable, canary, max_failures;
        gboolean min_active_set;
        Amount min_active;
        gint64 canary_soak_us, soak_us, drain_timeout_us, stop_timeout_us, ready_timeout_us;
        gint64 progress_deadline_us, coalesce_us;
        OnFailure on_failure;
        char **drain, **admit; /* argv with %i/%b not yet replaced; NULL if none */
        /* [Health] */
        char **check;        /* argv, as above; NULL if none */
        gint64 watchdog_us;  /* 0: none */
        gint64 heartbeat_us; /* a controller's; read and kept, of no effect without one */
        guint heartbeat_misses;
} BatteryConfig;

/* ARGV of this battery for replicant ID: %i becomes the id, %b the battery's name, %% a %. Anything else
 * behind a % stays as it is (files that hold it are refused). Owned by the caller. */
char **battery_config_expand(const BatteryConfig *c, char *const *argv, guint replicant, const char *root);

/* All defaults of DESIGN section 6, with this name. */
BatteryConfig *battery_config_new(const char *name);
void battery_config_free(BatteryConfig *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BatteryConfig, battery_config_free)

/* AMOUNT out of TOTAL; percentages round down, but to at least AT_LEAST. */
guint amount_of(Amount amount, guint total, guint at_least);
/* Replicants - Passive. */
guint battery_config_desired(const BatteryConfig *c);
/* MinActive, by default max(0, Desired - MaxUnavailable). */
guint battery_config_floor(const BatteryConfig *c);
/* MaxUnavailable as a number of replicants, at least 1. */
guint battery_config_max_unavailable(const BatteryConfig *c);
guint battery_config_rollback_max_unavailable(const BatteryConfig *c);

/* [a-z][a-z0-9_]{0,47} */
gboolean battery_name_valid(const char *name);
