/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two calls, one after the other. The reply to the second is waited for, since the service asks the bus who
 * called, and a caller that is gone is nobody; it is given when the report is accepted, not when the update
 * is over. A service that is restarting is waited for: unreported, what the package manager installed would
 * be taken for what it died over, and the battery be brought back to the old version. */
#include "kantan-hooks/hook-report.h"
#include "base/clock.h"
#include "kantan-hooks/hook-service.h"

typedef struct Report {
        Bus *bus;
        GMainLoop *loop;
        Clock *clock;
        guint owner;
        gboolean success, expected;
        gboolean away; /* asked again once the name has an owner */
        guint64 return_by;
        char *why; /* NULL: told, or nothing to tell */
} Report;

static void back_too_late(gpointer user)
{
        Report *r = user;
        r->return_by = 0;
        r->why = g_strdup("it went away and did not come back");
        g_main_loop_quit(r->loop);
}

static void report_end(Report *r, const BusReply *reply, HookReply what)
{
        r->away = what == HOOK_REPLY_LOST || (what == HOOK_REPLY_ABSENT && r->expected);
        if (r->away && !r->return_by)
                r->return_by = clock_at(r->clock, clock_boot_us(r->clock) + HOOK_AWAY_US, back_too_late, r);
        if (r->away)
                return;
        if (what != HOOK_REPLY_GOOD && what != HOOK_REPLY_NOT_FOUND)
                r->why = g_strdup(reply->error_text ? reply->error_text : "its answer makes no sense");
        g_main_loop_quit(r->loop);
}

static void on_finished(const BusReply *reply, gpointer user)
{
        report_end(user, reply, hook_reply_classify(reply, "()"));
}

static void on_found(const BusReply *reply, gpointer user)
{
        Report *r = user;
        const char *path;
        HookReply what = hook_reply_classify(reply, "(o)");
        if (what != HOOK_REPLY_GOOD) {
                report_end(r, reply, what);
                return;
        }
        g_variant_get(reply->body, "(&o)", &path);
        hook_call_finish(r->bus, path, r->success, HOOK_REPLY_TIMEOUT_MS, on_finished, r);
}

static void on_name(const char *name, const char *owner, gpointer user)
{
        Report *r = user;
        if (!owner || !r->away)
                return;
        r->away = FALSE;
        hook_call_find(r->bus, r->owner, on_found, r);
}

gboolean hook_report(Bus *bus, guint owner, gboolean success, gboolean expected, char **ret_why)
{
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(Clock) clock = clock_new_system();
        Report r = {.bus = bus,
                    .loop = loop,
                    .clock = clock,
                    .owner = owner,
                    .success = success,
                    .expected = expected};
        guint64 name = bus_watch_name(bus, HOOK_SERVICE, on_name, &r);
        /* A bus that goes away answers both calls with an error. */
        hook_call_find(bus, owner, on_found, &r);
        g_main_loop_run(loop);
        bus_unwatch_name(bus, name);
        clock_cancel(clock, &r.return_by);
        *ret_why = r.why;
        return r.why == NULL;
}
