/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root object: what is there, transactions, inhibitors, reload, garbage. Package files stand in
 * packages-bus.c, History in history-bus.c. */
#include "dbus/wire/wire-private.h"

#include <string.h>

#define WORD_MOST 32 /* bytes of a package manager's word: it stands in journal, log and plans */

static void list_batteries(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GList) list = manager_batteries(((Wire *)user)->manager);
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sso)"));

        for (GList *l = list; l; l = l->next) {
                const Battery *battery = l->data;
                g_autofree char *path = wire_path_battery(battery->config->name);
                g_variant_builder_add(&b, "(sso)", battery->config->name,
                                      battery_state_to_string(battery_get_state(battery)), path);
        }
        bus_call_return(call, g_variant_new("(a(sso))", &b));
}

/* Those that have an object: what is only planned for somebody to look at has none. */
static void list_updates(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        g_autoptr(GList) list = manager_updates(w->manager);
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(sssso)"));

        for (GList *l = list; l; l = l->next) {
                const Update *u = l->data;
                g_autofree char *path = wire_path_update(u->id);
                g_autofree char *id = g_strdup_printf("%" G_GUINT64_FORMAT, u->id);
                if (bus_tree_find(w->tree, path))
                        g_variant_builder_add(&b, "(sssso)", id, u->battery, strategy_to_string(u->strategy),
                                              update_state_to_string(u->told_state), path);
        }
        bus_call_return(call, g_variant_new("(a(sssso))", &b));
}

/* ---- transactions ---- */

static gboolean manager_word_valid(const char *word)
{
        gsize n = strlen(word);

        return n > 0 && n <= WORD_MOST && strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static void begin_transaction(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        Caller caller = wire_caller(call);
        g_autoptr(GVariant) changes = NULL, options = NULL;
        const char *manager;

        g_variant_get(args, "(&s@a(sssss)@a{sv})", &manager, &changes, &options);
        if (!manager_word_valid(manager)) {
                bus_call_refuse(call, REFUSAL_INVALID_ARGUMENT,
                                "a package manager is a word of 1 to 32 small letters, digits and -");
                return;
        }
        manager_begin(w->manager, &caller, manager, changes, options, wire_answer_transaction,
                      bus_call_ref(call));
}

static void find_transaction(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        guint owner;

        g_variant_get(args, "(u)", &owner);
        manager_find(((Wire *)user)->manager, owner, wire_answer_transaction, bus_call_ref(call));
}

/* ---- inhibitors ---- */

static void inhibit(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Caller caller = wire_caller(call);
        const char *battery, *who, *why, *mode;

        g_variant_get(args, "(&s&s&s&s@a{sv})", &battery, &who, &why, &mode, NULL);
        manager_inhibit(((Wire *)user)->manager, &caller, battery, who, why, mode, wire_answer_fd,
                        bus_call_ref(call));
}

static void list_inhibitors(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        bus_call_return(call, g_variant_new("(@a(ssssuu))", manager_inhibitors(((Wire *)user)->manager)));
}

/* ---- the daemon itself ---- */

static void reload(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        manager_reload(((Wire *)user)->manager, wire_answer_nothing, bus_call_ref(call));
}

static void on_collected(GPtrArray *removed, guint64 bytes, const GError *error, gpointer user)
{
        g_autoptr(BusCall) call = user;
        GVariantBuilder b;

        if (error) {
                bus_call_fail(call, error);
                return;
        }
        g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
        for (guint i = 0; i < removed->len; i++)
                g_variant_builder_add_value(&b, wire_string(removed->pdata[i]));
        bus_call_return(call, g_variant_new("(ast)", &b, bytes));
}

static void collect_garbage(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        g_autoptr(GVariant) options = g_variant_get_child_value(args, 0);
        g_auto(GStrv) in_use = manager_versions_in_use(w->manager);

        if (!w->config.collect) {
                bus_call_refuse(call, REFUSAL_UNSUPPORTED, "this instance has no store of packages");
                return;
        }
        w->config.collect(dict_b(options, "dry-run", FALSE), in_use, on_collected, bus_call_ref(call),
                          w->config.user);
}

/* ---- properties ---- */

static GVariant *get_version(gpointer object, gpointer user)
{
        return wire_string(KANTAN_VERSION);
}

static GVariant *get_instance(gpointer object, gpointer user)
{
        return wire_string(((Wire *)user)->instance);
}

static const BusMethod methods[] = {
        {"ListBatteries", "", "a(sso)", "", "batteries", NULL, NULL, list_batteries},
        {"ListUpdates", "", "a(sssso)", "", "updates", NULL, NULL, list_updates},
        {"BeginTransaction", "sa(sssss)a{sv}", "o", "manager,changes,options", "transaction", ACTION_UPDATE,
         "owner=u", begin_transaction},
        {"FindTransaction", "u", "o", "owner", "transaction", NULL, NULL, find_transaction},
        {"PlanUpdate", "asa{sv}", "s", "package_files,options", "plan", ACTION_UPDATE,
         "strategy=s,override=b", wire_plan_update},
        {"Update", "asa{sv}", "ao", "package_files,options", "updates", ACTION_UPDATE,
         "strategy=s,override=b", wire_update},
        {"UpdateFds", "a(sh)a{sv}", "ao", "packages,options", "updates", ACTION_UPDATE,
         "strategy=s,override=b", wire_update_fds},
        {"Inhibit", "ssssa{sv}", "h", "battery,who,why,mode,options", "lock", ACTION_INHIBIT, "", inhibit},
        {"ListInhibitors", "", "a(ssssuu)", "", "inhibitors", NULL, NULL, list_inhibitors},
        {"Reload", "a{sv}", "", "options", "", ACTION_CONFIGURE, "", reload},
        {"History", "su", "aa{sv}", "battery,most", "updates", NULL, NULL, wire_history},
        {"CollectGarbage", "a{sv}", "ast", "options", "removed,bytes", ACTION_CONFIGURE, "dry-run=b",
         collect_garbage},
        {NULL},
};
static const BusProperty properties[] = {
        {"Version", "s", get_version, BUS_TELL_NEVER},
        {"Instance", "s", get_instance, BUS_TELL_NEVER},
        {NULL},
};
const BusInterface manager_interface = {WIRE_NAME ".Manager", methods, properties, NULL};
