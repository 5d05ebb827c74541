/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transaction: one run of a package manager, from its first hook to its end; the package changes it
 * reported, the updates they became. */
#pragma once

#include "base/refusal.h"

typedef enum TransactionState {
        TRANSACTION_PREPARING,
        TRANSACTION_GRANTED,
        TRANSACTION_REFUSED,
        TRANSACTION_FINISHING,
        TRANSACTION_CLOSED,
        _TRANSACTION_STATE_MAX,
        _TRANSACTION_STATE_INVALID = -1,
} TransactionState;
STRTAB_DECLARE(transaction_state, TransactionState);

typedef enum Operation {
        OPERATION_INSTALL,
        OPERATION_UPGRADE,
        OPERATION_DOWNGRADE,
        OPERATION_REINSTALL,
        OPERATION_REMOVE,
        _OPERATION_MAX,
        _OPERATION_INVALID = -1,
} Operation;
STRTAB_DECLARE(operation, Operation);

typedef enum UnpackState { UNPACK_NONE, UNPACK_RUNNING, UNPACK_DONE } UnpackState;

typedef struct PackageChange {
        Operation operation;
        char *name, *old_version, *new_version, *archive; /* "-" for none */
        int fd;                                           /* an opened archive handed over, or -1 */
        UnpackState unpack;                               /* not journalled: unpacking is idempotent */
} PackageChange;

typedef struct Transaction {
        guint64 id;
        char *manager; /* "kantan", "apt", … */
        TransactionState state;
        char *reason;
        Refusal refusal;    /* of a refused one; not journalled */
        GPtrArray *changes; /* of PackageChange */
        GArray *updates;    /* of guint64 */
        gboolean person;    /* Update(): its own package manager, finishes by itself */
        gboolean finished, success;
        char *initiator;
        guint uid;
        /* The owner: a process, or for pid 0 a bus name. */
        int owner_pid;
        guint64 owner_ticks;
        char *owner_name;
        char *strategy;              /* option, "" none */
        gboolean override;           /* option */
        gboolean plan_only;          /* never journalled nor told: somebody wants to see the plan */
        gboolean advancing, again;   /* not journalled: guard against looking again from below */
        gboolean waiting;            /* not journalled: for another update of one of its batteries */
        TransactionState told_state; /* not journalled: what was last made durable; nobody is told more */
        char *told_reason;
} Transaction;

PackageChange *package_change_new(Operation op, const char *name, const char *old_version,
                                  const char *new_version, const char *archive);
void package_change_free(PackageChange *c);
gboolean package_change_equal(const PackageChange *a, const PackageChange *b);
/* "dpkg:calc": how battery files name a package of that manager; Kantan's have no prefix. */
char *package_change_qualified(const char *manager, const char *name);

Transaction *transaction_new(guint64 id, const char *manager);
void transaction_free(Transaction *t);
/* Journal record: kind "transaction", id decimal. */
GVariant *transaction_to_record(const Transaction *t);
Transaction *transaction_from_record(const char *id, GVariant *body);
