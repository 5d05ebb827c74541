/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's inside, shared by its files: manager.c (parts, look-ups, telling), stepper.c (what is done
 * to one replicant), acts.c (asking the ports), reports.c (their answers), supervise.c (what is wanted of a
 * battery), roll.c (an update's course), transact.c (transactions), inhibit.c, reload.c, recover.c,
 * describe.c. Each writes the state that it names. */
#pragma once

#include "base/dict.h"
#include "base/proc.h"
#include "orchestrator/manager.h"
#include "orchestrator/plan/plan.h"
#include "orchestrator/run/hold.h"
#include "orchestrator/run/outbox.h"
#include "orchestrator/run/update-step.h"

#include <string.h>

#define UPDATES_KEPT 100                 /* final updates kept in memory; the journal has the rest */
#define TRANSACTIONS_KEPT 32             /* likewise */
#define EVENTS_KEPT 100000               /* in the journal */
#define START_LIMIT 5                    /* starts in a row that did not last, then a person is needed */
#define LASTING_US (10 * G_USEC_PER_SEC) /* a start that held so long counts as good */
#define BACKOFF_FIRST_US (100 * 1000)
#define BACKOFF_MOST_US (30 * G_USEC_PER_SEC)

typedef struct Inhibitor {
        guint64 id;
        char *battery, *who, *why, *mode;
        guint uid, pid;
        gint64 taken_us; /* realtime */
        Hold *hold;
} Inhibitor;

/* Somebody waits: for a battery to be started or stopped, for an update to end, or for what came of the
 * packages that he named. */
typedef struct Waiter {
        char *battery; /* START, STOP; else NULL */
        gboolean start;
        guint64 update;      /* or 0 */
        guint64 transaction; /* or 0 */
        ManagerAnswer answer;
        gpointer user;
} Waiter;

struct Manager {
        Journal *journal;
        Clock *clock;
        const Paths *paths;
        const BatterySource *source;
        const Limits *limits;
        RunnerPort *runner;
        InstallerPort *installer;
        OwnerPort *owner;
        const Publisher *publisher;
        gpointer publisher_user;
        Outbox *outbox;
        GHashTable *batteries;    /* name -> Battery */
        GHashTable *transactions; /* &id -> Transaction */
        GHashTable *updates;      /* &id -> Update */
        GHashTable *cookies;      /* &cookie -> Step that waits for it */
        GPtrArray *inhibitors;
        GPtrArray *waiters;
        gboolean started; /* what was loaded has been published */
        gboolean trim_due;
        guint64 sequence, last_transaction, last_update, last_inhibitor, last_cookie;
};

/* ---- manager.c ---- */
void manager_tell(Manager *m, EventKind kind, const char *battery, GVariant *detail);
void manager_tell_kind(Manager *m, const char *kind, const char *battery, GVariant *detail);
/* Puts the record and, once durable, tells that the object changed. */
void battery_save(Manager *m, Battery *b);
void replicant_save(Manager *m, Replicant *r);
void update_save(Manager *m, Update *u);
void step_save(Manager *m, Step *s);
void transaction_save(Manager *m, Transaction *t);
void manager_changed(Manager *m, ObjectKind kind, const char *battery, guint64 id);
void manager_added(Manager *m, ObjectKind kind, const char *battery, guint64 id);
/* Answers after all that was put so far is durable. RESULT may be NULL. While the journal cannot be written
 * nothing becomes durable, and a refusal does not wait for that: it has changed nothing. */
void manager_answer(Manager *m, ManagerAnswer answer, gpointer user, Refusal code, const char *why,
                    GVariant *result);
/* To who only looks: not held up by a journal that cannot be written. */
void manager_answer_seen(Manager *m, ManagerAnswer answer, gpointer user, GVariant *result);
/* LIMITS_EXCEEDED, with words, while the journal cannot be written. */
Refusal manager_check_journal(Manager *m, char **ret_why);
Battery *battery_of(Manager *m, const char *name);
char *update_path(guint64 id);
Update *battery_current_update(Manager *m, Battery *b);
char *manager_initiator(const Caller *caller);
/* Drops what is over and too old, once nobody further up the stack can hold it any more. */
void manager_trim(Manager *m);
/* A new cookie that leads back to (battery, replicant) or (transaction, change). */
guint64 manager_cookie(Manager *m);

/* ---- stepper.c ---- */
void step_begin(Manager *m, Step *s);
/* As begin, from STATE on (recovery, verification of an adopted replicant). */
void step_begin_at(Manager *m, Step *s, StepState state);
void step_feed(Manager *m, Step *s, StepEvent event, const char *why);
/* Stops caring: timers and commands are cancelled, the replicant is let go; state failed with WHY. */
void step_interrupt(Manager *m, Step *s, const char *why);
/* TRUE while a switch of it is under way, which must not be overtaken. */
gboolean step_is_switching(const Step *s);
/* A person is satisfied with a canary: its soak ends now. */
void step_promote(Manager *m, Step *s);
void step_open_gate(Manager *m, Step *s);
/* A part of its soak ended well. */
void step_soak_on(Manager *m, Step *s);

/* ---- acts.c ---- */
void act_start(Manager *m, const Replicant *r);
void act_release(Manager *m, const Replicant *r);
void act_stop(Manager *m, const Replicant *r, gint64 timeout_us);
/* WORDS with their placeholders; its end comes back by the step's cookie. */
void act_command(Manager *m, Step *s, char **words, gint64 timeout_us);
/* Only if the link does not say so already; counts in the step's `outstanding`. */
void act_switch(Manager *m, Step *s, const char *package, const char *version);
void act_forget_cookie(Manager *m, Step *s);

/* ---- reports.c ---- */
void stepper_on_runner(Manager *m, const PortEvent *e);
void stepper_on_command(Manager *m, const PortEvent *e);
void stepper_on_switched(Manager *m, const PortEvent *e);
char *replicant_link_version(Manager *m, const Replicant *r);

/* ---- supervise.c ---- */
/* Brings a battery's replicants towards what is wanted; answers who waited; watches the floor. */
void supervise(Manager *m, Battery *b);
/* The same once this turn is over, for callers above whom steps and updates are being written: an update has
 * handed replicants back, and what went meanwhile is to be brought back. */
void supervise_soon(Manager *m, const char *battery);
/* A replicant that an update could not start comes under supervision again. */
void supervise_try_again(Manager *m, Replicant *r);
void supervise_step_finished(Manager *m, Battery *b, Replicant *r, StepAct act, gboolean ok, const char *why);
/* R ended by itself or hangs, and no step was under way: told, and counted against it. */
void supervise_fault(Manager *m, Battery *b, Replicant *r, const char *why);
void battery_make_replicants(Manager *m, Battery *b);
void battery_reset_failures(Manager *m, Battery *b);

/* ---- roll.c ---- */
void update_feed(Manager *m, Update *u, UpdateEvent event, const char *why);
void update_step_finished(Manager *m, Update *u, Step *s);
/* Begins what may begin now; ends it when all is done. */
void update_advance(Manager *m, Update *u);
/* The index of the step that may begin now, or ROLL_NONE, ROLL_FLOOR. */
int update_next_step(Manager *m, const Update *u);
/* ---- roll-back.c ---- */
void update_go_back(Manager *m, Update *u, UpdateState goal, const char *why);
/* Gives up forward steps and plans the way back, once. */
void update_prepare_back(Manager *m, Update *u);
/* All is as it was, or cannot be: the verdict. */
void update_end_back(Manager *m, Update *u);

void update_check_objections(Manager *m, Update *u);
/* Interrupts what supervision does to R and begins S. */
void update_take_in_hand(Manager *m, Replicant *r, Step *s);

/* ---- gate.c ---- */
gboolean update_gate_is_open(Manager *m, const Update *u, const Step *s);
void update_open_gates(Manager *m, Update *u);
/* Full stop: begins the stops. All confirmed: */
void update_begin_stops(Manager *m, Update *u);
gboolean update_is_stopped(Manager *m, const Update *u);

/* ---- roll.c ---- */
void update_track_active(Manager *m, Battery *b);
void update_note_soak(Manager *m, Update *u, gint64 soak_us);
void update_arm(Manager *m, Update *u); /* timers of its state, after a restart */

/* ---- transact.c ---- */
void transact_advance(Manager *m, Transaction *t);
void transact_on_unpacked(Manager *m, const PortEvent *e);
void transact_on_owner_gone(Manager *m, guint64 cookie);
void transact_update_moved(Manager *m, Update *u); /* its state changed */
void transact_refuse(Manager *m, Transaction *t, Refusal code, const char *why);
/* After a restart: which versions are installed now; the first word may have been lost with the daemon. */
void transact_record_again(Manager *m, Transaction *t);
/* The package manager's last word: it installed, or it failed, died or gave up (WHY, may be NULL). */
void transact_finish(Manager *m, Transaction *t, gboolean success, const char *why);
/* An update that was done is taken back by an update of its own. */
void transact_take_back_done(Manager *m, Update *done, const char *why);
gboolean transact_update_may_run(Manager *m, const Update *u, const Update **ret_failed);
void transact_retry_waiting(Manager *m);
/* ---- prepare.c ---- */
/* The I-th update of T. */
Update *transact_update(Manager *m, const Transaction *t, guint i);
gboolean transact_is_kantan(const Transaction *t);
/* Asks for what is not unpacked yet; TRUE when all is. */
gboolean transact_unpack_all(Manager *m, Transaction *t);
Refusal transact_find_batteries(Manager *m, Transaction *t, char **ret_why);
/* FALSE: T was refused over it. */
gboolean transact_plan_all(Manager *m, Transaction *t);
Update *transact_add_update(Manager *m, Transaction *t, Battery *b);
GArray *plan_snapshot(Battery *b);
Plan *update_make_plan(Manager *m, Update *u);

/* ---- inhibit.c ---- */
gboolean inhibit_find(Manager *m, const char *battery, const char *mode, Inhibitor **ret);
gboolean inhibit_load(Manager *m, GError **error);
void inhibitor_free(Inhibitor *i);

/* ---- reload.c ---- */
void reload_at_start(Manager *m);
/* What was read while an update ran comes into force. */
/* Its file is gone and nothing of it runs: it goes once this turn is over. */
void reload_forget_when_stopped(Manager *m, Battery *b);
void reload_apply_next(Manager *m, Battery *b);

/* ---- describe.c ---- */
char *describe_plan(Manager *m, const Update *u, const Plan *p); /* JSON */
char *describe_plans(GPtrArray *plans, Refusal code, const char *why);
