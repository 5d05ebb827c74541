/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading battery files, at the start and on Reload: what changes in a running battery, what waits for the
 * next start, what is refused (docs/battery-files.md). */
#include "orchestrator/manager-priv.h"

static void add_battery(Manager *m, BatteryConfig *config)
{
        Battery *b = battery_new(config);
        g_hash_table_insert(m->batteries, g_strdup(config->name), b);
        manager_added(m, OBJECT_BATTERY, config->name, 0);
        battery_make_replicants(m, b);
}

static void change_battery(Manager *m, Battery *b, BatteryConfig *config)
{
        battery_config_free(b->config);
        b->config = config;
        battery_make_replicants(m, b);
        manager_changed(m, OBJECT_BATTERY, config->name, 0);
}

/* A running update keeps the configuration that it began with. */
static void change_battery_in_time(Manager *m, Battery *b, BatteryConfig *config)
{
        b->file_gone = FALSE;
        if (!b->update) {
                change_battery(m, b, config);
                return;
        }
        battery_config_free(b->next_config);
        b->next_config = config;
}

void reload_apply_next(Manager *m, Battery *b)
{
        if (b->next_config)
                change_battery(m, b, g_steal_pointer(&b->next_config));
}

static void forget_battery(Manager *m, Battery *b)
{
        if (m->publisher)
                m->publisher->removed(OBJECT_BATTERY, b, m->publisher_user);
        for (guint i = 0; i < b->replicants->len; i++) {
                Replicant *r = b->replicants->pdata[i];
                g_autofree char *id = replicant_record_id(r);
                if (m->publisher)
                        m->publisher->removed(OBJECT_REPLICANT, r, m->publisher_user);
                clock_cancel(m->clock, &r->backoff_timer);
                outbox_delete(m->outbox, "replicant", id);
        }
        outbox_delete(m->outbox, "battery", b->config->name);
        g_hash_table_remove(m->batteries, b->config->name);
}

static gboolean may_be_forgotten(const Battery *b)
{
        return b->file_gone && !b->wanted && battery_is_at_rest(b) && !b->update;
}

static void do_forget(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *name;
        g_variant_get(args, "(&s)", &name);
        Battery *b = battery_of(m, name);
        if (b && may_be_forgotten(b))
                forget_battery(m, b);
}

void reload_forget_when_stopped(Manager *m, Battery *b)
{
        if (may_be_forgotten(b))
                outbox_after(m->outbox, do_forget, m, g_variant_new("(s)", b->config->name));
}

static void note(GString *problems, const char *why)
{
        g_string_append_printf(problems, "%s%s", problems->len ? "\n" : "", why);
}

static void read_file(Manager *m, const char *name, GString *problems)
{
        g_autofree char *why = NULL;
        BatteryConfig *config = m->source->load(name, &why, m->source->user);
        Battery *b = battery_of(m, name);
        if (!config) {
                note(problems, why ? why : name);
                g_warning("battery %s: %s%s", name, why,
                          b ? " (the previous configuration stays in force)" : "");
        } else if (!b) {
                add_battery(m, config);
        } else {
                change_battery_in_time(m, b, config);
        }
}

static void look_for_vanished(Manager *m, char **names)
{
        g_autoptr(GList) list = manager_batteries(m);
        for (GList *l = list; l; l = l->next) {
                Battery *b = l->data;
                if (g_strv_contains((const char *const *)names, b->config->name))
                        continue;
                b->file_gone = TRUE;
                if (may_be_forgotten(b))
                        forget_battery(m, b);
                else
                        g_warning("battery %s: its file is gone; it is kept until it is stopped",
                                  b->config->name);
        }
}

static char *find_cycle(Manager *m, Battery *b, GHashTable *seen)
{
        if (g_hash_table_contains(seen, b->config->name))
                return g_strdup(b->config->name);
        g_hash_table_add(seen, b->config->name);
        for (char **p = b->config->after; *p; p++) {
                Battery *next = battery_of(m, *p);
                g_autofree char *rest = next ? find_cycle(m, next, seen) : NULL;
                if (rest)
                        return g_strdup_printf("%s -> %s", b->config->name, rest);
        }
        g_hash_table_remove(seen, b->config->name);
        return NULL;
}

/* A cycle of After= would let each wait for the other for ever: the ring is cut, and told. */
static void cut_cycles(Manager *m, GString *problems)
{
        g_autoptr(GList) list = manager_batteries(m);
        for (GList *l = list; l; l = l->next) {
                Battery *b = l->data;
                g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
                g_autofree char *cycle = find_cycle(m, b, seen);
                if (!cycle)
                        continue;
                g_autofree char *why = g_strdup_printf(
                        "After= goes in a circle (%s): After= of %s is ignored", cycle, b->config->name);
                note(problems, why);
                g_warning("%s", why);
                g_strfreev(b->config->after);
                b->config->after = g_new0(char *, 1);
        }
}

static void read_all(Manager *m, GString *problems)
{
        g_auto(GStrv) names = m->source->list(m->source->user);
        for (char **n = names; *n; n++)
                read_file(m, *n, problems);
        look_for_vanished(m, names);
        cut_cycles(m, problems);
}

void reload_at_start(Manager *m)
{
        g_autoptr(GString) problems = g_string_new(NULL);
        read_all(m, problems);
}

void manager_reload(Manager *m, ManagerAnswer answer, gpointer user)
{
        g_autofree char *why = NULL;
        Refusal r = manager_check_journal(m, &why);
        if (r != REFUSAL_NONE) {
                manager_answer(m, answer, user, r, why, NULL);
                return;
        }
        g_autoptr(GString) problems = g_string_new(NULL);
        read_all(m, problems);
        manager_answer(m, answer, user, problems->len ? REFUSAL_INVALID_ARGUMENT : REFUSAL_NONE,
                       problems->len ? problems->str : NULL, NULL);
        g_autoptr(GList) list = manager_batteries(m);
        for (GList *l = list; l; l = l->next)
                supervise(m, l->data);
}
