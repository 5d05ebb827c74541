/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A replicant: its derived state and its journal record. */
#include "orchestrator/model/replicant.h"

#include "base/dict.h"
#include "orchestrator/model/update.h"

#include <stdlib.h>
#include <string.h>

static const char *const replicant_state_table[] = {
        "stopped", "starting", "ready", "active", "draining", "passive", "stopping", "failed",
};
STRTAB_DEFINE(replicant_state, ReplicantState, replicant_state_table, _REPLICANT_STATE_MAX)
static const char *const role_table[] = {"active", "passive"};
STRTAB_DEFINE(role, Role, role_table, _ROLE_MAX)

Replicant *replicant_new(const char *battery, guint id, Role role)
{
        Replicant *r = g_new0(Replicant, 1);
        r->battery = g_strdup(battery);
        r->id = id;
        r->role = role;
        r->version = g_strdup("");
        r->health = g_strdup("unknown");
        r->status = g_strdup("");
        return r;
}

void replicant_free(Replicant *r)
{
        if (!r)
                return;
        if (r->step && r->step->update == 0)
                step_free(r->step);
        g_free(r->battery);
        g_free(r->version);
        g_free(r->health);
        g_free(r->status);
        g_free(r);
}

static ReplicantState state_at_rest(const Replicant *r)
{
        if (r->pid == 0)
                return r->failed ? REPLICANT_FAILED : REPLICANT_STOPPED;
        if (!r->ready)
                return REPLICANT_STARTING;
        if (!r->admitted || r->drained)
                return REPLICANT_READY;
        return r->role == ROLE_PASSIVE ? REPLICANT_PASSIVE : REPLICANT_ACTIVE;
}

ReplicantState replicant_get_state(const Replicant *r)
{
        if (!r->step || r->step->act == STEP_SWITCH)
                return state_at_rest(r);
        switch (r->step->state) {
        case STEP_DRAINING:
                return REPLICANT_DRAINING;
        case STEP_STOPPING:
                return r->pid ? REPLICANT_STOPPING : REPLICANT_STOPPED;
        case STEP_SWITCHING:
                return REPLICANT_STOPPED;
        case STEP_STARTING:
                return REPLICANT_STARTING;
        case STEP_VERIFYING:
        case STEP_SYNCHRONISING:
        case STEP_SOAKING:
                return REPLICANT_READY;
        case STEP_WAITING:
        case STEP_ADMITTED:
        case STEP_FAILED:
        case _STEP_STATE_MAX:
        case _STEP_STATE_INVALID:
                break;
        }
        return state_at_rest(r);
}

void replicant_clear_process(Replicant *r)
{
        r->pid = 0;
        r->start_ticks = 0;
        r->ready = r->admitted = FALSE;
        g_free(r->version);
        r->version = g_strdup("");
        g_free(r->status);
        r->status = g_strdup("");
}

char *replicant_record_id(const Replicant *r)
{
        return g_strdup_printf("%s/%u", r->battery, r->id);
}

GVariant *replicant_to_record(const Replicant *r)
{
        return dict_make("role", g_variant_new_string(role_to_string(r->role)), "pid",
                         g_variant_new_int32(r->pid), "start_ticks", g_variant_new_uint64(r->start_ticks),
                         "ready", g_variant_new_boolean(r->ready), "admitted",
                         g_variant_new_boolean(r->admitted), "drained", g_variant_new_boolean(r->drained),
                         "failed", g_variant_new_boolean(r->failed), "health",
                         g_variant_new_string(r->health), "version", g_variant_new_string(r->version), NULL);
}

Replicant *replicant_from_record(const char *id, GVariant *body)
{
        const char *slash = strchr(id, '/');
        g_autofree char *battery = slash ? g_strndup(id, slash - id) : NULL;
        guint64 number;
        if (!battery_name_valid(battery) ||
            !g_ascii_string_to_unsigned(slash + 1, 10, 1, G_MAXUINT, &number, NULL))
                return NULL;
        Role role = role_from_string(dict_str(body, "role", "active"));
        Replicant *r =
                replicant_new(battery, (guint)number, role == ROLE_PASSIVE ? ROLE_PASSIVE : ROLE_ACTIVE);
        r->pid = dict_i(body, "pid", 0);
        r->start_ticks = dict_t(body, "start_ticks", 0);
        r->ready = dict_b(body, "ready", FALSE);
        r->admitted = dict_b(body, "admitted", FALSE);
        r->drained = dict_b(body, "drained", FALSE);
        r->failed = dict_b(body, "failed", FALSE);
        g_free(r->health);
        r->health = g_strdup(dict_str(body, "health", "unknown"));
        g_free(r->version);
        r->version = g_strdup(dict_str(body, "version", ""));
        return r;
}
