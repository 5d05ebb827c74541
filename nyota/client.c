/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for replies, and what error names mean to a person. */
#include "nyota/client.h"
#include "dbus/error.h"
#include "nyota/nyota.h"

#include <string.h>

G_DEFINE_QUARK(nyota - client, client_error)

/* What the service answers at once is there within this; libdbus's own default is 25 s as well. */
#define SOON_MS 25000

struct Client {
        Bus *bus;
};

Client *client_open(const char *where, GError **error)
{
        Bus *bus = bus_open(where, error);
        if (!bus)
                return NULL;
        Client *c = g_new0(Client, 1);
        c->bus = bus;
        return c;
}

void client_free(Client *c)
{
        if (!c)
                return;
        bus_unref(c->bus);
        g_free(c);
}

Bus *client_bus(Client *c)
{
        return c->bus;
}

char *client_interface(const char *name)
{
        return strchr(name, '.') ? g_strdup(name) : g_strconcat(CLIENT_SERVICE ".", name, NULL);
}

typedef struct Meaning {
        ExitCode code;
        const char *hint; /* NULL if the text says it all */
} Meaning;

static Meaning meaning_of_refusal(Refusal refusal)
{
        switch (refusal) {
        case REFUSAL_BUSY:
                return (Meaning){EXIT_REFUSED,
                                 "`nyota status` shows what runs; wait for it, or `nyota cancel UPDATE`"};
        case REFUSAL_FLOOR_WOULD_BREAK:
                return (Meaning){EXIT_REFUSED,
                                 "`nyota plan` shows the numbers; MinActive= in the battery file, "
                                 "--strategy=full-stop or --override would allow it"};
        case REFUSAL_OUTSIDE_WINDOW:
        case REFUSAL_HELD:
                return (Meaning){EXIT_REFUSED, "`nyota why BATTERY` says what it waits for"};
        case REFUSAL_VETOED:
                return (Meaning){EXIT_REFUSED, "`nyota why BATTERY` says who holds the lock and why"};
        case REFUSAL_LIMITS_EXCEEDED:
                return (Meaning){EXIT_REFUSED, NULL};
        case REFUSAL_NOT_AUTHORIZED:
                return (Meaning){EXIT_NOT_AUTHORIZED, "try it as root"};
        case REFUSAL_INVALID_ARGUMENT:
                return (Meaning){EXIT_USAGE, NULL};
        case REFUSAL_NOT_FOUND:
                return (Meaning){EXIT_FAILED,
                                 "`nyota list` shows the batteries, `nyota history BATTERY` the updates"};
        case REFUSAL_NONE:
        case REFUSAL_BAD_PACKAGE:
        case REFUSAL_BAD_SIGNATURE:
        case REFUSAL_TIMEOUT:
        case REFUSAL_DISAGREEMENT:
        case REFUSAL_NO_REPLICANT:
        case REFUSAL_UNSUPPORTED:
        case _REFUSAL_MAX:
        case _REFUSAL_INVALID:
                return (Meaning){EXIT_FAILED, NULL};
        }
        g_assert_not_reached();
}

/* Errors that the bus or libdbus make. */
static const struct {
        const char *name;
        Meaning meaning;
} bus_meanings[] = {
#define START "start it with `systemctl start " NYOTA_UNIT "`, or name another bus: --bus=session|ADDRESS"
        {"org.freedesktop.DBus.Error.ServiceUnknown", {EXIT_UNREACHABLE, START}},
        {"org.freedesktop.DBus.Error.NameHasNoOwner", {EXIT_UNREACHABLE, START}},
        {"org.freedesktop.DBus.Error.Disconnected",
         {EXIT_UNREACHABLE, "the connection to the bus is gone; `systemctl status " NYOTA_UNIT "`"}},
        {"org.freedesktop.DBus.Error.NoReply",
         {EXIT_UNREACHABLE, "the service does not answer; `systemctl status " NYOTA_UNIT "`"}},
        {"org.freedesktop.DBus.Error.AccessDenied", {EXIT_NOT_AUTHORIZED, "try it as root"}},
        {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
         {EXIT_NOT_AUTHORIZED, "try it as root"}},
        {"org.freedesktop.DBus.Error.UnknownObject",
         {EXIT_FAILED, "`nyota list` shows the batteries, `nyota history BATTERY` the updates"}},
#undef START
};

static Meaning meaning_of(const char *name)
{
        for (gsize i = 0; i < G_N_ELEMENTS(bus_meanings); i++)
                if (g_str_equal(bus_meanings[i].name, name))
                        return bus_meanings[i].meaning;
        return meaning_of_refusal(bus_error_refusal(name));
}

void client_set_error(const BusReply *reply, const char *path, GError **error)
{
        Meaning m = meaning_of(reply->error_name);
        g_autofree char *text = g_strstrip(
                g_strdup(reply->error_text && *reply->error_text ? reply->error_text : reply->error_name));
        if (g_str_equal(reply->error_name, "org.freedesktop.DBus.Error.UnknownObject"))
                g_set_error(error, CLIENT_ERROR, m.code, "the service does not know '%s'\n  %s",
                            nyota_last_part(path), m.hint);
        else if (m.hint)
                g_set_error(error, CLIENT_ERROR, m.code, "%s\n  %s", text, m.hint);
        else
                g_set_error_literal(error, CLIENT_ERROR, m.code, text);
}

typedef struct Wait {
        const ClientCall *call;
        gboolean done;
        GVariant *body;
        GError *error;
} Wait;

static void on_reply(const BusReply *reply, gpointer user)
{
        Wait *w = user;
        w->done = TRUE;
        if (!reply->body) {
                client_set_error(reply, w->call->path, &w->error);
                return;
        }
        w->body = g_variant_ref(reply->body);
        if (w->call->ret_fd && reply->fds && reply->fds->len > 0) {
                *w->call->ret_fd = g_array_index(reply->fds, int, 0);
                g_array_index(reply->fds, int, 0) = -1;
        }
}

GVariant *client_call(Client *c, const ClientCall *call, GError **error)
{
        Wait w = {.call = call};
        g_autofree char *interface = client_interface(call->interface);
        if (call->ret_fd)
                *call->ret_fd = -1;
        bus_call_with_fds(c->bus, CLIENT_SERVICE, call->path, interface, call->member, call->args, call->fds,
                          call->n_fds, call->patience == CLIENT_FOREVER ? -1 : SOON_MS, on_reply, &w);
        while (!w.done)
                g_main_context_iteration(NULL, TRUE);
        if (w.error)
                g_propagate_error(error, w.error);
        return w.body;
}

/* The first child of BODY if it has type TYPE: what another program sends is never taken on trust. */
static GVariant *only_value(GVariant *body, const char *type, GError **error)
{
        if (!body)
                return NULL;
        g_autofree char *tuple = g_strdup_printf("(%s)", type);
        if (g_variant_is_of_type(body, G_VARIANT_TYPE(tuple)))
                return g_variant_get_child_value(body, 0);
        g_set_error(error, CLIENT_ERROR, EXIT_FAILED, "the service answered with '%s' instead of '%s'",
                    g_variant_get_type_string(body), tuple);
        return NULL;
}

GVariant *client_objects(Client *c, GError **error)
{
        ClientCall call = {.path = NYOTA_ROOT,
                           .interface = "org.freedesktop.DBus.ObjectManager",
                           .member = "GetManagedObjects"};
        g_autoptr(GVariant) body = client_call(c, &call, error);
        return only_value(body, "a{oa{sa{sv}}}", error);
}

GVariant *client_properties(Client *c, const char *path, const char *interface, GError **error)
{
        g_autofree char *full = client_interface(interface);
        ClientCall call = {.path = path,
                           .interface = "org.freedesktop.DBus.Properties",
                           .member = "GetAll",
                           .args = g_variant_new("(s)", full)};
        g_autoptr(GVariant) body = client_call(c, &call, error);
        return only_value(body, "a{sv}", error);
}
