/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of the ports for one replicant, through the outbox: each asker notes its act, and the act
 * runs once the reason for it is durable, with everything looked up anew. Only a start is asked for at once,
 * since it has no effect yet: the process is held, and its release waits for its pid to be durable. */
#include "orchestrator/manager-priv.h"

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
        return package ? m->installer->program_of(m->installer, b->config->name, replicant, package, NULL)
                       : NULL;
}

static void do_release(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery;
        guint32 id;
        g_variant_get(args, "(&su)", &battery, &id);
        m->runner->release(m->runner, battery, id);
}

/* Whether what runs by now is not what was to be stopped: that went meanwhile, and another was started at
 * once. PID 0: it was being made when the stop was asked for. */
static gboolean is_another(const Replicant *r, int pid)
{
        gboolean coming_up = r->step && r->step->state >= STEP_STARTING && step_is_running(r->step);
        return pid ? r->pid != pid : coming_up;
}

static void do_stop(gpointer user, GVariant *args)
{
        Manager *m = user;
        const char *battery;
        guint32 id;
        gint32 pid;
        gint64 timeout;
        g_variant_get(args, "(&suix)", &battery, &id, &pid, &timeout);
        Battery *b = battery_of(m, battery);
        Replicant *r = b ? battery_replicant(b, id) : NULL;
        if (!r || !is_another(r, pid))
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

/* ---- the askers ---- */

/* Its FORKED comes in time for the batch that says why it is started: one write instead of two. */
void act_start(Manager *m, const Replicant *r)
{
        Battery *b = battery_of(m, r->battery);
        g_autofree char *program = program_of(m, b, r->id);
        g_autofree char *root = root_of(m, b, r->id);
        g_auto(GStrv) arguments = battery_config_expand(b->config, b->config->arguments, r->id, root);
        RunnerStart spec = {.battery = r->battery,
                            .replicant = r->id,
                            .program = program ? program : "/nonexistent",
                            .arguments = (const char *const *)arguments,
                            .user = b->config->user,
                            .watchdog_us = b->config->watchdog_us};
        m->runner->start(m->runner, &spec);
}

void act_release(Manager *m, const Replicant *r)
{
        outbox_after(m->outbox, do_release, m, g_variant_new("(su)", r->battery, (guint32)r->id));
}

void act_stop(Manager *m, const Replicant *r, gint64 timeout_us)
{
        outbox_after(m->outbox, do_stop, m,
                     g_variant_new("(suix)", r->battery, (guint32)r->id, (gint32)r->pid, timeout_us));
}

/* What a port reports comes back by cookie; one that is not known any more was given up. */
static void take_cookie(Manager *m, Step *s)
{
        s->cookie = manager_cookie(m);
        g_hash_table_insert(m->cookies, &s->cookie, s);
}

void act_forget_cookie(Manager *m, Step *s)
{
        if (s->cookie)
                g_hash_table_remove(m->cookies, &s->cookie);
        s->cookie = 0;
}

void act_command(Manager *m, Step *s, char **words, gint64 timeout_us)
{
        Battery *b = battery_of(m, s->battery);
        g_autofree char *root = root_of(m, b, s->replicant);
        g_auto(GStrv) argv = battery_config_expand(b->config, words, s->replicant, root);
        const char *user = b->config->user;
        take_cookie(m, s);
        outbox_after(m->outbox, do_command, m,
                     g_variant_new("(tsuxs^as)", s->cookie, s->battery, (guint32)s->replicant, timeout_us,
                                   user ? user : "", argv));
}

static gboolean switch_wanted(Manager *m, const Step *s, const char *package, const char *version)
{
        g_autofree char *now = m->installer->version_of(m->installer, s->battery, s->replicant, package);
        if (strchr(package, ':') || !*version)
                return FALSE; /* files in place, or nothing to switch to */
        return !s->update ? now == NULL : g_strcmp0(now, version) != 0;
}

void act_switch(Manager *m, Step *s, const char *package, const char *version)
{
        if (!switch_wanted(m, s, package, version))
                return;
        if (s->cookie == 0)
                take_cookie(m, s);
        s->outstanding++;
        outbox_after(
                m->outbox, do_switch, m,
                g_variant_new("(tsuss)", s->cookie, s->battery, (guint32)s->replicant, package, version));
}
