/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of events. */
#include "orchestrator/model/event.h"

static const char *const event_kind_table[] = {
        "UpdateWarning",     "UpdateStarted",      "UpdateHeld",       "ReplicantDraining",
        "ReplicantStopped",  "ReplicantStarted",   "ReplicantHealthy", "ReplicantFailed",
        "HeartbeatMissed",   "RoleChanged",        "FloorBroken",      "Disagreement",
        "Synchronised",      "UpdateFinished",     "UpdateRolledBack", "InhibitorTaken",
        "InhibitorReleased", "ControllerTakeover",
};
STRTAB_DEFINE(event_kind, EventKind, event_kind_table, _EVENT_KIND_MAX)
