/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inhibitors: delay and block locks on updates. A lock is the write end of a FIFO, so it goes with its
 * holder; it is journalled, so it outlives us. */
#include "orchestrator/manager-priv.h"

#include <unistd.h>

#define TEXT_MAX 512 /* bytes of who and why: they stand in every table that a person reads */

void inhibitor_free(Inhibitor *i)
{
        if (!i)
                return;
        hold_leave(i->hold);
        g_free(i->battery);
        g_free(i->who);
        g_free(i->why);
        g_free(i->mode);
        g_free(i);
}

static GVariant *to_record(const Inhibitor *i)
{
        return dict_make("battery", g_variant_new_string(i->battery), "who", g_variant_new_string(i->who),
                         "why", g_variant_new_string(i->why), "mode", g_variant_new_string(i->mode), "uid",
                         g_variant_new_uint32(i->uid), "pid", g_variant_new_uint32(i->pid), "taken",
                         g_variant_new_int64(i->taken_us), NULL);
}

static const char *event_battery(const Inhibitor *i)
{
        return g_str_equal(i->battery, "*") ? "" : i->battery;
}

static GVariant *detail_of(const Inhibitor *i, const char *key, GVariant *value)
{
        return dict_make("who", g_variant_new_string(i->who), "why", g_variant_new_string(i->why), "mode",
                         g_variant_new_string(i->mode), "battery", g_variant_new_string(i->battery), key,
                         value, NULL);
}

static void recheck(Manager *m)
{
        g_autoptr(GList) updates = manager_updates(m);
        for (GList *l = updates; l; l = l->next) {
                Update *u = l->data;
                gboolean lead_over = clock_real_us(m->clock) >= u->warn_end_us;
                if (u->state == UPDATE_WARNED && !u->clear && lead_over) {
                        clock_cancel(m->clock, &u->timer);
                        update_check_objections(m, u);
                }
        }
}

static void on_gone(guint64 id, gpointer user)
{
        Manager *m = user;
        for (guint k = 0; k < m->inhibitors->len; k++) {
                Inhibitor *i = m->inhibitors->pdata[k];
                if (i->id != id)
                        continue;
                g_autofree char *key = g_strdup_printf("%" G_GUINT64_FORMAT, id);
                double held = (double)(clock_real_us(m->clock) - i->taken_us) / G_USEC_PER_SEC;
                outbox_delete(m->outbox, "inhibitor", key);
                manager_tell(m, EVENT_INHIBITOR_RELEASED, event_battery(i),
                             detail_of(i, "held_seconds", g_variant_new_double(held)));
                hold_free(g_steal_pointer(&i->hold));
                g_ptr_array_remove_index(m->inhibitors, k);
                recheck(m);
                return;
        }
}

gboolean inhibit_find(Manager *m, const char *battery, const char *mode, Inhibitor **ret)
{
        for (guint k = 0; k < m->inhibitors->len; k++) {
                Inhibitor *i = m->inhibitors->pdata[k];
                if (!g_str_equal(i->mode, mode) ||
                    (!g_str_equal(i->battery, "*") && !g_str_equal(i->battery, battery)))
                        continue;
                *ret = i;
                return TRUE;
        }
        return FALSE;
}

static guint held_by(Manager *m, guint uid)
{
        guint n = 0;
        for (guint k = 0; k < m->inhibitors->len; k++)
                n += ((Inhibitor *)m->inhibitors->pdata[k])->uid == uid;
        return n;
}

static Refusal check(Manager *m, const Caller *caller, const char *battery, const char *who, const char *why,
                     const char *mode, char **ret_why)
{
        if (!g_str_equal(battery, "*") && !battery_of(m, battery))
                return refuse(ret_why, REFUSAL_NOT_FOUND, "there is no such battery");
        if (!g_str_equal(mode, "delay") && !g_str_equal(mode, "block"))
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "a mode is delay or block");
        if (!*who || strlen(who) > TEXT_MAX || strlen(why) > TEXT_MAX)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "say who, and why, in at most %d bytes each",
                              TEXT_MAX);
        if (manager_check_journal(m, ret_why) != REFUSAL_NONE)
                return REFUSAL_LIMITS_EXCEEDED;
        if (m->inhibitors->len >= m->limits->inhibitors ||
            held_by(m, caller->uid) >= m->limits->inhibitors_per_uid)
                return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED,
                              "too many inhibitors are held already (%u in all, %u by one user; [Limits] "
                              "Inhibitors=)",
                              m->limits->inhibitors, m->limits->inhibitors_per_uid);
        return REFUSAL_NONE;
}

typedef struct Handover {
        int fd;
        ManagerFdAnswer answer;
        gpointer user;
} Handover;

static void do_hand_over(gpointer user, GVariant *args)
{
        guint64 p;
        g_variant_get(args, "(t)", &p);
        Handover *h = (Handover *)(gsize)p;
        h->answer(REFUSAL_NONE, NULL, h->fd, h->user);
        close(h->fd);
        g_free(h);
}

static char *holds_dir(Manager *m)
{
        return g_build_filename(m->paths->runtime, "holds", NULL);
}

void manager_inhibit(Manager *m, const Caller *caller, const char *battery, const char *who, const char *why,
                     const char *mode, ManagerFdAnswer answer, gpointer user)
{
        g_autofree char *refused = NULL, *dir = holds_dir(m);
        g_autoptr(GError) error = NULL;
        int fd = -1;
        Refusal r = check(m, caller, battery, who, why, mode, &refused);
        guint64 id = ++m->last_inhibitor;
        Hold *hold = r == REFUSAL_NONE ? hold_new(dir, id, &fd, on_gone, m, &error) : NULL;
        if (!hold) {
                answer(r != REFUSAL_NONE ? r : REFUSAL_LIMITS_EXCEEDED,
                       r != REFUSAL_NONE ? refused : error->message, -1, user);
                return;
        }
        Inhibitor *i = g_new0(Inhibitor, 1);
        *i = (Inhibitor){.id = id,
                         .battery = g_strdup(battery),
                         .who = g_strdup(who),
                         .why = g_strdup(why),
                         .mode = g_strdup(mode),
                         .uid = caller->uid,
                         .pid = caller->pid,
                         .taken_us = clock_real_us(m->clock),
                         .hold = hold};
        g_ptr_array_add(m->inhibitors, i);
        g_autofree char *key = g_strdup_printf("%" G_GUINT64_FORMAT, id);
        outbox_put(m->outbox, "inhibitor", key, event_battery(i), to_record(i));
        manager_tell(m, EVENT_INHIBITOR_TAKEN, event_battery(i),
                     detail_of(i, "uid", g_variant_new_uint32(i->uid)));
        Handover *h = g_new0(Handover, 1);
        *h = (Handover){fd, answer, user};
        outbox_after(m->outbox, do_hand_over, m, g_variant_new("(t)", (guint64)(gsize)h));
}

GVariant *manager_inhibitors(Manager *m)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(ssssuu)"));
        for (guint k = 0; k < m->inhibitors->len; k++) {
                const Inhibitor *i = m->inhibitors->pdata[k];
                g_variant_builder_add(&b, "(ssssuu)", i->battery, i->who, i->why, i->mode, i->uid, i->pid);
        }
        return g_variant_builder_end(&b);
}

/* ---- after our own restart ---- */

static void load_one(const char *id, const char *battery, GVariant *body, gpointer user)
{
        Manager *m = user;
        g_autofree char *dir = holds_dir(m);
        g_autoptr(GError) error = NULL;
        guint64 number;
        if (!g_ascii_string_to_unsigned(id, 10, 1, G_MAXUINT64, &number, NULL))
                return;
        m->last_inhibitor = MAX(m->last_inhibitor, number);
        Hold *hold = hold_reopen(dir, number, on_gone, m, &error);
        if (!hold) { /* a reboot has emptied the directory: its holder is gone too */
                outbox_delete(m->outbox, "inhibitor", id);
                return;
        }
        Inhibitor *i = g_new0(Inhibitor, 1);
        *i = (Inhibitor){.id = number,
                         .battery = g_strdup(dict_str(body, "battery", "*")),
                         .who = g_strdup(dict_str(body, "who", "")),
                         .why = g_strdup(dict_str(body, "why", "")),
                         .mode = g_strdup(dict_str(body, "mode", "delay")),
                         .uid = dict_u(body, "uid", 0),
                         .pid = dict_u(body, "pid", 0),
                         .taken_us = dict_x(body, "taken", 0),
                         .hold = hold};
        g_ptr_array_add(m->inhibitors, i);
}

gboolean inhibit_load(Manager *m, GError **error)
{
        g_autofree char *dir = holds_dir(m);
        if (g_mkdir_with_parents(dir, 0700) < 0) {
                g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot make %s: %s", dir,
                            g_strerror(errno));
                return FALSE;
        }
        if (!journal_load(m->journal, "inhibitor", load_one, m, error))
                return FALSE;
        g_autoptr(GArray) known = g_array_new(FALSE, FALSE, sizeof(guint64));
        for (guint k = 0; k < m->inhibitors->len; k++)
                g_array_append_val(known, ((Inhibitor *)m->inhibitors->pdata[k])->id);
        hold_sweep(dir, (const guint64 *)known->data, known->len); /* of a journal that was moved away */
        return TRUE;
}
