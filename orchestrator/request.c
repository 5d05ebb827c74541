/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the outside asks for packages and transactions: checked here, accepted or refused, then handed to
 * transact.c. Each request is answered exactly once, after what it changed is durable. */
#include "orchestrator/manager-priv.h"

#include <errno.h>
#include <fcntl.h>

#define CHANGES_MAX                                                                                          \
        10000 /* packages of one transaction: a whole distribution's upgrade fits; bounds memory */
#define CHANGES_TEXT_MAX (JOURNAL_BODY_MAX / 4 * 3) /* of them as text: they are one record */
#define FIELD_MAX 4096                              /* bytes of a name, version or path: PATH_MAX */
#define KIND_MAX 64                                 /* bytes of an event's kind: a column of a table */
#define KIND_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static guint open_transactions(Manager *m)
{
        guint n = 0;
        GHashTableIter it;
        gpointer v;
        g_hash_table_iter_init(&it, m->transactions);
        while (g_hash_table_iter_next(&it, NULL, &v)) {
                const Transaction *t = v;
                n += t->state != TRANSACTION_CLOSED && t->state != TRANSACTION_REFUSED;
        }
        return n;
}

static Refusal check_room(Manager *m, char **ret_why)
{
        if (manager_check_journal(m, ret_why) != REFUSAL_NONE)
                return REFUSAL_LIMITS_EXCEEDED;
        if (open_transactions(m) >= m->limits->transactions)
                return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED,
                              "%u transactions are open already ([Limits] Transactions=)",
                              m->limits->transactions);
        return REFUSAL_NONE;
}

static gboolean field_ok(const char *s)
{
        gsize n = strlen(s);
        return n > 0 && n <= FIELD_MAX && !strpbrk(s, "\n\t\r");
}

static Refusal read_changes(GVariant *changes, GPtrArray *list, char **ret_why)
{
        const char *op, *name, *old_version, *new_version, *archive;
        GVariantIter it;
        if (g_variant_n_children(changes) > CHANGES_MAX)
                return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED, "more than %d package changes", CHANGES_MAX);
        g_variant_iter_init(&it, changes);
        while (g_variant_iter_next(&it, "(&s&s&s&s&s)", &op, &name, &old_version, &new_version, &archive)) {
                int operation = operation_from_string(op);
                if (operation < 0)
                        return refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                                      "the operation of a change is install, upgrade, downgrade, reinstall "
                                      "or remove");
                if (!field_ok(name) || !field_ok(old_version) || !field_ok(new_version) ||
                    !field_ok(archive) || g_str_equal(name, "-"))
                        return refuse(
                                ret_why, REFUSAL_INVALID_ARGUMENT,
                                "a change's fields are not empty (`-` for none), without tabs and line ends");
                if (!g_str_equal(archive, "-") && archive[0] != '/')
                        return refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                                      "an archive is an absolute path or `-`");
                g_ptr_array_add(list, package_change_new(operation, name, old_version, new_version, archive));
        }
        return REFUSAL_NONE;
}

static Transaction *find_owned(Manager *m, int pid, const char *name)
{
        GHashTableIter it;
        gpointer v;
        g_hash_table_iter_init(&it, m->transactions);
        while (g_hash_table_iter_next(&it, NULL, &v)) {
                Transaction *t = v;
                if (t->plan_only || t->person || t->finished || t->state == TRANSACTION_CLOSED ||
                    t->state == TRANSACTION_REFUSED)
                        continue;
                if (pid ? t->owner_pid == pid : t->owner_pid == 0 && g_strcmp0(t->owner_name, name) == 0)
                        return t;
        }
        return NULL;
}

static Transaction *add_transaction(Manager *m, const Caller *caller, const char *manager)
{
        Transaction *t = transaction_new(++m->last_transaction, manager);
        g_free(t->initiator);
        t->initiator = manager_initiator(caller);
        t->uid = caller ? caller->uid : 0;
        g_hash_table_insert(m->transactions, &t->id, t);
        return t;
}

static Refusal take_owner(Manager *m, const Caller *caller, GVariant *options, Transaction *t, char **ret_why)
{
        t->owner_pid = (int)dict_u(options, "owner", 0);
        g_free(t->owner_name);
        t->owner_name = g_strdup(caller->name ? caller->name : "");
        if (t->owner_pid && !m->owner->watch(m->owner, t->id, t->owner_pid, 0, &t->owner_ticks))
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                              "there is no process %d to own the transaction", t->owner_pid);
        return REFUSAL_NONE;
}

/* Tells changes apart as package_change_equal() does; their fields hold no tabs. */
static char *change_key(const PackageChange *c)
{
        return g_strdup_printf("%s\t%s\t%s\t%s", operation_to_string(c->operation), c->name, c->new_version,
                               c->archive);
}

static GHashTable *change_keys(const Transaction *t)
{
        GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; i < t->changes->len; i++)
                g_hash_table_add(keys, change_key(t->changes->pdata[i]));
        return keys;
}

/* As the journal will print it. */
static gsize change_text(const PackageChange *c)
{
        g_autoptr(GVariant) v =
                g_variant_ref_sink(g_variant_new("(sssss)", operation_to_string(c->operation), c->name,
                                                 c->old_version, c->new_version, c->archive));
        g_autofree char *text = g_variant_print(v, FALSE);
        return strlen(text) + strlen(", ");
}

/* Whether T may have the NEWS too. */
static Refusal check_size(const Transaction *t, GPtrArray *news, char **ret_why)
{
        GPtrArray *both[] = {t->changes, news};
        gsize n = 0, text = 0;
        for (guint b = 0; b < G_N_ELEMENTS(both); b++)
                for (guint i = 0; i < both[b]->len; i++, n++)
                        text += change_text(both[b]->pdata[i]);
        if (n > CHANGES_MAX)
                return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED, "more than %d package changes", CHANGES_MAX);
        if (text > CHANGES_TEXT_MAX)
                return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED, "more than %d bytes of package changes",
                              CHANGES_TEXT_MAX);
        return REFUSAL_NONE;
}

static void add_changes(Transaction *t, GPtrArray *list)
{
        for (guint i = 0; i < list->len; i++)
                g_ptr_array_add(t->changes, g_steal_pointer(&list->pdata[i]));
}

/* The same owner's later calls join; what they repeat changes nothing. */
static Refusal join(Manager *m, Transaction *t, GPtrArray *changes, char **ret_why)
{
        g_autoptr(GHashTable) known = change_keys(t);
        g_autoptr(GPtrArray) news = g_ptr_array_new_with_free_func((GDestroyNotify)package_change_free);
        for (guint i = 0; i < changes->len; i++)
                if (g_hash_table_add(known, change_key(changes->pdata[i])))
                        g_ptr_array_add(news, g_steal_pointer(&changes->pdata[i]));
        if (news->len == 0)
                return REFUSAL_NONE;
        Refusal r = manager_check_journal(m, ret_why);
        if (r == REFUSAL_NONE)
                r = check_size(t, news, ret_why);
        if (r != REFUSAL_NONE)
                return r;
        add_changes(t, news);
        if (t->state == TRANSACTION_GRANTED)
                t->state = TRANSACTION_PREPARING; /* a new verdict over all of it */
        transaction_save(m, t);
        return REFUSAL_NONE;
}

static Refusal begin(Manager *m, const Caller *caller, const char *manager, GVariant *changes,
                     GVariant *options, guint64 *ret_id, char **ret_why)
{
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)package_change_free);
        guint owner = dict_u(options, "owner", 0);
        Refusal r = read_changes(changes, list, ret_why);
        if (r != REFUSAL_NONE)
                return r;
        if (owner && !proc_is_ancestor((pid_t)owner, (pid_t)caller->pid))
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                              "the owner must be an ancestor of the caller");
        Transaction *t = find_owned(m, (int)owner, caller->name);
        if (t) {
                *ret_id = t->id;
                return join(m, t, list, ret_why);
        }
        if ((r = check_room(m, ret_why)) != REFUSAL_NONE)
                return r;
        t = add_transaction(m, caller, manager);
        if ((r = check_size(t, list, ret_why)) != REFUSAL_NONE ||
            (r = take_owner(m, caller, options, t, ret_why)) != REFUSAL_NONE) {
                g_hash_table_remove(m->transactions, &t->id);
                return r;
        }
        *ret_id = t->id;
        add_changes(t, list);
        manager_added(m, OBJECT_TRANSACTION, "", t->id);
        transaction_save(m, t);
        return REFUSAL_NONE;
}

void manager_begin(Manager *m, const Caller *caller, const char *manager, GVariant *changes,
                   GVariant *options, ManagerAnswer answer, gpointer user)
{
        g_autofree char *why = NULL;
        guint64 id = 0;
        Refusal r = begin(m, caller, manager, changes, options, &id, &why);
        manager_answer(m, answer, user, r, why, r == REFUSAL_NONE ? g_variant_new("(t)", id) : NULL);
        Transaction *t = manager_transaction(m, id);
        if (r == REFUSAL_NONE && t)
                transact_advance(m, t);
}

void manager_find(Manager *m, guint owner, ManagerAnswer answer, gpointer user)
{
        Transaction *t = owner ? find_owned(m, (int)owner, NULL) : NULL;
        if (t)
                manager_answer_seen(m, answer, user, g_variant_new("(t)", t->id));
        else
                manager_answer(m, answer, user, REFUSAL_NOT_FOUND, "that process owns no open transaction",
                               NULL);
}

void manager_finish(Manager *m, guint64 transaction, gboolean success, ManagerAnswer answer, gpointer user)
{
        Transaction *t = manager_transaction(m, transaction);
        if (!t)
                manager_answer(m, answer, user, REFUSAL_NOT_FOUND, "there is no such transaction", NULL);
        else if (t->finished || t->state == TRANSACTION_REFUSED)
                manager_answer(m, answer, user, REFUSAL_NONE, NULL, NULL); /* said twice is said once */
        else if (success && t->state == TRANSACTION_PREPARING)
                manager_answer(m, answer, user, REFUSAL_BUSY,
                               "there is no verdict yet: wait for it before installing", NULL);
        else {
                transact_finish(m, t, success, NULL);
                manager_answer(m, answer, user, REFUSAL_NONE, NULL, NULL);
        }
}

/* ---- packages named by a person ---- */

static Refusal take_files(Manager *m, Transaction *t, const int *fds, const char *const *names, guint n,
                          GVariant *options, char **ret_why)
{
        const char *strategy = dict_str(options, "strategy", "");
        if (n == 0)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "no package was named");
        if (*strategy && strategy_from_string(strategy) < 0)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "a strategy is auto, rolling or full-stop");
        for (guint i = 0; i < n; i++) {
                g_autofree char *base = g_path_get_basename(names[i]);
                PackageChange *c =
                        package_change_new(OPERATION_UPGRADE, "-", "-", "-", fds[i] >= 0 ? base : names[i]);
                g_ptr_array_add(t->changes, c);
                if (fds[i] >= 0 && (c->fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0)) < 0)
                        return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED, "no descriptor for %s: %s", base,
                                      g_strerror(errno));
        }
        g_free(t->strategy);
        t->strategy = g_strdup(strategy);
        t->override = dict_b(options, "override", FALSE);
        return REFUSAL_NONE;
}

static void packages(Manager *m, const Caller *caller, const int *fds, const char *const *names, guint n,
                     GVariant *options, gboolean plan_only, ManagerAnswer answer, gpointer user)
{
        g_autofree char *why = NULL;
        Refusal r = check_room(m, &why);
        if (r != REFUSAL_NONE) {
                manager_answer(m, answer, user, r, why, NULL);
                return;
        }
        Transaction *t = add_transaction(m, caller, "kantan");
        t->person = TRUE;
        t->plan_only = plan_only;
        r = take_files(m, t, fds, names, n, options, &why);
        if (r != REFUSAL_NONE) {
                g_hash_table_remove(m->transactions, &t->id);
                manager_answer(m, answer, user, r, why, NULL);
                return;
        }
        Waiter *w = g_new0(Waiter, 1);
        *w = (Waiter){.transaction = t->id, .answer = answer, .user = user};
        g_ptr_array_add(m->waiters, w);
        if (!plan_only)
                manager_added(m, OBJECT_TRANSACTION, "", t->id);
        /* Not journalled before its packages are known: after a crash nobody waits for it any more. */
        transact_advance(m, t);
}

void manager_update_packages(Manager *m, const Caller *caller, const int *fds, const char *const *names,
                             guint n, GVariant *options, ManagerAnswer answer, gpointer user)
{
        packages(m, caller, fds, names, n, options, FALSE, answer, user);
}

void manager_plan_packages(Manager *m, const Caller *caller, const int *fds, const char *const *names,
                           guint n, GVariant *options, ManagerAnswer answer, gpointer user)
{
        packages(m, caller, fds, names, n, options, TRUE, answer, user);
}

/* ---- reading the journal ---- */

typedef struct Read {
        Manager *manager;
        ManagerAnswer answer;
        gpointer user;
} Read;

static void on_read(GVariant *result, const GError *error, gpointer user)
{
        Read *r = user;
        if (error)
                r->answer(REFUSAL_LIMITS_EXCEEDED, error->message, NULL, r->user);
        else
                r->answer(REFUSAL_NONE, NULL, result, r->user);
        g_free(r);
}

static Read *read_new(Manager *m, ManagerAnswer answer, gpointer user)
{
        Read *r = g_new0(Read, 1);
        *r = (Read){m, answer, user};
        return r;
}

void manager_since(Manager *m, guint64 sequence, const char *battery, guint most, ManagerAnswer answer,
                   gpointer user)
{
        journal_since(m->journal, sequence, battery, most, on_read, read_new(m, answer, user));
}

void manager_history(Manager *m, const char *battery, guint most, ManagerAnswer answer, gpointer user)
{
        journal_records(m->journal, "update", battery, most, on_read, read_new(m, answer, user));
}

static gboolean has_descriptors(GVariant *value)
{
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_HANDLE))
                return TRUE;
        for (gsize i = 0; g_variant_is_container(value) && i < g_variant_n_children(value); i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
                if (has_descriptors(child))
                        return TRUE;
        }
        return FALSE;
}

/* KIND stands in tables that people read, DETAIL in the journal, which descriptors cannot. */
static Refusal check_event(Manager *m, const char *kind, GVariant *detail, char **ret_why)
{
        gsize n = strlen(kind);
        if (!g_str_has_prefix(kind, "x-") || n > KIND_MAX || strspn(kind, KIND_CHARACTERS) != n)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                              "a kind begins with x- and has at most %d letters, digits, - and _", KIND_MAX);
        if (g_variant_get_size(detail) > FIELD_MAX)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "a detail has at most %d bytes", FIELD_MAX);
        if (has_descriptors(detail))
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "a detail cannot hold file descriptors");
        return manager_check_journal(m, ret_why);
}

void manager_send(Manager *m, const char *battery, const char *kind, GVariant *detail, ManagerAnswer answer,
                  gpointer user)
{
        g_autofree char *why = NULL;
        Refusal r = check_event(m, kind, detail, &why);
        if (r == REFUSAL_NONE)
                manager_tell_kind(m, kind, battery, detail);
        manager_answer(m, answer, user, r, why, NULL);
}
