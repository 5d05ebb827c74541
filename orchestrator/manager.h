/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager: all batteries, transactions and updates of an instance, and what the outside may ask of
 * them. Single-threaded, never blocks: requests and port events go in, journal batches and port calls come
 * out. Nothing is acted upon, told or answered before what led to it is durable (run/outbox.h). */
#pragma once

#include "base/clock.h"
#include "base/paths.h"
#include "base/refusal.h"
#include "orchestrator/model/battery.h"
#include "orchestrator/model/event.h"
#include "orchestrator/model/transaction.h"
#include "orchestrator/model/update.h"
#include "orchestrator/run/journal.h"
#include "orchestrator/run/ports.h"

typedef struct Manager Manager;

/* Who asks; the strings belong to the caller. */
typedef struct Caller {
        guint uid, pid;
        const char *name; /* unique bus name, NULL on a private connection */
} Caller;

/* The answer to a request, called exactly once, later or (never from inside the request) in another turn
 * of the loop. RESULT depends on the request, NULL if there is none or CODE is a refusal. */
typedef void (*ManagerAnswer)(Refusal code, const char *why, GVariant *result, gpointer user);

/* Who is told: the bus. OBJECT is a Battery, Replicant, Update or Transaction. All called after the commit.
 */
typedef enum ObjectKind { OBJECT_BATTERY, OBJECT_REPLICANT, OBJECT_UPDATE, OBJECT_TRANSACTION } ObjectKind;
typedef struct Publisher {
        void (*event)(const Event *event, gpointer user);
        void (*added)(ObjectKind kind, gpointer object, gpointer user);
        void (*changed)(ObjectKind kind, gpointer object, gpointer user);
        void (*removed)(ObjectKind kind, gpointer object, gpointer user); /* OBJECT is still valid */
        void (*verdict)(Transaction *t, gboolean granted, const char *reason, gpointer user);
        void (*finished)(Update *u, gpointer user);
} Publisher;

typedef struct Limits {
        guint transactions; /* not closed, at once */
        guint inhibitors;   /* at once */
        guint inhibitors_per_uid;
} Limits;

/* Reads one battery's files, or (NAME NULL) lists all; main wires policy/battery-file. */
typedef struct BatterySource {
        char **(*list)(gpointer user);
        /* NULL with *RET_WHY (owned by the caller) when the file is wrong. */
        BatteryConfig *(*load)(const char *name, char **ret_why, gpointer user);
        gpointer user;
} BatterySource;

/* Creates it on an open journal; nothing happens before manager_start(). Everything passed stays the
 * caller's and must outlive the manager. */
Manager *manager_new(Journal *journal, Clock *clock, const Paths *paths, const BatterySource *source,
                     const Limits *limits);
void manager_set_ports(Manager *m, RunnerPort *runner, InstallerPort *installer, OwnerPort *owner);
void manager_set_publisher(Manager *m, const Publisher *publisher, gpointer user);
/* The journal must be closed already. */
void manager_free(Manager *m);
/* The sink to make adapters with. USER is the Manager. */
void manager_feed(const PortEvent *event, gpointer user);
/* Loads the journal, looks at the world, plans again, goes on. */
gboolean manager_start(Manager *m, GError **error);

/* ---- seeing; pointers stay the manager's and are good until the loop turns ---- */
GList *manager_batteries(Manager *m); /* sorted by name; free the list */
GList *manager_updates(Manager *m);   /* those kept in memory, oldest first; free the list */
GList *manager_transactions(Manager *m);
Battery *manager_battery(Manager *m, const char *name);
Update *manager_update(Manager *m, guint64 id);
Transaction *manager_transaction(Manager *m, guint64 id);
guint64 manager_sequence(Manager *m);
/* Why it is in its state, and what would change that. Owned by the caller. */
char *manager_battery_reason(Manager *m, Battery *b);
char *manager_battery_next(Manager *m, Battery *b);
/* a(ssssuu) battery, who, why, mode, uid, pid. */
GVariant *manager_inhibitors(Manager *m);
void manager_since(Manager *m, guint64 sequence, const char *battery, guint most, ManagerAnswer answer,
                   gpointer user);
void manager_history(Manager *m, const char *battery, guint most, ManagerAnswer answer, gpointer user);

/* ---- asking; options are checked for names and types by the caller ---- */
/* CHANGES a(sssss). OPTIONS: owner u. Result (t): the transaction's id. */
void manager_begin(Manager *m, const Caller *caller, const char *manager, GVariant *changes,
                   GVariant *options, ManagerAnswer answer, gpointer user);
/* Result (t); NOT_FOUND if that process owns none that is not closed. */
void manager_find(Manager *m, guint owner, ManagerAnswer answer, gpointer user);
void manager_finish(Manager *m, guint64 transaction, gboolean success, ManagerAnswer answer, gpointer user);
/* FDS: opened packages (taken), NAMES: their file names. OPTIONS: strategy s, override b. Result (at): the
 * updates. */
void manager_update_packages(Manager *m, const Caller *caller, const int *fds, const char *const *names,
                             guint n, GVariant *options, ManagerAnswer answer, gpointer user);
/* Verifies, plans, changes nothing but unpacking beside. Result (s): JSON. */
void manager_plan_packages(Manager *m, const Caller *caller, const int *fds, const char *const *names,
                           guint n, GVariant *options, ManagerAnswer answer, gpointer user);

typedef enum BatteryVerb {
        VERB_START,
        VERB_STOP,
        VERB_RESTART,
        VERB_PAUSE,
        VERB_RESUME,
        VERB_UPDATE,
        VERB_ROLLBACK
} BatteryVerb;
/* START, STOP, RESTART answer at completion; UPDATE and ROLLBACK give (t), the update. */
void manager_battery_do(Manager *m, const Caller *caller, const char *battery, BatteryVerb verb,
                        GVariant *options, ManagerAnswer answer, gpointer user);
typedef enum ReplicantVerb { VERB_R_DRAIN, VERB_R_ADMIT, VERB_R_RESTART, VERB_R_SET_ROLE } ReplicantVerb;
void manager_replicant_do(Manager *m, const Caller *caller, const char *battery, guint replicant,
                          ReplicantVerb verb, const char *role, GVariant *options, ManagerAnswer answer,
                          gpointer user);
typedef enum UpdateVerb {
        VERB_U_PAUSE,
        VERB_U_RESUME,
        VERB_U_CANCEL,
        VERB_U_PROMOTE,
        VERB_U_ROLLBACK
} UpdateVerb;
void manager_update_do(Manager *m, const Caller *caller, guint64 update, UpdateVerb verb,
                       ManagerAnswer answer, gpointer user);

/* MODE "delay" or "block". Result (h) 0 with the descriptor in *RET_FD, valid during the answer only. */
typedef void (*ManagerFdAnswer)(Refusal code, const char *why, int fd, gpointer user);
void manager_inhibit(Manager *m, const Caller *caller, const char *battery, const char *who, const char *why,
                     const char *mode, ManagerFdAnswer answer, gpointer user);
/* Channel.Send: KIND must begin with "x-". BATTERY "" for svc itself. */
void manager_send(Manager *m, const char *battery, const char *kind, GVariant *detail, ManagerAnswer answer,
                  gpointer user);
void manager_reload(Manager *m, ManagerAnswer answer, gpointer user);
/* A bus name is gone: transactions that it owned have lost their owner. */
void manager_name_gone(Manager *m, const char *name);
/* "NAME/VERSION" strings that a rollback or an update still needs; free with g_strfreev. */
char **manager_versions_in_use(Manager *m);
