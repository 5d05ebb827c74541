/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that come in: match rules, subscriptions, and watching names by them. The bus filters by rule;
 * everything is matched again here, since rules of several subscribers arrive on one connection and
 * anybody may send us a signal that no rule asked for. */
#include "dbus/bus-private.h"
#include "dbus/variant.h"

/* argN keys that a rule may have: 0 … 3. NameOwnerChanged has three. */
#define ARGS_MAX 4

typedef struct Rule {
        char *sender, *path, *path_namespace, *interface, *member;
        char *args[ARGS_MAX];
} Rule;

typedef struct Subscription {
        guint refs;
        guint64 id; /* 0: unsubscribed */
        char *text; /* as the bus was told */
        Rule rule;
        BusSignalFunc func;
        gpointer user;
} Subscription;

typedef struct NameWatch {
        guint64 id;
        Bus *bus; /* not a reference: the bus owns us */
        char *name;
        char *owner;
        gboolean told; /* FUNC knows of OWNER */
        guint64 subscription, call;
        BusNameFunc func;
        gpointer user;
} NameWatch;

/* ---- rules ---- */

static char **rule_field(Rule *rule, const char *key)
{
        const struct {
                const char *key;
                char **field;
        } fields[] = {
                {"sender", &rule->sender},       {"path", &rule->path},
                {"interface", &rule->interface}, {"path_namespace", &rule->path_namespace},
                {"member", &rule->member},       {"arg0", &rule->args[0]},
                {"arg1", &rule->args[1]},        {"arg2", &rule->args[2]},
                {"arg3", &rule->args[3]},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
                if (g_str_equal(fields[i].key, key))
                        return fields[i].field;
        return NULL;
}

static void rule_clear(Rule *rule)
{
        g_free(rule->sender);
        g_free(rule->path);
        g_free(rule->path_namespace);
        g_free(rule->interface);
        g_free(rule->member);
        for (guint i = 0; i < ARGS_MAX; i++)
                g_free(rule->args[i]);
}

/* One  key='value'  at *AT; moves on to what follows the comma. */
static gboolean rule_parse_pair(Rule *rule, const char **at)
{
        const char *equals = strstr(*at, "='");
        const char *end = equals ? strchr(equals + 2, '\'') : NULL;
        g_autofree char *key = NULL;
        char **field;

        if (!end || (end[1] != ',' && end[1] != '\0'))
                return FALSE;
        key = g_strndup(*at, (gsize)(equals - *at));
        field = rule_field(rule, g_strstrip(key));
        if (!field || *field)
                return FALSE;
        *field = g_strndup(equals + 2, (gsize)(end - equals - 2));
        *at = end[1] == ',' ? end + 2 : end + 1;
        return TRUE;
}

static gboolean rule_parse(const char *text, Rule *ret)
{
        while (*text != '\0')
                if (!rule_parse_pair(ret, &text))
                        return FALSE;
        return TRUE;
}

static gboolean in_namespace(const char *path, const char *root)
{
        gsize n = strlen(root);

        if (g_str_equal(root, "/"))
                return TRUE;
        return path && strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* A well-known name as sender was resolved by the bus, the message names its owner; but the bus itself
 * signs with its well-known name. */
static gboolean sender_matches(const char *wanted, const char *sender)
{
        if (!wanted || (wanted[0] != ':' && !g_str_equal(wanted, DBUS_SERVICE_DBUS)))
                return TRUE;
        return g_strcmp0(wanted, sender) == 0;
}

static gboolean arg_matches(GVariant *body, guint n, const char *wanted)
{
        g_autoptr(GVariant) arg = NULL;

        if (n >= g_variant_n_children(body))
                return FALSE;
        arg = g_variant_get_child_value(body, n);
        return g_variant_is_of_type(arg, G_VARIANT_TYPE_STRING) &&
               g_str_equal(g_variant_get_string(arg, NULL), wanted);
}

static gboolean header_matches(const Rule *rule, const BusSignal *signal)
{
        return sender_matches(rule->sender, signal->sender) &&
               (!rule->path || g_strcmp0(rule->path, signal->path) == 0) &&
               (!rule->path_namespace || in_namespace(signal->path, rule->path_namespace)) &&
               (!rule->interface || g_strcmp0(rule->interface, signal->interface) == 0) &&
               (!rule->member || g_strcmp0(rule->member, signal->member) == 0);
}

static gboolean args_match(const Rule *rule, GVariant *body)
{
        for (guint i = 0; i < ARGS_MAX; i++)
                if (rule->args[i] && !arg_matches(body, i, rule->args[i]))
                        return FALSE;
        return TRUE;
}

/* ---- subscriptions ---- */

static void subscription_unref(gpointer data)
{
        Subscription *s = data;

        if (--s->refs > 0)
                return;
        rule_clear(&s->rule);
        g_free(s->text);
        g_free(s);
}

static gpointer subscription_ref(gconstpointer data, gpointer unused)
{
        Subscription *s = (Subscription *)data;

        s->refs++;
        return s;
}

static void match_call(Bus *bus, const char *member, const char *rule)
{
        if (!bus->is_private && !bus->is_lost)
                bus_call(bus, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, member,
                         g_variant_new("(s)", rule), -1, NULL, NULL);
}

guint64 bus_subscribe(Bus *bus, const char *rule, BusSignalFunc func, gpointer user)
{
        Subscription *s = g_new0(Subscription, 1);

        s->refs = 1;
        if (!rule_parse(rule, &s->rule)) {
                g_critical("match rule not understood: %s", rule);
                subscription_unref(s);
                return 0;
        }
        s->id = ++bus->last_id;
        s->func = func;
        s->user = user;
        s->text = g_strconcat("type='signal'", *rule ? "," : "", rule, NULL);
        g_ptr_array_add(bus->subscriptions, s);
        match_call(bus, "AddMatch", s->text);
        return s->id;
}

void bus_unsubscribe(Bus *bus, guint64 id)
{
        for (guint i = 0; id && i < bus->subscriptions->len; i++) {
                Subscription *s = bus->subscriptions->pdata[i];
                if (s->id != id)
                        continue;
                s->id = 0;
                match_call(bus, "RemoveMatch", s->text);
                g_ptr_array_remove_index(bus->subscriptions, i);
                return;
        }
}

/* The callbacks may subscribe and unsubscribe: they run over a copy. */
void bus_matches_deliver(Bus *bus, DBusMessage *message)
{
        g_autoptr(GPtrArray) all = g_ptr_array_copy(bus->subscriptions, (GCopyFunc)subscription_ref, NULL);
        g_autoptr(GVariant) body = NULL;
        BusSignal signal = {
                .sender = bus->is_private ? NULL : dbus_message_get_sender(message),
                .path = dbus_message_get_path(message),
                .interface = dbus_message_get_interface(message),
                .member = dbus_message_get_member(message),
        };

        for (guint i = 0; i < all->len; i++) {
                Subscription *s = all->pdata[i];
                if (s->id == 0 || !header_matches(&s->rule, &signal))
                        continue;
                if (!body)
                        body = bus_message_body(message, NULL);
                if (!body) /* too many values: nobody's signal */
                        return;
                signal.body = body;
                if (args_match(&s->rule, body))
                        s->func(&signal, s->user);
        }
}

/* ---- names ---- */

/* FUNC may free W. */
static void name_tell(NameWatch *w, const char *owner)
{
        g_autofree char *name = g_strdup(w->name), *now = g_strdup(owner);

        if (w->told && g_strcmp0(w->owner, owner) == 0)
                return;
        w->told = TRUE;
        g_free(w->owner);
        w->owner = g_strdup(owner);
        w->func(name, now, w->user);
}

static void name_owner_changed(const BusSignal *signal, gpointer user)
{
        NameWatch *w = user;
        const char *owner;

        if (!g_variant_is_of_type(signal->body, G_VARIANT_TYPE("(sss)")))
                return;
        g_variant_get(signal->body, "(&s&s&s)", NULL, NULL, &owner);
        name_tell(w, *owner ? owner : NULL);
}

/* Other errors say nothing about the name. */
static void name_owner_known(const BusReply *reply, gpointer user)
{
        NameWatch *w = user;
        const char *owner;

        w->call = 0;
        if (reply->body && g_variant_is_of_type(reply->body, G_VARIANT_TYPE("(s)"))) {
                g_variant_get(reply->body, "(&s)", &owner);
                name_tell(w, owner);
        } else if (g_strcmp0(reply->error_name, DBUS_ERROR_NAME_HAS_NO_OWNER) == 0) {
                name_tell(w, NULL);
        }
}

guint64 bus_watch_name(Bus *bus, const char *name, BusNameFunc func, gpointer user)
{
        NameWatch *w;
        g_autofree char *rule = NULL;

        if (bus->is_private || !dbus_validate_bus_name(name, NULL))
                return 0;
        w = g_new0(NameWatch, 1);
        w->id = ++bus->last_id;
        w->bus = bus;
        w->name = g_strdup(name);
        w->func = func;
        w->user = user;
        g_hash_table_insert(bus->name_watches, &w->id, w);
        rule = g_strdup_printf("sender='" DBUS_SERVICE_DBUS "',interface='" DBUS_INTERFACE_DBUS
                               "',member='NameOwnerChanged',arg0='%s'",
                               name);
        w->subscription = bus_subscribe(bus, rule, name_owner_changed, w);
        w->call = bus_call(bus, DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, "GetNameOwner",
                           g_variant_new("(s)", name), -1, name_owner_known, w);
        return w->id;
}

static void name_watch_free(gpointer data)
{
        NameWatch *w = data;

        bus_call_cancel(w->bus, w->call);
        bus_unsubscribe(w->bus, w->subscription);
        g_free(w->name);
        g_free(w->owner);
        g_free(w);
}

void bus_unwatch_name(Bus *bus, guint64 id)
{
        g_hash_table_remove(bus->name_watches, &id);
}

void bus_matches_init(Bus *bus)
{
        bus->subscriptions = g_ptr_array_new_with_free_func(subscription_unref);
        bus->name_watches = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, name_watch_free);
}

/* Before the calls are cleared: watches cancel theirs. The connection closes next, the bus forgets its
 * rules by itself. */
void bus_matches_clear(Bus *bus)
{
        bus->is_lost = TRUE;
        g_hash_table_unref(bus->name_watches);
        g_ptr_array_unref(bus->subscriptions);
}
