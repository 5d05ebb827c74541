/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the runner and the installer report of one replicant: noted on it, then fed to its step, or to
 * supervision where no step is under way. */
#include "orchestrator/manager-priv.h"

char *replicant_link_version(Manager *m, const Replicant *r)
{
        Battery *b = battery_of(m, r->battery);
        const char *package = battery_main_package(b);
        char *v = package ? m->installer->version_of(m->installer, r->battery, r->id, package) : NULL;
        const Update *u = r->step && r->step->update ? manager_update(m, r->step->update) : NULL;
        if (v)
                return v;
        if (u) /* files in place: what its update brings is what it starts with */
                return g_strdup(r->step->back ? u->from : u->to);
        return g_strdup(b->version);
}

static void on_forked(Manager *m, Replicant *r, const PortEvent *e)
{
        g_autofree char *version = replicant_link_version(m, r);
        r->forking = FALSE;
        r->pid = e->pid;
        r->start_ticks = e->start_ticks;
        r->ready = r->admitted = FALSE;
        g_free(r->version);
        r->version = g_steal_pointer(&version);
        replicant_save(m, r);
        if (!r->step || r->step->state != STEP_STARTING) { /* nobody wants it any more */
                act_stop(m, r, 0);
                return;
        }
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        dict_add(&b, "replicant", g_variant_new_uint32(r->id));
        dict_add(&b, "version", g_variant_new_string(r->version));
        dict_add(&b, "pid", g_variant_new_uint32((guint32)r->pid));
        manager_tell(m, EVENT_REPLICANT_STARTED, r->battery, g_variant_builder_end(&b));
        act_release(m, r);
}

static char *exit_words(const PortEvent *e)
{
        if (e->text && *e->text)
                return g_strdup(e->text);
        if (e->exit_signal > 0)
                return g_strdup_printf("killed by signal %d (%s)", e->exit_signal,
                                       g_strsignal(e->exit_signal));
        if (e->exit_status >= 0)
                return g_strdup_printf("exited with status %d", e->exit_status);
        return g_strdup("ended");
}

static void on_exited(Manager *m, Battery *b, Replicant *r, const PortEvent *e)
{
        Step *s = r->step;
        g_autofree char *why = exit_words(e);
        gboolean was = r->pid != 0;
        r->forking = FALSE;
        if (was) {
                manager_tell(m, EVENT_REPLICANT_STOPPED, r->battery,
                             dict_make("replicant", g_variant_new_uint32(r->id), "confirmed",
                                       g_variant_new_boolean(TRUE), "status",
                                       g_variant_new_int32(e->exit_status), "signal",
                                       g_variant_new_int32(e->exit_signal), NULL));
                replicant_clear_process(r);
                replicant_save(m, r);
        }
        if (s && s->state == STEP_STOPPING)
                step_feed(m, s, STEP_EVENT_STOPPED, NULL);
        else if (s && s->state != STEP_SWITCHING && was)
                step_feed(m, s, STEP_EVENT_EXITED, why);
        else if (!s && was)
                supervise_fault(m, b, r, why);
        update_track_active(m, b);
        supervise(m, b);
}

static void on_ready(Manager *m, Replicant *r)
{
        if (r->ready || r->pid == 0)
                return;
        r->ready = TRUE;
        replicant_save(m, r);
        if (r->step && r->step->state == STEP_STARTING)
                step_feed(m, r->step, STEP_EVENT_READY, NULL);
}

static void on_watchdog(Manager *m, Battery *b, Replicant *r)
{
        static const char why[] = "its watchdog was not fed in time (WatchdogSec=)";
        if (r->step) {
                step_feed(m, r->step, STEP_EVENT_FAULT, why);
                return;
        }
        supervise_fault(m, b, r, why);
        step_begin(m, step_new(0, r->battery, r->id, STEP_STOP, "watchdog"));
        supervise(m, b);
}

void stepper_on_runner(Manager *m, const PortEvent *e)
{
        Battery *b = battery_of(m, e->battery);
        Replicant *r = b ? battery_replicant(b, e->replicant) : NULL;
        if (!r)
                return;
        switch (e->kind) {
        case PORT_FORKED:
                on_forked(m, r, e);
                break;
        case PORT_START_FAILED:
                r->forking = FALSE;
                if (r->step)
                        step_feed(m, r->step, STEP_EVENT_FAULT, e->text);
                else
                        supervise(m, b); /* it waited for the answer to a start that was given up */
                break;
        case PORT_READY:
                on_ready(m, r);
                break;
        case PORT_STATUS:
                g_free(r->status);
                r->status = g_utf8_make_valid(e->text, -1);
                manager_changed(m, OBJECT_REPLICANT, r->battery, r->id);
                break;
        case PORT_STOPPING:
                break; /* its exit will tell */
        case PORT_WATCHDOG:
                on_watchdog(m, b, r);
                break;
        case PORT_EXITED:
                on_exited(m, b, r, e);
                break;
        case PORT_COMMAND_DONE:
        case PORT_UNPACKED:
        case PORT_SWITCHED:
        case PORT_CURRENT_SET:
        case PORT_OWNER_GONE:
        case _PORT_EVENT_MAX:
                break;
        }
}

void stepper_on_command(Manager *m, const PortEvent *e)
{
        Step *s = g_hash_table_lookup(m->cookies, &e->cookie);
        if (!s)
                return;
        act_forget_cookie(m, s);
        g_autofree char *why = g_strdup_printf("check failed: %s", e->text ? e->text : "");
        if (s->state == STEP_DRAINING) {
                if (!e->ok)
                        g_warning("%s/%u: drain command: %s; going on", s->battery, s->replicant, e->text);
                step_feed(m, s, STEP_EVENT_DRAINED, NULL);
        } else if (!e->ok) {
                step_feed(m, s, STEP_EVENT_FAULT, why);
        } else if (s->state == STEP_VERIFYING) {
                step_feed(m, s, STEP_EVENT_CHECKED, NULL);
        } else if (s->state == STEP_SOAKING) {
                step_soak_on(m, s);
        }
}

void stepper_on_switched(Manager *m, const PortEvent *e)
{
        Step *s = g_hash_table_lookup(m->cookies, &e->cookie);
        if (!s || s->state != STEP_SWITCHING)
                return;
        if (!e->ok)
                step_feed(m, s, STEP_EVENT_FAULT, e->text);
        else if (--s->outstanding == 0)
                step_feed(m, s, STEP_EVENT_SWITCHED, NULL);
}
