/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A battery: what follows from its replicants, and its journal record. */
#include "orchestrator/model/battery.h"

#include "base/dict.h"

#include <string.h>

static const char *const battery_state_table[] = {
        "stopped", "starting", "running", "degraded", "updating", "stopping", "failed",
};
STRTAB_DEFINE(battery_state, BatteryState, battery_state_table, _BATTERY_STATE_MAX)

static GHashTable *string_map(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

Battery *battery_new(BatteryConfig *config)
{
        Battery *b = g_new0(Battery, 1);
        b->config = config;
        b->version = g_strdup("");
        b->versions = string_map();
        b->previous = string_map();
        b->pins = string_map();
        b->replicants = g_ptr_array_new_with_free_func((GDestroyNotify)replicant_free);
        return b;
}

void battery_free(Battery *b)
{
        if (!b)
                return;
        g_ptr_array_unref(b->replicants);
        g_hash_table_unref(b->versions);
        g_hash_table_unref(b->previous);
        g_hash_table_unref(b->pins);
        battery_config_free(b->config);
        battery_config_free(b->next_config);
        g_free(b->version);
        g_free(b);
}

Replicant *battery_replicant(const Battery *b, guint id)
{
        /* They are made in order, so it is in its place unless one before it is gone. */
        if (id >= 1 && id <= b->replicants->len &&
            ((Replicant *)g_ptr_array_index(b->replicants, id - 1))->id == id)
                return g_ptr_array_index(b->replicants, id - 1);
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = g_ptr_array_index(b->replicants, i);
                if (r->id == id)
                        return r;
        }
        return NULL;
}

static guint count_state(const Battery *b, ReplicantState state)
{
        guint n = 0;
        for (guint i = 0; i < b->replicants->len; i++)
                n += replicant_get_state(g_ptr_array_index(b->replicants, i)) == state;
        return n;
}

guint battery_active(const Battery *b)
{
        return count_state(b, REPLICANT_ACTIVE);
}

guint battery_alive(const Battery *b)
{
        guint n = 0;
        for (guint i = 0; i < b->replicants->len; i++)
                n += ((Replicant *)g_ptr_array_index(b->replicants, i))->pid != 0;
        return n;
}

gboolean battery_is_at_rest(const Battery *b)
{
        for (guint i = 0; i < b->replicants->len; i++) {
                const Replicant *r = g_ptr_array_index(b->replicants, i);
                if (r->pid || r->forking || r->step)
                        return FALSE;
        }
        return TRUE;
}

/* Up: in the place that the file gives it (active or passive). */
static guint count_up(const Battery *b)
{
        return battery_active(b) + count_state(b, REPLICANT_PASSIVE);
}

BatteryState battery_get_state(const Battery *b)
{
        if (b->update && b->update_runs)
                return BATTERY_UPDATING;
        if (!b->wanted)
                return battery_is_at_rest(b) ? BATTERY_STOPPED : BATTERY_STOPPING;
        if (count_up(b) >= b->config->replicants)
                return BATTERY_RUNNING;
        if (battery_active(b) == 0)
                return count_state(b, REPLICANT_FAILED) == b->replicants->len ? BATTERY_FAILED
                                                                              : BATTERY_STARTING;
        return BATTERY_DEGRADED;
}

const char *battery_main_package(const Battery *b)
{
        for (char **p = b->config->packages; *p; p++)
                if (!strchr(*p, ':'))
                        return *p;
        return NULL;
}

gboolean battery_has_package(const Battery *b, const char *qualified)
{
        return g_strv_contains((const char *const *)b->config->packages, qualified);
}

gboolean battery_floor_broken(const Battery *b)
{
        return b->wanted && battery_active(b) < battery_config_floor(b->config);
}

static GVariant *map_to_variant(GHashTable *map)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));
        GHashTableIter it;
        gpointer k, v;
        g_hash_table_iter_init(&it, map);
        while (g_hash_table_iter_next(&it, &k, &v))
                g_variant_builder_add(&b, "{ss}", k, v);
        return g_variant_builder_end(&b);
}

static void map_from_variant(GHashTable *map, GVariant *body, const char *key)
{
        g_autoptr(GVariant) v = g_variant_lookup_value(body, key, G_VARIANT_TYPE("a{ss}"));
        GVariantIter it;
        char *name, *version;
        g_hash_table_remove_all(map);
        if (!v)
                return;
        g_variant_iter_init(&it, v);
        while (g_variant_iter_next(&it, "{ss}", &name, &version))
                g_hash_table_insert(map, name, version);
}

GVariant *battery_to_record(const Battery *b)
{
        return dict_make("wanted", g_variant_new_boolean(b->wanted), "version",
                         g_variant_new_string(b->version), "versions", map_to_variant(b->versions),
                         "previous", map_to_variant(b->previous), "pins", map_to_variant(b->pins), NULL);
}

void battery_apply_record(Battery *b, GVariant *body)
{
        b->wanted = dict_b(body, "wanted", FALSE);
        g_free(b->version);
        b->version = g_strdup(dict_str(body, "version", ""));
        map_from_variant(b->versions, body, "versions");
        map_from_variant(b->previous, body, "previous");
        map_from_variant(b->pins, body, "pins");
}
