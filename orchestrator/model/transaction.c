/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transactions and package changes: vocabulary, construction, journal records. */
#include "orchestrator/model/transaction.h"

#include "base/dict.h"

#include <unistd.h>

static const char *const transaction_state_table[] = {"preparing", "granted", "refused", "finishing",
                                                      "closed"};
STRTAB_DEFINE(transaction_state, TransactionState, transaction_state_table, _TRANSACTION_STATE_MAX)
static const char *const operation_table[] = {"install", "upgrade", "downgrade", "reinstall", "remove"};
STRTAB_DEFINE(operation, Operation, operation_table, _OPERATION_MAX)

PackageChange *package_change_new(Operation op, const char *name, const char *old_version,
                                  const char *new_version, const char *archive)
{
        PackageChange *c = g_new0(PackageChange, 1);
        c->operation = op;
        c->name = g_strdup(name);
        c->old_version = g_strdup(old_version);
        c->new_version = g_strdup(new_version);
        c->archive = g_strdup(archive);
        c->fd = -1;
        return c;
}

void package_change_free(PackageChange *c)
{
        if (!c)
                return;
        if (c->fd >= 0)
                close(c->fd);
        g_free(c->name);
        g_free(c->old_version);
        g_free(c->new_version);
        g_free(c->archive);
        g_free(c);
}

gboolean package_change_equal(const PackageChange *a, const PackageChange *b)
{
        return a->operation == b->operation && g_str_equal(a->name, b->name) &&
               g_str_equal(a->new_version, b->new_version) && g_str_equal(a->archive, b->archive);
}

char *package_change_qualified(const char *manager, const char *name)
{
        static const struct {
                const char *manager, *prefix;
        } table[] = {
                {"apt", "dpkg:"}, {"dpkg", "dpkg:"}, {"pacman", "pacman:"}, {"rpm", "rpm:"}, {"dnf", "rpm:"}};
        for (guint i = 0; i < G_N_ELEMENTS(table); i++)
                if (g_str_equal(table[i].manager, manager))
                        return g_strconcat(table[i].prefix, name, NULL);
        return g_strdup(name);
}

Transaction *transaction_new(guint64 id, const char *manager)
{
        Transaction *t = g_new0(Transaction, 1);
        t->id = id;
        t->manager = g_strdup(manager);
        t->reason = g_strdup("");
        t->told_reason = g_strdup("");
        t->initiator = g_strdup("");
        t->owner_name = g_strdup("");
        t->strategy = g_strdup("");
        t->changes = g_ptr_array_new_with_free_func((GDestroyNotify)package_change_free);
        t->updates = g_array_new(FALSE, FALSE, sizeof(guint64));
        return t;
}

void transaction_free(Transaction *t)
{
        if (!t)
                return;
        g_free(t->manager);
        g_free(t->reason);
        g_free(t->told_reason);
        g_free(t->initiator);
        g_free(t->owner_name);
        g_free(t->strategy);
        g_ptr_array_unref(t->changes);
        g_array_unref(t->updates);
        g_free(t);
}

GVariant *transaction_to_record(const Transaction *t)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
        GVariantBuilder changes = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sssss)"));
        GVariantBuilder updates = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("at"));
        for (guint i = 0; i < t->changes->len; i++) {
                const PackageChange *c = g_ptr_array_index(t->changes, i);
                g_variant_builder_add(&changes, "(sssss)", operation_to_string(c->operation), c->name,
                                      c->old_version, c->new_version, c->archive);
        }
        for (guint i = 0; i < t->updates->len; i++)
                g_variant_builder_add(&updates, "t", g_array_index(t->updates, guint64, i));
        dict_add(&b, "manager", g_variant_new_string(t->manager));
        dict_add(&b, "state", g_variant_new_string(transaction_state_to_string(t->state)));
        dict_add(&b, "reason", g_variant_new_string(t->reason));
        dict_add(&b, "changes", g_variant_builder_end(&changes));
        dict_add(&b, "updates", g_variant_builder_end(&updates));
        dict_add(&b, "person", g_variant_new_boolean(t->person));
        dict_add(&b, "finished", g_variant_new_boolean(t->finished));
        dict_add(&b, "success", g_variant_new_boolean(t->success));
        dict_add(&b, "initiator", g_variant_new_string(t->initiator));
        dict_add(&b, "uid", g_variant_new_uint32(t->uid));
        dict_add(&b, "owner_pid", g_variant_new_int32(t->owner_pid));
        dict_add(&b, "owner_ticks", g_variant_new_uint64(t->owner_ticks));
        dict_add(&b, "owner_name", g_variant_new_string(t->owner_name));
        dict_add(&b, "strategy", g_variant_new_string(t->strategy));
        dict_add(&b, "override", g_variant_new_boolean(t->override));
        return g_variant_builder_end(&b);
}

static gboolean read_lists(Transaction *t, GVariant *body)
{
        g_autoptr(GVariant) changes = g_variant_lookup_value(body, "changes", G_VARIANT_TYPE("a(sssss)"));
        g_autoptr(GVariant) updates = g_variant_lookup_value(body, "updates", G_VARIANT_TYPE("at"));
        const char *op, *name, *old_version, *new_version, *archive;
        guint64 id;
        GVariantIter it;
        if (!changes || !updates)
                return FALSE;
        g_variant_iter_init(&it, changes);
        while (g_variant_iter_next(&it, "(&s&s&s&s&s)", &op, &name, &old_version, &new_version, &archive)) {
                int operation = operation_from_string(op);
                if (operation < 0)
                        return FALSE;
                g_ptr_array_add(t->changes,
                                package_change_new(operation, name, old_version, new_version, archive));
        }
        g_variant_iter_init(&it, updates);
        while (g_variant_iter_next(&it, "t", &id))
                g_array_append_val(t->updates, id);
        return TRUE;
}

static void set_string(char **field, GVariant *body, const char *key)
{
        g_free(*field);
        *field = g_strdup(dict_str(body, key, ""));
}

Transaction *transaction_from_record(const char *id, GVariant *body)
{
        guint64 number;
        int state = transaction_state_from_string(dict_str(body, "state", NULL));
        if (!g_ascii_string_to_unsigned(id, 10, 1, G_MAXUINT64, &number, NULL) || state < 0)
                return NULL;
        Transaction *t = transaction_new(number, dict_str(body, "manager", "kantan"));
        t->state = t->told_state = state;
        if (!read_lists(t, body)) {
                transaction_free(t);
                return NULL;
        }
        set_string(&t->reason, body, "reason");
        set_string(&t->told_reason, body, "reason");
        set_string(&t->initiator, body, "initiator");
        set_string(&t->owner_name, body, "owner_name");
        set_string(&t->strategy, body, "strategy");
        t->person = dict_b(body, "person", FALSE);
        t->finished = dict_b(body, "finished", FALSE);
        t->success = dict_b(body, "success", FALSE);
        t->override = dict_b(body, "override", FALSE);
        t->uid = dict_u(body, "uid", G_MAXUINT);
        t->owner_pid = dict_i(body, "owner_pid", 0);
        t->owner_ticks = dict_t(body, "owner_ticks", 0);
        return t;
}
