/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder share: the connection's bookkeeping, the tables, and how the manager's
 * answers become replies. */
#pragma once

#include "base/dict.h"
#include "dbus/wire/wire.h"

#define ACTION_CONTROL "org.kantan.orchestrator.control"
#define ACTION_UPDATE "org.kantan.orchestrator.update"
#define ACTION_ROLLBACK "org.kantan.orchestrator.rollback"
#define ACTION_INHIBIT "org.kantan.orchestrator.inhibit"
#define ACTION_CONFIGURE "org.kantan.orchestrator.configure"

struct Wire {
        Bus *bus;
        BusTree *tree;
        Manager *manager;
        WireConfig config;
        char *instance;
        BusObject *root, *svc;
        GHashTable *owners; /* transaction's id (guint64) -> id of a name watch (guint64) */
};

/* *-bus.c: one table each. The object of the root is NULL, that of a channel its Battery, NULL for svc. */
extern const BusInterface manager_interface, channel_interface, battery_interface, replicant_interface,
        update_interface, transaction_interface;

/* ---- authorize.c ---- */
void wire_authorize(BusCall *call, const char *action, gpointer user);
/* Who calls; good while CALL is held. */
Caller wire_caller(BusCall *call);

/* ---- paths.c: owned by the caller ---- */
char *wire_path_battery(const char *battery);
char *wire_path_replicant(const char *battery, guint replicant);
char *wire_path_update(guint64 id); /* "/" for 0 */
char *wire_path_transaction(guint64 id);
/* NULL becomes "", what is not UTF-8 is made so: replicants choose some of these words. */
GVariant *wire_string(const char *s);

/* ---- answer.c: ManagerAnswers whose user is a reference to the BusCall, dropped there ---- */
void wire_answer_nothing(Refusal code, const char *why, GVariant *result, gpointer call);
/* (t) -> o */
void wire_answer_update(Refusal code, const char *why, GVariant *result, gpointer call);
void wire_answer_transaction(Refusal code, const char *why, GVariant *result, gpointer call);
/* (at) -> ao */
void wire_answer_updates(Refusal code, const char *why, GVariant *result, gpointer call);
/* (s) -> s */
void wire_answer_string(Refusal code, const char *why, GVariant *result, gpointer call);
/* a(tsxsa{sv}), as it is */
void wire_answer_events(Refusal code, const char *why, GVariant *result, gpointer call);
void wire_answer_fd(Refusal code, const char *why, int fd, gpointer call);

/* ---- packages-bus.c, history-bus.c: methods of Manager ---- */
void wire_plan_update(BusCall *call, GVariant *args, gpointer object, gpointer user);
void wire_update(BusCall *call, GVariant *args, gpointer object, gpointer user);
void wire_update_fds(BusCall *call, GVariant *args, gpointer object, gpointer user);
void wire_history(BusCall *call, GVariant *args, gpointer object, gpointer user);
/* A record of update ID as History shows it, or NULL if that update is not over. */
GVariant *wire_history_entry(guint64 id, GVariant *body);
