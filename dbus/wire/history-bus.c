/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manager.History: updates that are over, newest first, from the journal's records. */
#include "dbus/wire/wire-private.h"

#define HISTORY_MOST 200 /* updates a call: each carries its plan, some KiB */

typedef struct HistoryCall {
        BusCall *call;
        guint most;
} HistoryCall;

GVariant *wire_history_entry(guint64 id, GVariant *body)
{
        int state = update_state_from_string(dict_str(body, "state", NULL));

        if (state < 0 || !update_state_is_final(state))
                return NULL;
        return dict_make("id", g_variant_new_uint64(id), "battery",
                         wire_string(dict_str(body, "battery", "")), "strategy",
                         wire_string(dict_str(body, "strategy", "")), "from",
                         wire_string(dict_str(body, "from", "")), "to", wire_string(dict_str(body, "to", "")),
                         "state", wire_string(update_state_to_string(state)), "reason",
                         wire_string(dict_str(body, "reason", "")), "initiator",
                         wire_string(dict_str(body, "initiator", "")), "started",
                         g_variant_new_int64(dict_x(body, "started", 0)), "finished",
                         g_variant_new_int64(dict_x(body, "finished", 0)), "least_active",
                         g_variant_new_uint32(dict_u(body, "least_active", 0)), "plan",
                         wire_string(dict_str(body, "plan", "")), NULL);
}

static GVariant *entries(GVariant *records, guint most)
{
        GVariantBuilder b = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
        guint n = 0;

        for (gsize i = 0, all = g_variant_n_children(records); i < all && n < most; i++) {
                g_autoptr(GVariant) record = g_variant_get_child_value(records, i), body = NULL;
                const char *word;
                guint64 id;
                g_variant_get(record, "(&s@a{sv})", &word, &body);
                GVariant *entry = g_ascii_string_to_unsigned(word, 10, 1, G_MAXUINT64, &id, NULL)
                                          ? wire_history_entry(id, body)
                                          : NULL;
                if (!entry)
                        continue;
                g_variant_builder_add_value(&b, entry);
                n++;
        }
        return g_variant_builder_end(&b);
}

static void on_records(Refusal code, const char *why, GVariant *result, gpointer user)
{
        HistoryCall *h = user;

        if (code != REFUSAL_NONE)
                bus_call_refuse(h->call, code, why);
        else
                bus_call_return(h->call, g_variant_new("(@aa{sv})", entries(result, h->most)));
        bus_call_unref(h->call);
        g_free(h);
}

/* Updates that still run are among the newest records; so many more are read. */
static guint running(Manager *m)
{
        g_autoptr(GList) updates = manager_updates(m);
        guint n = 0;

        for (GList *l = updates; l; l = l->next)
                n += !update_is_final(l->data);
        return n;
}

void wire_history(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        Wire *w = user;
        const char *battery;
        guint most;

        g_variant_get(args, "(&su)", &battery, &most);
        if (*battery && !battery_name_valid(battery)) {
                bus_call_refuse(call, REFUSAL_INVALID_ARGUMENT,
                                "that is no battery's name; \"\" is all of them");
                return;
        }
        HistoryCall *h = g_new0(HistoryCall, 1);
        h->call = bus_call_ref(call);
        h->most = most == 0 ? HISTORY_MOST : MIN(most, HISTORY_MOST);
        manager_history(w->manager, *battery ? battery : NULL, h->most + running(w->manager), on_records, h);
}
