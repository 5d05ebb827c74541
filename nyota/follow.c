/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Following updates. The verdict is the event UpdateFinished; the signal Finished, and every return of the
 * service, make the stored events and then the update's own state be read, so that no way of missing the
 * one live event leaves a person waiting. */
#include "nyota/follow.h"
#include "nyota/dict.h"
#include "nyota/nyota.h"
#include "nyota/stream.h"

#include <string.h>

/* The service restarts within seconds; whoever waits this long wants to be told. */
#define AWAY_SECONDS_MAX 60
#define PROPERTIES_MS 25000

struct Follow {
        Client *client;
        GPtrArray *updates, *replicants;
        FollowFuncs funcs;
        gpointer user;
        Stream *stream;
        guint64 changed_subscription, finished_subscription;
        guint away_timer;
        gboolean lost, given_up, stopped;
};

static void update_free(FollowUpdate *u)
{
        if (u->question)
                bus_call_cancel(client_bus(u->follow->client), u->question);
        g_free(u->path);
        g_free(u->battery);
        g_free(u->strategy);
        g_free(u->from);
        g_free(u->to);
        g_free(u->state);
        g_free(u->reason);
        g_free(u);
}

static void replicant_free(FollowReplicant *r)
{
        g_free(r->battery);
        g_free(r->state);
        g_free(r->version);
        g_free(r->health);
        g_free(r);
}

static void assign(char **field, GVariant *dict, const char *key)
{
        if (!dict_has(dict, key))
                return;
        g_free(*field);
        *field = g_strdup(dict_string(dict, key));
}

static FollowUpdate *find_update(const Follow *f, const char *path)
{
        for (guint i = 0; i < f->updates->len; i++) {
                FollowUpdate *u = f->updates->pdata[i];
                if (g_str_equal(u->path, path))
                        return u;
        }
        return NULL;
}

static gboolean follows_battery(const Follow *f, const char *battery)
{
        for (guint i = 0; i < f->updates->len; i++)
                if (g_str_equal(((FollowUpdate *)f->updates->pdata[i])->battery, battery))
                        return TRUE;
        return FALSE;
}

static gboolean state_is_final(const char *state)
{
        static const char *const final[] = {"done", "rolled-back", "failed", "cancelled", "vetoed", NULL};
        return g_strv_contains(final, state);
}

static void update_read(FollowUpdate *u, GVariant *properties)
{
        g_autoptr(GVariant) progress = dict_value(properties, "Progress", "(uu)");
        assign(&u->battery, properties, "Battery");
        assign(&u->strategy, properties, "Strategy");
        assign(&u->from, properties, "FromVersion");
        assign(&u->to, properties, "ToVersion");
        assign(&u->state, properties, "State");
        assign(&u->reason, properties, "Reason");
        if (progress)
                g_variant_get(progress, "(uu)", &u->done, &u->all);
}

static int compare_replicants(gconstpointer a, gconstpointer b)
{
        const FollowReplicant *x = *(FollowReplicant *const *)a, *y = *(FollowReplicant *const *)b;
        int order = strcmp(x->battery, y->battery);
        return order ? order : (x->id > y->id) - (x->id < y->id);
}

static FollowReplicant *get_replicant(Follow *f, const char *battery, guint id)
{
        for (guint i = 0; i < f->replicants->len; i++) {
                FollowReplicant *r = f->replicants->pdata[i];
                if (r->id == id && g_str_equal(r->battery, battery))
                        return r;
        }
        FollowReplicant *r = g_new0(FollowReplicant, 1);
        *r = (FollowReplicant){g_strdup(battery), id, g_strdup(""), g_strdup(""), g_strdup("")};
        g_ptr_array_add(f->replicants, r);
        g_ptr_array_sort(f->replicants, compare_replicants);
        return r;
}

/* PATH is .../svc/B/N of a battery that we follow, else nothing happens. */
static void read_replicant(Follow *f, const char *path, GVariant *properties)
{
        if (!g_str_has_prefix(path, NYOTA_CHANNEL "/"))
                return;
        g_auto(GStrv) parts = g_strsplit(path + strlen(NYOTA_CHANNEL "/"), "/", 3);
        guint64 id;
        if (g_strv_length(parts) != 2 || !follows_battery(f, parts[0]) ||
            !g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXUINT, &id, NULL))
                return;
        FollowReplicant *r = get_replicant(f, parts[0], (guint)id);
        assign(&r->state, properties, "State");
        assign(&r->version, properties, "Version");
        assign(&r->health, properties, "Health");
}

static void changed(Follow *f)
{
        if (f->funcs.changed)
                f->funcs.changed(f->user);
}

static void on_properties_changed(const BusSignal *signal, gpointer user)
{
        Follow *f = user;
        const char *interface;
        g_autoptr(GVariant) properties = NULL;
        if (!g_variant_is_of_type(signal->body, G_VARIANT_TYPE("(sa{sv}as)")))
                return;
        g_variant_get(signal->body, "(&s@a{sv}as)", &interface, &properties, NULL);
        FollowUpdate *u = find_update(f, signal->path);
        if (u && !u->final) /* the verdict itself comes by the stream */
                update_read(u, properties);
        else if (g_str_equal(interface, CLIENT_SERVICE ".Replicant"))
                read_replicant(f, signal->path, properties);
        changed(f);
}

static void on_finished(const BusSignal *signal, gpointer user)
{
        Follow *f = user;
        FollowUpdate *u = find_update(f, signal->path);
        if (u && !u->final && f->stream)
                stream_sync(f->stream);
}

static void on_event(const Event *event, gpointer user)
{
        Follow *f = user;
        const char *path = dict_string(event->detail, "update");
        FollowUpdate *u = find_update(f, path);
        if (!u && (*path || !follows_battery(f, event->battery)))
                return;
        if (u && g_str_equal(event->kind, "UpdateFinished")) {
                assign(&u->state, event->detail, "state");
                assign(&u->reason, event->detail, "reason");
                u->seconds = dict_seconds(event->detail, "seconds");
                u->least_active = (guint)dict_number(event->detail, "least_active");
                u->measured = u->final = TRUE;
        }
        if (f->funcs.event)
                f->funcs.event(event, f->user);
        changed(f);
}

static void on_update_read(const BusReply *reply, gpointer user)
{
        FollowUpdate *u = user;
        u->question = 0;
        if (u->final)
                return;
        if (reply->body && g_variant_is_of_type(reply->body, G_VARIANT_TYPE("(a{sv})"))) {
                g_autoptr(GVariant) properties = g_variant_get_child_value(reply->body, 0);
                update_read(u, properties);
                u->final = state_is_final(u->state);
        } else if (!reply->body &&
                   g_str_has_prefix(reply->error_name, "org.freedesktop.DBus.Error.Unknown")) {
                g_free(u->state);
                g_free(u->reason);
                u->state = g_strdup("failed");
                u->reason = g_strdup("the service no longer knows this update");
                u->final = TRUE;
        }
        changed(u->follow);
}

/* All events were seen: an update that has no verdict among them is asked for its state. */
static void on_caught_up(gpointer user)
{
        Follow *f = user;
        g_autofree char *interface = client_interface("Update");
        g_clear_handle_id(&f->away_timer, g_source_remove);
        f->lost = FALSE;
        for (guint i = 0; i < f->updates->len; i++) {
                FollowUpdate *u = f->updates->pdata[i];
                if (u->final || u->question)
                        continue;
                u->question = bus_call(client_bus(f->client), CLIENT_SERVICE, u->path,
                                       "org.freedesktop.DBus.Properties", "GetAll",
                                       g_variant_new("(s)", interface), PROPERTIES_MS, on_update_read, u);
        }
        changed(f);
}

static gboolean on_away(gpointer user)
{
        Follow *f = user;
        f->away_timer = 0;
        f->given_up = TRUE;
        return G_SOURCE_REMOVE;
}

static void on_lost(gboolean for_good, gpointer user)
{
        Follow *f = user;
        f->lost = TRUE;
        if (for_good)
                f->given_up = TRUE;
        else if (!f->away_timer)
                f->away_timer = g_timeout_add_seconds(AWAY_SECONDS_MAX, on_away, f);
        changed(f);
}

static void subscribe(Follow *f)
{
        Bus *bus = client_bus(f->client);
        f->changed_subscription =
                bus_subscribe(bus,
                              "sender='" CLIENT_SERVICE "',interface='org.freedesktop.DBus.Properties',"
                              "member='PropertiesChanged',path_namespace='" NYOTA_ROOT "'",
                              on_properties_changed, f);
        f->finished_subscription = bus_subscribe(bus,
                                                 "sender='" CLIENT_SERVICE "',interface='" CLIENT_SERVICE
                                                 ".Update',member='Finished',"
                                                 "path_namespace='" NYOTA_ROOT "/update'",
                                                 on_finished, f);
}

static gboolean load(Follow *f, GError **error)
{
        g_autoptr(GVariant) objects = client_objects(f->client, error);
        GVariantIter it;
        const char *path;
        if (!objects)
                return FALSE;
        for (guint i = 0; i < f->updates->len; i++) {
                FollowUpdate *u = f->updates->pdata[i];
                g_autoptr(GVariant) properties = dict_object(objects, u->path, "Update");
                if (properties)
                        update_read(u, properties);
        }
        g_variant_iter_init(&it, objects);
        while (g_variant_iter_next(&it, "{&o@a{sa{sv}}}", &path, NULL)) {
                g_autoptr(GVariant) properties = dict_object(objects, path, "Replicant");
                if (properties)
                        read_replicant(f, path, properties);
        }
        return TRUE;
}

Follow *follow_new(Client *client, const char *const *paths, guint64 after, const FollowFuncs *funcs,
                   gpointer user, GError **error)
{
        static const StreamFuncs stream_funcs = {on_event, on_caught_up, on_lost};
        g_autoptr(Follow) f = g_new0(Follow, 1);
        f->client = client;
        f->funcs = *funcs;
        f->user = user;
        f->updates = g_ptr_array_new_with_free_func((GDestroyNotify)update_free);
        f->replicants = g_ptr_array_new_with_free_func((GDestroyNotify)replicant_free);
        for (; *paths; paths++) {
                FollowUpdate *u = g_new0(FollowUpdate, 1);
                *u = (FollowUpdate){.follow = f, .path = g_strdup(*paths)};
                u->battery = g_strdup("");
                u->strategy = g_strdup("");
                u->from = g_strdup("");
                u->to = g_strdup("");
                u->state = g_strdup("pending");
                u->reason = g_strdup("");
                g_ptr_array_add(f->updates, u);
        }
        subscribe(f);
        if (!load(f, error))
                return NULL;
        f->stream = stream_new(client, NYOTA_CHANNEL, after, &stream_funcs, f);
        return g_steal_pointer(&f);
}

void follow_free(Follow *f)
{
        if (!f)
                return;
        Bus *bus = client_bus(f->client);
        stream_free(f->stream);
        g_clear_handle_id(&f->away_timer, g_source_remove);
        bus_unsubscribe(bus, f->changed_subscription);
        bus_unsubscribe(bus, f->finished_subscription);
        g_ptr_array_unref(f->updates);
        g_ptr_array_unref(f->replicants);
        g_free(f);
}

static gboolean all_settled(const Follow *f)
{
        for (guint i = 0; i < f->updates->len; i++) {
                const FollowUpdate *u = f->updates->pdata[i];
                if (!u->final && !g_str_equal(u->state, "held"))
                        return FALSE;
        }
        return TRUE;
}

void follow_stop(Follow *f)
{
        f->stopped = TRUE;
}

static void set_unfinished(const Follow *f, GError **error)
{
        const char *id = nyota_last_part(((FollowUpdate *)f->updates->pdata[0])->path);
        if (f->given_up)
                g_set_error(error, CLIENT_ERROR, EXIT_UNREACHABLE,
                            "the service went away and did not come back; the update goes on when it does\n"
                            "  `systemctl status " NYOTA_UNIT "`, then `nyota log %s`",
                            id);
        else
                g_set_error(error, CLIENT_ERROR, EXIT_FAILED,
                            "no longer watching; the update goes on\n  `nyota log %s` tells how, `nyota "
                            "pause %s` "
                            "holds it, `nyota rollback %s` brings it back",
                            id, id, id);
}

gboolean follow_run(Follow *f, GError **error)
{
        while (!all_settled(f)) {
                if (f->given_up || f->stopped) {
                        set_unfinished(f, error);
                        return FALSE;
                }
                g_main_context_iteration(NULL, TRUE);
        }
        return TRUE;
}

const GPtrArray *follow_updates(const Follow *f)
{
        return f->updates;
}

const GPtrArray *follow_replicants(const Follow *f)
{
        return f->replicants;
}

gboolean follow_is_lost(const Follow *f)
{
        return f->lost;
}
