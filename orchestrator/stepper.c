/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stepper: what is done to one replicant, act by act. A step's state is written here and nowhere else;
 * run/update-step.c says which state follows; entering a state asks for its act through the outbox, so that
 * it is done only once the state is durable. */
#include "orchestrator/manager-priv.h"

static void step_enter(Manager *m, Step *s);

static Replicant *replicant_of(Manager *m, const char *battery, guint id)
{
        Battery *b = battery_of(m, battery);
        return b ? battery_replicant(b, id) : NULL;
}

static const BatteryConfig *config_of(Manager *m, const Step *s)
{
        return battery_of(m, s->battery)->config;
}

static Update *update_of(Manager *m, const Step *s)
{
        return s->update ? manager_update(m, s->update) : NULL;
}

char *replicant_link_version(Manager *m, const Replicant *r)
{
        Battery *b = battery_of(m, r->battery);
        const char *package = battery_main_package(b);
        char *v = package ? m->installer->version_of(m->installer, r->battery, r->id, package) : NULL;
        return v ? v : g_strdup(b->version);
}

static GVariant *detail_of(const Step *s, const char *key, GVariant *value)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        dict_add(&b, "replicant", g_variant_new_uint32(s->replicant));
        if (s->update) {
                g_autofree char *path = update_path(s->update);
                dict_add(&b, "update", g_variant_new_object_path(path));
        }
        if (key)
                dict_add(&b, key, value);
        return g_variant_builder_end(&b);
}

/* ---- effects: by then everything is looked up anew ---- */

static char *program_of(Manager *m, Battery *b, guint replicant)
{
        if (g_path_is_absolute(b->config->program))
                return g_strdup(b->config->program);
        return m->installer->program_of(m->installer, b->config->name, replicant, battery_main_package(b),
                                        b->config->program);
}

/* Where the replicant's installation of the first Kantan package lies: %r. */
static char *root_of(Manager *m, Battery *b, guint replicant)
{
        const char *package = battery_main_package(b);
        char *link = package ? m->installer->program_of(m->installer, b->config->name, replicant, package, ".") : NULL;
        if (link && g_str_has_suffix(link, "/."))
                link[strlen(link) - 2] = 0;
        return link;
}

static void do_start(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery;
        guint32 id;
        g_variant_get(args, "(&su)", &battery, &id);
        Battery *b = battery_of(m, battery);
        if (!b)
                return;
        g_autofree char *program = program_of(m, b, id);
        g_autofree char *root = root_of(m, b, id);
        g_auto(GStrv) arguments = battery_config_expand(b->config, b->config->arguments, id, root);
        RunnerStart spec = {.battery = battery,
                            .replicant = id,
                            .program = program ? program : "/nonexistent",
                            .arguments = (const char *const *)arguments,
                            .user = b->config->user,
                            .watchdog_us = b->config->watchdog_us};
        m->runner->start(m->runner, &spec);
}

static void do_release(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery;
        guint32 id;
        g_variant_get(args, "(&su)", &battery, &id);
        m->runner->release(m->runner, battery, id);
}

static void do_stop(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery;
        guint32 id;
        gint64 timeout;
        g_variant_get(args, "(&sux)", &battery, &id, &timeout);
        m->runner->stop(m->runner, battery, id, timeout);
}

static void do_switch(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery, *package, *version;
        guint32 id;
        guint64 cookie;
        g_variant_get(args, "(t&su&s&s)", &cookie, &battery, &id, &package, &version);
        m->installer->switch_to(m->installer, cookie, battery, id, package, version);
}

static void do_command(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery, *run_as;
        guint32 id;
        guint64 cookie;
        gint64 timeout;
        g_autofree const char **argv = NULL;
        g_variant_get(args, "(t&sux&s^a&s)", &cookie, &battery, &id, &timeout, &run_as, &argv);
        m->runner->command(m->runner, cookie, battery, id, argv, *run_as ? run_as : NULL, timeout);
}

/* ---- acts of the states ---- */

static void ask_stop(Manager *m, Step *s)
{
        outbox_after(m->outbox, do_stop, m,
                     g_variant_new("(sux)", s->battery, (guint32)s->replicant, config_of(m, s)->stop_timeout_us));
}

/* What a port reports comes back by cookie; one that is not known any more was given up. */
static void take_cookie(Manager *m, Step *s)
{
        s->cookie = manager_cookie(m);
        g_hash_table_insert(m->cookies, &s->cookie, s);
}

static void drop_cookie(Manager *m, Step *s)
{
        if (s->cookie)
                g_hash_table_remove(m->cookies, &s->cookie);
        s->cookie = 0;
}

static void ask_command(Manager *m, Step *s, char **words, gint64 timeout_us)
{
        Battery *b = battery_of(m, s->battery);
        g_autofree char *root = root_of(m, b, s->replicant);
        g_auto(GStrv) argv = battery_config_expand(b->config, words, s->replicant, root);
        const char *user = config_of(m, s)->user;
        take_cookie(m, s);
        outbox_after(m->outbox, do_command, m,
                     g_variant_new("(tsuxs^as)", s->cookie, s->battery, (guint32)s->replicant, timeout_us,
                                   user ? user : "", argv));
}

static void on_ready_timeout(gpointer user)
{
        Step *s = user;
        Manager *m = s->runner;
        s->timer = 0;
        g_autofree char *why = g_strdup_printf("not ready within %" G_GINT64_FORMAT " s (ReadyTimeoutSec=)",
                                               config_of(m, s)->ready_timeout_us / G_USEC_PER_SEC);
        step_feed(m, s, STEP_EVENT_FAULT, why);
}

static void enter_draining(Manager *m, Step *s)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        if (r->pid == 0 || !r->admitted) {
                step_feed(m, s, STEP_EVENT_DRAINED, NULL);
                return;
        }
        manager_tell(m, EVENT_REPLICANT_DRAINING, s->battery, detail_of(s, NULL, NULL));
        if (config_of(m, s)->drain)
                ask_command(m, s, config_of(m, s)->drain, config_of(m, s)->drain_timeout_us);
        else
                step_feed(m, s, STEP_EVENT_DRAINED, NULL);
}

static void enter_stopping(Manager *m, Step *s)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        if (r->admitted) {
                r->admitted = FALSE;
                replicant_save(m, r);
        }
        if (r->pid || r->forking)
                ask_stop(m, s);
        else
                step_feed(m, s, STEP_EVENT_STOPPED, NULL);
}

static gboolean switch_wanted(Manager *m, const Step *s, const char *package, const char *version)
{
        g_autofree char *now = m->installer->version_of(m->installer, s->battery, s->replicant, package);
        if (strchr(package, ':') || !*version)
                return FALSE; /* files in place, or nothing to switch to */
        return !s->update ? now == NULL : g_strcmp0(now, version) != 0;
}

static void ask_switch(Manager *m, Step *s, const char *package, const char *version)
{
        if (!switch_wanted(m, s, package, version))
                return;
        if (s->cookie == 0)
                take_cookie(m, s);
        s->outstanding++;
        outbox_after(m->outbox, do_switch, m,
                     g_variant_new("(tsuss)", s->cookie, s->battery, (guint32)s->replicant, package, version));
}

static void enter_switching(Manager *m, Step *s)
{
        Update *u = update_of(m, s);
        s->gated = u && !update_gate_is_open(m, u, s);
        if (s->gated)
                return;
        s->outstanding = 0;
        if (u) {
                for (guint i = 0; i < u->targets->len; i++) {
                        const Target *t = g_ptr_array_index(u->targets, i);
                        ask_switch(m, s, t->package, s->back ? t->from : t->to);
                }
                if (!s->back && !u->switched) {
                        u->switched = TRUE;
                        update_save(m, u);
                }
        } else {
                GHashTableIter it;
                gpointer k, v;
                g_hash_table_iter_init(&it, battery_of(m, s->battery)->versions);
                while (g_hash_table_iter_next(&it, &k, &v))
                        ask_switch(m, s, k, v);
        }
        if (s->outstanding == 0)
                step_feed(m, s, STEP_EVENT_SWITCHED, NULL);
}

static void enter_starting(Manager *m, Step *s)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        r->forking = TRUE;
        r->failed = FALSE;
        outbox_after(m->outbox, do_start, m, g_variant_new("(su)", s->battery, (guint32)s->replicant));
        s->timer = clock_at(m->clock, clock_boot_us(m->clock) + config_of(m, s)->ready_timeout_us, on_ready_timeout,
                            s);
}

static void enter_verifying(Manager *m, Step *s)
{
        const BatteryConfig *c = config_of(m, s);
        if (c->check)
                ask_command(m, s, c->check, c->ready_timeout_us);
        else
                step_feed(m, s, STEP_EVENT_CHECKED, NULL);
}

/* Soaking has three parts: the time, the check once more, and the admit command. */
enum { SOAK_TIME, SOAK_CHECK, SOAK_ADMIT, SOAK_OVER };

static void soak_on(Manager *m, Step *s);

static void on_soaked(gpointer user)
{
        Step *s = user;
        Manager *m = s->runner;
        s->timer = 0;
        s->part = SOAK_CHECK;
        soak_on(m, s);
}

void step_promote(Manager *m, Step *s)
{
        if (s->part != SOAK_TIME)
                return;
        clock_cancel(m->clock, &s->timer);
        s->part = SOAK_CHECK;
        soak_on(m, s);
}

static gint64 soak_time(Manager *m, const Step *s)
{
        const Update *u = update_of(m, s);
        if (s->act != STEP_REPLACE || s->back)
                return 0; /* going back hurries; a plain start has nothing new to watch */
        return s->canary && !u->promoted ? config_of(m, s)->canary_soak_us : config_of(m, s)->soak_us;
}

static void soak_on(Manager *m, Step *s)
{
        const BatteryConfig *c = config_of(m, s);
        gint64 time = soak_time(m, s);
        if (s->part == SOAK_TIME && time > 0) {
                s->timer = clock_at(m->clock, clock_boot_us(m->clock) + time, on_soaked, s);
                return;
        }
        if (s->part <= SOAK_CHECK && time > 0 && c->check) {
                s->part = SOAK_CHECK;
                ask_command(m, s, c->check, c->ready_timeout_us);
                return;
        }
        if (s->part <= SOAK_ADMIT && c->admit) {
                s->part = SOAK_ADMIT;
                ask_command(m, s, c->admit, c->drain_timeout_us);
                return;
        }
        step_feed(m, s, STEP_EVENT_SOAKED, NULL);
}

/* ---- the end of a step ---- */

static void set_health(Replicant *r, const char *health)
{
        g_free(r->health);
        r->health = g_strdup(health);
}

static void step_over(Manager *m, Step *s, const char *why)
{
        Battery *b = battery_of(m, s->battery);
        Replicant *r = battery_replicant(b, s->replicant);
        gboolean ok = s->state == STEP_ADMITTED;
        StepAct act = s->act;
        if (ok && (act == STEP_REPLACE || act == STEP_START)) {
                r->admitted = TRUE;
                r->healthy_since_us = clock_boot_us(m->clock);
                set_health(r, "good");
                manager_tell(m, EVENT_REPLICANT_HEALTHY, s->battery,
                             detail_of(s, "version", g_variant_new_string(r->version)));
        } else if (!ok) {
                set_health(r, why);
                manager_tell(m, EVENT_REPLICANT_FAILED, s->battery, detail_of(s, "reason", g_variant_new_string(why)));
        }
        if (r->step == s)
                r->step = NULL;
        replicant_save(m, r);
        if (s->update) {
                Update *u = update_of(m, s);
                r->failed = !ok;
                update_step_finished(m, u, s);
        } else {
                step_free(s);
                supervise_step_finished(m, b, r, act, ok, why);
        }
        supervise(m, b);
}

static void cancel_waits(Manager *m, Step *s)
{
        clock_cancel(m->clock, &s->timer);
        if (s->cookie && s->state != STEP_SWITCHING)
                m->runner->command_cancel(m->runner, s->cookie);
        drop_cookie(m, s);
        s->part = 0;
        s->gated = FALSE;
}

static void step_set_state(Manager *m, Step *s, StepState state, const char *why)
{
        cancel_waits(m, s);
        s->state = state;
        if (state == STEP_FAILED) {
                g_free(s->reason);
                s->reason = g_strdup(why ? why : "failed");
        }
        step_save(m, s);
        manager_changed(m, OBJECT_REPLICANT, s->battery, s->replicant);
        manager_changed(m, OBJECT_BATTERY, s->battery, 0);
        update_track_active(m, battery_of(m, s->battery));
        step_enter(m, s);
}

static void step_enter(Manager *m, Step *s)
{
        switch (s->state) {
        case STEP_DRAINING:
                enter_draining(m, s);
                break;
        case STEP_STOPPING:
                enter_stopping(m, s);
                break;
        case STEP_SWITCHING:
                enter_switching(m, s);
                break;
        case STEP_STARTING:
                enter_starting(m, s);
                break;
        case STEP_VERIFYING:
                enter_verifying(m, s);
                break;
        case STEP_SYNCHRONISING: /* without a controller there is nobody to catch up with */
                step_feed(m, s, STEP_EVENT_SYNCHRONISED, NULL);
                break;
        case STEP_SOAKING:
                soak_on(m, s);
                break;
        case STEP_ADMITTED:
        case STEP_FAILED:
                step_over(m, s, s->reason);
                break;
        case STEP_WAITING:
        case _STEP_STATE_MAX:
        case _STEP_STATE_INVALID:
                g_assert_not_reached();
        }
}

void step_feed(Manager *m, Step *s, StepEvent event, const char *why)
{
        StepState next = step_next(s->act, s->state, event);
        if (next != _STEP_STATE_INVALID)
                step_set_state(m, s, next, why);
}

void step_begin_at(Manager *m, Step *s, StepState state)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        g_assert(!r->step || r->step == s);
        r->step = s;
        s->runner = m;
        clock_cancel(m->clock, &r->backoff_timer);
        step_set_state(m, s, state, NULL);
}

void step_begin(Manager *m, Step *s)
{
        step_begin_at(m, s, step_next(s->act, STEP_WAITING, STEP_EVENT_GO));
}

gboolean step_is_switching(const Step *s)
{
        return s->state == STEP_SWITCHING && !s->gated;
}

void step_open_gate(Manager *m, Step *s)
{
        if (s->state == STEP_SWITCHING && s->gated)
                enter_switching(m, s);
}

void step_interrupt(Manager *m, Step *s, const char *why)
{
        Replicant *r = replicant_of(m, s->battery, s->replicant);
        cancel_waits(m, s);
        if (r->step == s)
                r->step = NULL;
        s->state = STEP_FAILED;
        g_free(s->reason);
        s->reason = g_strdup(why);
        step_save(m, s);
}

/* ---- what the ports report ---- */

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
                outbox_after(m->outbox, do_stop, m, g_variant_new("(sux)", r->battery, (guint32)r->id, (gint64)0));
                return;
        }
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        dict_add(&b, "replicant", g_variant_new_uint32(r->id));
        dict_add(&b, "version", g_variant_new_string(r->version));
        dict_add(&b, "pid", g_variant_new_uint32((guint32)r->pid));
        manager_tell(m, EVENT_REPLICANT_STARTED, r->battery, g_variant_builder_end(&b));
        outbox_after(m->outbox, do_release, m, g_variant_new("(su)", r->battery, (guint32)r->id));
}

static char *exit_words(const PortEvent *e)
{
        if (e->text && *e->text)
                return g_strdup(e->text);
        if (e->exit_signal > 0)
                return g_strdup_printf("killed by signal %d (%s)", e->exit_signal, g_strsignal(e->exit_signal));
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
                                       g_variant_new_boolean(TRUE), "status", g_variant_new_int32(e->exit_status),
                                       "signal", g_variant_new_int32(e->exit_signal), NULL));
                replicant_clear_process(r);
                replicant_save(m, r);
        }
        if (s && s->state == STEP_STOPPING)
                step_feed(m, s, STEP_EVENT_STOPPED, NULL);
        else if (s && s->state != STEP_SWITCHING && was)
                step_feed(m, s, STEP_EVENT_EXITED, why);
        else if (!s && was)
                supervise_unexpected_exit(m, b, r, why);
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
        if (r->step) {
                step_feed(m, r->step, STEP_EVENT_FAULT, "its watchdog was not fed in time (WatchdogSec=)");
                return;
        }
        manager_tell(m, EVENT_REPLICANT_FAILED, r->battery,
                     dict_make("replicant", g_variant_new_uint32(r->id), "reason",
                               g_variant_new_string("its watchdog was not fed in time (WatchdogSec=)"), NULL));
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
        drop_cookie(m, s);
        g_autofree char *why = g_strdup_printf("check failed: %s", e->text ? e->text : "");
        if (s->state == STEP_DRAINING) {
                if (!e->ok)
                        g_warning("%s/%u: drain command: %s; going on", s->battery, s->replicant, e->text);
                step_feed(m, s, STEP_EVENT_DRAINED, NULL);
        } else if (!e->ok) {
                step_feed(m, s, STEP_EVENT_FAULT, s->part == SOAK_ADMIT ? e->text : why);
        } else if (s->state == STEP_VERIFYING) {
                step_feed(m, s, STEP_EVENT_CHECKED, NULL);
        } else if (s->state == STEP_SOAKING) {
                s->part++;
                soak_on(m, s);
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
