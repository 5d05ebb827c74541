/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small machine: asking -> waiting -> an outcome, with a way through away (the service is restarting)
 * back to asking. The verdict is what the transaction's State says in a reply of the service. Signals only
 * wake us up: on a system bus anyone may send us one, only the service can answer our calls. */
#include "kantan-hooks/hook-wait.h"
#include "base/clock.h"
#include "kantan-hooks/hook-service.h"

#include <glib-unix.h>
#include <signal.h>

/* Giving up must not take long: the service notices the package manager's end anyway. */
#define FINISH_TIMEOUT_MS 5000

typedef enum WaitState {
        WAIT_ASKING,    /* BeginTransaction, FindTransaction or the state is on its way */
        WAIT_WAITING,   /* for the verdict */
        WAIT_AWAY,      /* the service was there and is not */
        WAIT_FINISHING, /* we gave up and tell so */
} WaitState;

typedef struct Wait {
        Bus *bus;
        const HookCall *call;
        guint owner;
        Clock *clock;
        GMainLoop *loop;
        WaitState state;
        gboolean met;    /* the service has been seen on the bus */
        guint64 pending; /* our call, 0 if none */
        guint64 deadline, return_by;
        guint signals[3];
        char *path; /* the transaction; NULL if not known yet */
        char *told; /* the reason that a refusing Verdict gave */
        HookOutcome outcome;
        char *why;
} Wait;

static void ask_begin(Wait *w);
static void ask_find(Wait *w);
static void ask_state(Wait *w);

static void call_drop(Wait *w)
{
        if (w->pending)
                bus_call_cancel(w->bus, w->pending);
        w->pending = 0;
}

static void wait_end(Wait *w, HookOutcome outcome, const char *why)
{
        call_drop(w);
        w->outcome = outcome;
        g_free(w->why);
        w->why = g_strdup(why);
        g_main_loop_quit(w->loop);
}

static void back_too_late(gpointer user)
{
        Wait *w = user;
        w->return_by = 0;
        wait_end(w, HOOK_UNREACHABLE, "the orchestrator went away and did not come back");
}

static void wait_away(Wait *w)
{
        call_drop(w);
        w->state = WAIT_AWAY;
        if (!w->return_by)
                w->return_by = clock_at(w->clock, clock_boot_us(w->clock) + HOOK_AWAY_US, back_too_late, w);
}

/* What no step of the conversation expects. */
static void take_error(Wait *w, HookReply what, const BusReply *reply)
{
        g_autofree char *text = reply->error_name
                                        ? g_strdup_printf("%s (%s)", reply->error_text, reply->error_name)
                                        : g_strdup("the orchestrator's answer makes no sense");
        if (what == HOOK_REPLY_REFUSAL)
                wait_end(w, HOOK_REFUSED, reply->error_text);
        else if (what == HOOK_REPLY_LOST || (what == HOOK_REPLY_ABSENT && w->met))
                wait_away(w);
        else
                wait_end(w, HOOK_UNREACHABLE, text);
}

static void take_path(Wait *w, GVariant *body)
{
        w->met = TRUE;
        clock_cancel(w->clock, &w->return_by);
        g_clear_pointer(&w->path, g_free);
        g_variant_get(body, "(o)", &w->path);
        ask_state(w);
}

static void on_begun(const BusReply *reply, gpointer user)
{
        Wait *w = user;
        w->pending = 0;
        HookReply what = hook_reply_classify(reply, "(o)");
        if (what == HOOK_REPLY_GOOD)
                take_path(w, reply->body);
        else
                take_error(w, what == HOOK_REPLY_NOT_FOUND ? HOOK_REPLY_REFUSAL : what, reply);
}

static void on_found(const BusReply *reply, gpointer user)
{
        Wait *w = user;
        w->pending = 0;
        HookReply what = hook_reply_classify(reply, "(o)");
        if (what == HOOK_REPLY_GOOD)
                take_path(w, reply->body);
        else if (what == HOOK_REPLY_NOT_FOUND)
                ask_begin(w); /* it ended before it had written us down; beginning again is harmless */
        else
                take_error(w, what, reply);
}

static void take_state(Wait *w, GVariant *properties)
{
        const char *state = "", *reason = "";
        g_variant_lookup(properties, "State", "&s", &state);
        g_variant_lookup(properties, "Reason", "&s", &reason);
        if (g_str_equal(state, "preparing"))
                w->state = WAIT_WAITING;
        else if (g_str_equal(state, "granted"))
                wait_end(w, HOOK_GRANTED, reason);
        else if (g_str_equal(state, "refused"))
                wait_end(w, HOOK_REFUSED, reason);
        else /* finishing, closed */
                wait_end(w, HOOK_REFUSED,
                         *reason ? reason : "the transaction was ended before there was a verdict");
}

static void on_state(const BusReply *reply, gpointer user)
{
        Wait *w = user;
        w->pending = 0;
        HookReply what = hook_reply_classify(reply, "(a{sv})");
        if (what == HOOK_REPLY_GOOD) {
                g_autoptr(GVariant) properties = g_variant_get_child_value(reply->body, 0);
                take_state(w, properties);
        } else if (what == HOOK_REPLY_NOT_FOUND) {
                /* A transaction that is gone was not granted; if a refusal was told, that is why. */
                wait_end(w, HOOK_REFUSED,
                         w->told ? w->told : "the transaction was ended before there was a verdict");
        } else {
                take_error(w, what, reply);
        }
}

static void ask_begin(Wait *w)
{
        w->state = WAIT_ASKING;
        w->pending = bus_call(w->bus, HOOK_SERVICE, HOOK_MANAGER_PATH, HOOK_MANAGER, "BeginTransaction",
                              hook_begin_args(w->call, w->owner), HOOK_REPLY_TIMEOUT_MS, on_begun, w);
}

static void ask_find(Wait *w)
{
        w->state = WAIT_ASKING;
        w->pending = hook_call_find(w->bus, w->owner, on_found, w);
}

/* State and reason in one reply, or they could be of different moments. */
static void ask_state(Wait *w)
{
        call_drop(w);
        w->state = WAIT_ASKING;
        w->pending = bus_call(w->bus, HOOK_SERVICE, w->path, "org.freedesktop.DBus.Properties", "GetAll",
                              g_variant_new("(s)", HOOK_TRANSACTION), HOOK_REPLY_TIMEOUT_MS, on_state, w);
}

static void on_verdict(const BusSignal *signal, gpointer user)
{
        Wait *w = user;
        gboolean granted;
        if (!w->path || g_strcmp0(signal->path, w->path) != 0 || w->state == WAIT_AWAY ||
            w->state == WAIT_FINISHING || !g_variant_is_of_type(signal->body, G_VARIANT_TYPE("(bs)")))
                return;
        g_clear_pointer(&w->told, g_free);
        g_variant_get(signal->body, "(bs)", &granted, &w->told);
        if (granted)
                g_clear_pointer(&w->told, g_free);
        ask_state(w);
}

static void on_name(const char *name, const char *owner, gpointer user)
{
        Wait *w = user;
        if (w->state == WAIT_FINISHING)
                return;
        if (!owner && w->met)
                wait_away(w);
        else if (owner && w->state == WAIT_AWAY)
                ask_find(w);
        if (owner)
                w->met = TRUE;
}

static void on_finished(const BusReply *reply, gpointer user)
{
        Wait *w = user;
        w->pending = 0;
        g_main_loop_quit(w->loop); /* whatever it says: nobody is left to hear */
}

/* Tells the service that nothing will come of it. A package manager whose hook fails runs no further hook
 * (apt: no Post-Invoke), and one that lives on (packagekitd, aptitude) would keep the transaction open and
 * with it a battery stopped: the watch on the owner would not end it. That holds for a hook that is
 * interrupted as well as for one that waited too long. */
static void wait_give_up(Wait *w, HookOutcome outcome, const char *why)
{
        gboolean reachable = w->path && w->state != WAIT_AWAY && w->state != WAIT_FINISHING;
        if (!reachable) {
                wait_end(w, outcome, why);
                return;
        }
        call_drop(w);
        w->state = WAIT_FINISHING;
        w->outcome = outcome;
        w->why = g_strdup(why);
        w->pending = hook_call_finish(w->bus, w->path, FALSE, FINISH_TIMEOUT_MS, on_finished, w);
}

static void on_deadline(gpointer user)
{
        Wait *w = user;
        w->deadline = 0;
        wait_give_up(w, HOOK_TIMED_OUT, "there was no verdict in time (HookTimeoutSec in orchestrator.conf)");
}

static gboolean on_interrupt(gpointer user)
{
        wait_give_up(user, HOOK_INTERRUPTED, "interrupted");
        return G_SOURCE_CONTINUE;
}

static void on_disconnected(Bus *bus, gpointer user)
{
        wait_end(user, HOOK_UNREACHABLE, "the connection to the bus was lost");
}

static void wait_run(Wait *w, gint64 timeout_us)
{
        static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
        for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
                w->signals[i] = g_unix_signal_add(numbers[i], on_interrupt, w);
        w->deadline = clock_at(w->clock, clock_boot_us(w->clock) + timeout_us, on_deadline, w);
        bus_on_disconnected(w->bus, on_disconnected, w);
        /* Both before the call, so that nothing falls between it and them. */
        guint64 name = bus_watch_name(w->bus, HOOK_SERVICE, on_name, w);
        guint64 verdict = bus_subscribe(
                w->bus, "sender='" HOOK_SERVICE "',interface='" HOOK_TRANSACTION "',member='Verdict'",
                on_verdict, w);
        ask_begin(w);
        g_main_loop_run(w->loop);
        bus_on_disconnected(w->bus, NULL, NULL);
        bus_unsubscribe(w->bus, verdict);
        bus_unwatch_name(w->bus, name);
        clock_cancel(w->clock, &w->deadline);
        clock_cancel(w->clock, &w->return_by);
        for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
                g_source_remove(w->signals[i]);
}

HookOutcome hook_wait(Bus *bus, const HookCall *call, guint owner, gint64 timeout_us, char **ret_why)
{
        g_autoptr(Clock) clock = clock_new_system();
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        Wait w = {.bus = bus, .call = call, .owner = owner, .clock = clock, .loop = loop};
        wait_run(&w, timeout_us);
        call_drop(&w);
        g_free(w.path);
        g_free(w.told);
        *ret_why = w.why;
        return w.outcome;
}
