/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two calls, one after the other. The reply to the second is waited for, since the service asks the bus who
 * called, and a caller that is gone is nobody; it is given when the report is accepted, not when the update
 * is over. */
#include "kantan-hooks/hook-report.h"
#include "kantan-hooks/hook-service.h"

typedef struct Report {
        Bus *bus;
        GMainLoop *loop;
        gboolean success;
        char *why; /* NULL: told, or nothing to tell */
} Report;

static void report_end(Report *r, const BusReply *reply, HookReply what)
{
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

gboolean hook_report(Bus *bus, guint owner, gboolean success, char **ret_why)
{
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        Report r = {.bus = bus, .loop = loop, .success = success};
        /* A bus that goes away answers both calls with an error. */
        hook_call_find(bus, owner, on_found, &r);
        g_main_loop_run(loop);
        *ret_why = r.why;
        return r.why == NULL;
}
