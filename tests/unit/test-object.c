/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Object tables on a real bus and on a private connection: dispatch, the standard interfaces, options,
 * authorisation, limits. */
#include "dbus/object.h"

#include <fcntl.h>

#include "tests/unit/bus-fixture.h"

#define IFACE "org.example.Thing"
#define ROOT "/org/example"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define MANAGER "org.freedesktop.DBus.ObjectManager"

typedef struct Thing {
        int value;
        const char *state;
} Thing;

typedef struct World {
        Daemon *daemon; /* NULL in a private world */
        Pair pair;
        Bus *service, *client; /* not references of their own in a private world */
        const char *dest;
        BusTree *tree;
        BusObject *object;
        Thing thing;
        GPtrArray *held; /* of BusCall */
        guint runs, noted;
        guint uid, pid;
        gboolean interactive;
} World;

static void thing_add(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        int a, b;

        g_variant_get(args, "(ii)", &a, &b);
        bus_call_return(call, g_variant_new("(i)", a + b));
        bus_call_return(call, g_variant_new("(i)", 0)); /* the first counts */
}

static void thing_hold(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        World *w = user;

        w->runs++;
        g_ptr_array_add(w->held, bus_call_ref(call));
}

static void thing_note(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        ((World *)user)->noted++;
        bus_call_return(call, NULL);
}

static void thing_refuse(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        bus_call_refuse(call, REFUSAL_BUSY, "not now");
}

static void thing_fail(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GError) error = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "no such thing");

        bus_call_fail(call, error);
}

static void thing_wrong(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        bus_call_return(call, g_variant_new("(s)", "not a number"));
}

static void thing_drop(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
}

static void thing_swap(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        int fd = bus_call_steal_fd(call, 0);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(bus_call_steal_fd(call, 0), ==, -1);
        g_assert_cmpint(bus_call_steal_fd(call, 9), ==, -1);
        bus_call_return_fd(call, g_variant_new("(h)", 0), fd);
        close(fd);
}

static void thing_guarded(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        World *w = user;

        w->runs++;
        w->uid = bus_call_uid(call);
        w->pid = bus_call_pid(call);
        bus_call_return(call, NULL);
}

static GVariant *thing_get_value(gpointer object, gpointer user)
{
        return g_variant_new_int32(((Thing *)object)->value);
}

static GVariant *thing_get_state(gpointer object, gpointer user)
{
        return g_variant_new_string(((Thing *)object)->state);
}

static GVariant *thing_get_name(gpointer object, gpointer user)
{
        return g_variant_new_string("thing");
}

static const BusMethod thing_methods[] = {
        {"Add", "ii", "i", "a,b", "sum", .handler = thing_add},
        {"Hold", "", "", .handler = thing_hold},
        {"Note", "", "", .handler = thing_note},
        {"Refuse", "", "", .handler = thing_refuse},
        {"Fail", "", "", .handler = thing_fail},
        {"Wrong", "", "i", .handler = thing_wrong},
        {"Drop", "", "", .handler = thing_drop},
        {"Swap", "h", "h", .handler = thing_swap},
        {"Act", "sa{sv}", "", "what,options", "", .options = "owner=u,strategy=s", .handler = thing_note},
        {"Plain", "a{sv}", "", "options", "", .options = "", .handler = thing_note},
        {"Guarded", "a{sv}", "", "options", "", "org.example.act", "", .handler = thing_guarded},
        {NULL},
};
static const BusProperty thing_properties[] = {
        {"Value", "i", thing_get_value},
        {"State", "s", thing_get_state},
        {"Name", "s", thing_get_name, .telling = BUS_TELL_NEVER},
        {NULL},
};
static const BusSignalSpec thing_signals[] = {{"Happened", "us", "n,what"}, {NULL}};
static const BusInterface thing_interface = {IFACE, thing_methods, thing_properties, thing_signals};
static const BusInterface *const thing_interfaces[] = {&thing_interface, NULL};

static World *world_finish(World *w)
{
        w->thing = (Thing){.value = 1, .state = "new"};
        w->held = g_ptr_array_new_with_free_func((GDestroyNotify)bus_call_unref);
        w->tree = bus_tree_new(w->service, ROOT, w);
        w->object = bus_tree_add(w->tree, ROOT "/deep/thing", thing_interfaces, &w->thing);
        return w;
}

static World *world_new(void)
{
        World *w = g_new0(World, 1);

        w->daemon = daemon_start();
        w->service = daemon_connect(w->daemon);
        w->client = daemon_connect(w->daemon);
        w->dest = bus_unique_name(w->service);
        return world_finish(w);
}

static World *world_new_private(void)
{
        World *w = g_new0(World, 1);

        pair_open(&w->pair);
        w->service = bus_ref(w->pair.theirs);
        w->client = bus_ref(w->pair.ours);
        return world_finish(w);
}

static void world_free(World *w)
{
        bus_tree_free(w->tree);
        g_ptr_array_unref(w->held);
        bus_unref(w->service);
        bus_unref(w->client);
        pair_close(&w->pair);
        if (w->daemon)
                daemon_free(w->daemon);
        g_free(w);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static void call(Answer *a, World *w, const char *path, const char *interface, const char *member,
                 GVariant *args)
{
        ask(a, w->client, w->dest, path, interface, member, args);
}

static void call_thing(Answer *a, World *w, const char *member, GVariant *args)
{
        call(a, w, ROOT "/deep/thing", IFACE, member, args);
}

static void check_methods(World *w)
{
        g_auto(Answer) a = {0};

        call_thing(&a, w, "Add", g_variant_new("(ii)", 2, 3));
        assert_prints(a.body, "(5,)");
        call(&a, w, ROOT "/deep/thing", NULL, "Add", g_variant_new("(ii)", 2, 4));
        assert_prints(a.body, "(6,)");
        call_thing(&a, w, "Refuse", NULL);
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.Busy");
        g_assert_cmpstr(a.text, ==, "not now");
        call_thing(&a, w, "Fail", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_FILE_NOT_FOUND);
}

static void check_wrong_calls(World *w)
{
        g_auto(Answer) a = {0};

        call_thing(&a, w, "Add", g_variant_new("(is)", 2, "3"));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_INVALID_ARGS);
        g_assert_cmpstr(a.text, ==, "Add takes (ii), the call has (is)");
        call_thing(&a, w, "Add", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_INVALID_ARGS);
        call_thing(&a, w, "Nothing", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_METHOD);
        call(&a, w, ROOT "/deep/thing", NULL, "Nothing", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_METHOD);
        call(&a, w, ROOT "/deep/thing", "org.example.None", "Add", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_INTERFACE);
        call(&a, w, ROOT "/deep", IFACE, "Add", g_variant_new("(ii)", 2, 3));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_INTERFACE);
        call(&a, w, ROOT "/none", IFACE, "Add", g_variant_new("(ii)", 2, 3));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_OBJECT);
}

static void check_options(World *w)
{
        g_auto(Answer) a = {0};

        call_thing(&a, w, "Act", g_variant_new_parsed("('x', {'owner': <@u 7>, 'strategy': <'auto'>})"));
        g_assert_cmpstr(a.error, ==, NULL);
        call_thing(&a, w, "Act", g_variant_new_parsed("('x', @a{sv} {})"));
        g_assert_cmpstr(a.error, ==, NULL);
        g_assert_cmpuint(w->noted, ==, 2);
        call_thing(&a, w, "Act", g_variant_new_parsed("('x', {'own': <@u 7>})"));
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.InvalidArgument");
        g_assert_cmpstr(a.text, ==, "unknown option 'own'");
        call_thing(&a, w, "Act", g_variant_new_parsed("('x', {'owner': <'root'>})"));
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.InvalidArgument");
        g_assert_cmpstr(a.text, ==, "option 'owner' must be of type u, not s");
        call_thing(&a, w, "Act", g_variant_new_parsed("('x', [{'owner', <@u 7>}, {'owner', <@u 8>}])"));
        g_assert_cmpstr(a.text, ==, "option 'owner' is there twice");
        call_thing(&a, w, "Plain", g_variant_new_parsed("({'': <1>},)"));
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.InvalidArgument");
        g_assert_cmpuint(w->noted, ==, 2);
}

static void check_peer(World *w)
{
        g_auto(Answer) a = {0};
        char *id = dbus_try_get_local_machine_id(NULL);

        call(&a, w, ROOT, "org.freedesktop.DBus.Peer", "Ping", NULL);
        assert_prints(a.body, "()");
        call(&a, w, ROOT, NULL, "Ping", NULL);
        assert_prints(a.body, "()");
        call(&a, w, ROOT, NULL, "GetMachineId", NULL);
        if (id)
                g_assert_cmpstr(g_variant_get_type_string(a.body), ==, "(s)");
        else
                g_assert_nonnull(a.error);
        dbus_free(id);
}

static void check_descriptors(World *w)
{
        g_auto(Answer) a = {0};
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        char byte = 1;

        bus_call_with_fds(w->client, w->dest, ROOT "/deep/thing", IFACE, "Swap", g_variant_new("(h)", 0), &fd,
                          1, 10000, answer_take, &a);
        close(fd);
        RUN_UNTIL(a.n > 0);
        assert_prints(a.body, "(handle 0,)");
        g_assert_cmpuint(a.fds->len, ==, 1);
        g_assert_cmpint(read(g_array_index(a.fds, int, 0), &byte, 1), ==, 1);
        g_assert_cmpint(byte, ==, 0);
}

static void test_calls_on_bus(void)
{
        g_autoptr(World) w = world_new();

        check_methods(w);
        check_wrong_calls(w);
        check_options(w);
        check_peer(w);
        check_descriptors(w);
}

static void test_calls_private(void)
{
        g_autoptr(World) w = world_new_private();

        check_methods(w);
        check_wrong_calls(w);
        check_options(w);
        check_peer(w);
        check_descriptors(w);
}

static void test_no_reply(void)
{
        g_autoptr(World) w = world_new();
        g_auto(Answer) a = {0};

        for (guint i = 0; i < 3; i++)
                bus_call(w->client, w->dest, ROOT "/deep/thing", IFACE, "Note", NULL, -1, NULL, NULL);
        bus_call(w->client, w->dest, ROOT "/deep/thing", IFACE, "Add", NULL, -1, NULL, NULL);
        call_thing(&a, w, "Note", NULL);
        g_assert_cmpuint(w->noted, ==, 4);
}

static void test_introspection(void)
{
        g_autoptr(World) w = world_new();
        g_auto(Answer) a = {0};
        const char *xml;

        call(&a, w, ROOT, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);
        g_variant_get(a.body, "(&s)", &xml);
        g_assert_nonnull(strstr(xml, "<node name=\"deep\"/>"));
        g_assert_nonnull(strstr(xml, MANAGER));
        g_assert_null(strstr(xml, IFACE));
        call(&a, w, "/", NULL, "Introspect", NULL);
        g_variant_get(a.body, "(&s)", &xml);
        g_assert_nonnull(strstr(xml, "<node name=\"org\"/>"));
        g_assert_null(strstr(xml, MANAGER));
        call(&a, w, ROOT "/deep/thing", NULL, "Introspect", NULL);
        g_variant_get(a.body, "(&s)", &xml);
        g_assert_nonnull(strstr(xml, "<interface name=\"" IFACE "\">"));
        g_assert_nonnull(strstr(xml, "<arg name=\"sum\" type=\"i\" direction=\"out\"/>"));
        g_assert_nonnull(strstr(xml, "<arg name=\"options\" type=\"a{sv}\" direction=\"in\"/>"));
        g_assert_nonnull(strstr(xml, "<arg name=\"what\" type=\"s\"/>"));
        g_assert_nonnull(strstr(xml, "EmitsChangedSignal\" value=\"const\""));
        g_assert_nonnull(strstr(xml, PROPERTIES));
}

static void test_nodes_go(void)
{
        g_autoptr(World) w = world_new();
        g_auto(Answer) a = {0};

        bus_object_remove(w->object);
        g_assert_null(bus_tree_find(w->tree, ROOT "/deep/thing"));
        call(&a, w, ROOT "/deep", NULL, "Introspect", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_OBJECT);
        call(&a, w, ROOT, NULL, "Introspect", NULL);
        g_assert_cmpstr(a.error, ==, NULL);
        bus_object_remove(NULL);
}

static void test_properties(void)
{
        g_autoptr(World) w = world_new();
        g_auto(Answer) a = {0};

        call(&a, w, ROOT "/deep/thing", PROPERTIES, "Get", g_variant_new("(ss)", IFACE, "State"));
        assert_prints(a.body, "(<'new'>,)");
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "Get", g_variant_new("(ss)", "", "Value"));
        assert_prints(a.body, "(<1>,)");
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "GetAll", g_variant_new("(s)", IFACE));
        assert_prints(a.body, "({'Value': <1>, 'State': <'new'>, 'Name': <'thing'>},)");
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "GetAll", g_variant_new("(s)", PROPERTIES));
        assert_prints(a.body, "(@a{sv} {},)");
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "GetAll", g_variant_new("(s)", "org.none"));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_INTERFACE);
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "Get", g_variant_new("(ss)", IFACE, "None"));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_PROPERTY);
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "Set", g_variant_new_parsed("(%s, 'Value', <1>)", IFACE));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_PROPERTY_READ_ONLY);
        call(&a, w, ROOT "/deep/thing", PROPERTIES, "Set", g_variant_new_parsed("(%s, 'X', <1>)", IFACE));
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_PROPERTY);
}

static void signal_keep(const BusSignal *signal, gpointer user)
{
        g_autofree char *body = g_variant_print(signal->body, TRUE);

        g_ptr_array_add(user, g_strdup_printf("%s %s %s", signal->path, signal->member, body));
}

/* A call from the client comes back only after every signal that was sent before. */
static void settle(World *w)
{
        g_auto(Answer) a = {0};

        call(&a, w, ROOT, NULL, "Ping", NULL);
        call(&a, w, ROOT, NULL, "Ping", NULL);
}

static void assert_kept(GPtrArray *kept, guint n, const char *last)
{
        g_assert_cmpuint(kept->len, ==, n);
        if (n > 0)
                g_assert_cmpstr(kept->pdata[n - 1], ==, last);
}

static void test_changes(void)
{
        g_autoptr(World) w = world_new();
        g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);

        bus_subscribe(w->client, "interface='" PROPERTIES "',path_namespace='" ROOT "'", signal_keep, kept);
        settle(w);
        bus_object_changed(w->object);
        settle(w);
        assert_kept(kept, 0, NULL); /* nothing differs */
        for (guint i = 0; i < 10; i++) {
                w->thing.value = (int)i + 2;
                bus_object_changed(w->object);
        }
        settle(w);
        assert_kept(kept, 1, ROOT "/deep/thing PropertiesChanged ('" IFACE "', {'Value': <11>}, @as [])");
        w->thing.state = "old";
        bus_object_changed(w->object);
        bus_object_flush(w->object);
        settle(w);
        assert_kept(kept, 2, ROOT "/deep/thing PropertiesChanged ('" IFACE "', {'State': <'old'>}, @as [])");
        w->thing.state = "gone";
        bus_object_changed(w->object);
        bus_object_remove(w->object);
        settle(w);
        g_assert_cmpuint(kept->len, ==, 2);
}

static GVariant *thing_get_long(gpointer object, gpointer user)
{
        return g_variant_new_string("long");
}

/* What is long is only named, each time, and read by who wants it. */
static void test_changes_to_read(void)
{
        static const BusProperty properties[] = {
                {"Value", "i", thing_get_value}, {"Long", "s", thing_get_long, BUS_TELL_TO_READ}, {NULL}};
        static const BusInterface interface = {IFACE "2", NULL, properties, NULL};
        static const BusInterface *const interfaces[] = {&interface, NULL};
        g_autoptr(World) w = world_new();
        g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
        g_auto(Answer) a = {0};
        Thing second = {.value = 2};
        BusObject *object = bus_tree_add(w->tree, ROOT "/b", interfaces, &second);
        const char *xml;

        bus_subscribe(w->client, "interface='" PROPERTIES "',path_namespace='" ROOT "'", signal_keep, kept);
        settle(w);
        bus_object_changed(object);
        settle(w);
        assert_kept(kept, 1, ROOT "/b PropertiesChanged ('" IFACE "2', @a{sv} {}, ['Long'])");
        second.value = 3;
        bus_object_changed(object);
        settle(w);
        assert_kept(kept, 2, ROOT "/b PropertiesChanged ('" IFACE "2', {'Value': <3>}, ['Long'])");
        call(&a, w, ROOT "/b", NULL, "Introspect", NULL);
        g_variant_get(a.body, "(&s)", &xml);
        g_assert_nonnull(strstr(xml, "EmitsChangedSignal\" value=\"invalidates\""));
        bus_object_remove(object);
}

static void test_object_manager(void)
{
        g_autoptr(World) w = world_new();
        g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
        g_auto(Answer) a = {0};
        Thing second = {.value = 2, .state = "b"};
        BusObject *object;

        settle(w); /* the world's own object was told of */
        bus_subscribe(w->client, "interface='" MANAGER "',path='" ROOT "'", signal_keep, kept);
        settle(w);
        object = bus_tree_add(w->tree, ROOT "/b", thing_interfaces, &second);
        settle(w);
        assert_kept(kept, 1,
                    ROOT " InterfacesAdded (objectpath '" ROOT "/b', {'" IFACE
                         "': {'Value': <2>, 'State': <'b'>, 'Name': <'thing'>}})");
        bus_object_remove(object);
        settle(w);
        assert_kept(kept, 2, ROOT " InterfacesRemoved (objectpath '" ROOT "/b', ['" IFACE "'])");
        call(&a, w, ROOT, MANAGER, "GetManagedObjects", NULL);
        assert_prints(a.body, "({objectpath '" ROOT "/deep/thing': {'" IFACE
                              "': {'Value': <1>, 'State': <'new'>, 'Name': <'thing'>}}},)");
        call(&a, w, ROOT "/deep/thing", MANAGER, "GetManagedObjects", NULL);
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_UNKNOWN_INTERFACE);
}

static void test_emit(void)
{
        g_autoptr(World) w = world_new();
        g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);

        bus_subscribe(w->client, "interface='" IFACE "'", signal_keep, kept);
        settle(w);
        bus_object_emit(w->object, IFACE, "Happened", g_variant_new("(us)", 7, "x"));
        settle(w);
        assert_kept(kept, 1, ROOT "/deep/thing Happened (uint32 7, 'x')");
        g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, "*has no signal*");
        bus_object_emit(w->object, IFACE, "Happened", g_variant_new("(s)", "x"));
        g_test_assert_expected_messages();
        settle(w);
        g_assert_cmpuint(kept->len, ==, 1);
}

/* ---- authorisation ---- */

static void allow(BusCall *c, const char *action, gpointer user)
{
        World *w = user;

        g_assert_cmpstr(action, ==, "org.example.act");
        w->interactive = bus_call_interactive(c);
        bus_call_proceed(c);
}

static void deny(BusCall *c, const char *action, gpointer user)
{
        bus_call_refuse(c, REFUSAL_NOT_AUTHORIZED, "no");
}

static void think(BusCall *c, const char *action, gpointer user)
{
        g_ptr_array_add(((World *)user)->held, bus_call_ref(c));
}

static void check_authorisation(World *w)
{
        g_auto(Answer) a = {0}, b = {0};

        call_thing(&a, w, "Guarded", g_variant_new_parsed("(@a{sv} {},)"));
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.NotAuthorized");
        bus_tree_set_authorize(w->tree, deny, w);
        call_thing(&a, w, "Guarded", g_variant_new_parsed("(@a{sv} {},)"));
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.NotAuthorized");
        g_assert_cmpuint(w->runs, ==, 0);
        bus_tree_set_authorize(w->tree, allow, w);
        call_thing(&a, w, "Guarded", g_variant_new_parsed("(@a{sv} {},)"));
        g_assert_cmpstr(a.error, ==, NULL);
        g_assert_cmpuint(w->runs, ==, 1);
        g_assert_cmpuint(w->uid, ==, getuid());
        g_assert_cmpuint(w->pid, ==, (guint)getpid());
        bus_tree_set_authorize(w->tree, think, w);
        bus_call(w->client, w->dest, ROOT "/deep/thing", IFACE, "Guarded",
                 g_variant_new_parsed("(@a{sv} {},)"), 10000, answer_take, &b);
        RUN_UNTIL(w->held->len == 1);
        g_assert_cmpuint(w->runs, ==, 1);
        bus_object_remove(w->object); /* while somebody thinks */
        bus_call_proceed(w->held->pdata[0]);
        RUN_UNTIL(b.n);
        g_assert_cmpstr(b.error, ==, DBUS_ERROR_UNKNOWN_OBJECT);
        g_assert_cmpuint(w->runs, ==, 1);
}

static void test_authorisation_on_bus(void)
{
        g_autoptr(World) w = world_new();

        check_authorisation(w);
}

static void test_authorisation_private(void)
{
        g_autoptr(World) w = world_new_private();

        check_authorisation(w);
}

/* Freed while the bus is being asked who calls. */
static void test_freed_while_asking(void)
{
        g_autoptr(World) w = world_new();
        g_auto(Answer) a = {0};

        bus_tree_set_authorize(w->tree, think, w);
        bus_call(w->client, w->dest, ROOT "/deep/thing", IFACE, "Guarded",
                 g_variant_new_parsed("(@a{sv} {},)"), 10000, answer_take, &a);
        bus_call(w->client, w->dest, ROOT "/deep/thing", IFACE, "Hold", NULL, 10000, NULL, NULL);
        RUN_UNTIL(w->runs == 1);
        bus_tree_free(g_steal_pointer(&w->tree));
        RUN_UNTIL(a.n);
        g_assert_nonnull(a.error);
}

/* ---- limits ---- */

typedef struct Count {
        guint ok, limited, other;
} Count;

static void count_reply(const BusReply *reply, gpointer user)
{
        Count *c = user;

        if (!reply->error_name)
                c->ok++;
        else if (g_str_equal(reply->error_name, "org.kantan.Error.LimitsExceeded"))
                c->limited++;
        else
                c->other++;
}

static void flood(Bus *client, World *w, guint n, Count *count)
{
        for (guint i = 0; i < n; i++)
                bus_call(client, w->dest, ROOT "/deep/thing", IFACE, "Hold", NULL, -1, count_reply, count);
}

static void answer_held(World *w)
{
        for (guint i = 0; i < w->held->len; i++)
                bus_call_return(w->held->pdata[i], NULL);
        g_ptr_array_set_size(w->held, 0);
}

static void test_limits(void)
{
        g_autoptr(World) w = world_new();
        g_autoptr(Bus) second = daemon_connect(w->daemon);
        Count first_count = {0}, second_count = {0};
        g_auto(Answer) a = {0};

        bus_tree_set_limits(w->tree, 64, 100);
        flood(w->client, w, 10000, &first_count);
        RUN_UNTIL(first_count.limited == 10000 - 64);
        g_assert_cmpuint(w->held->len, ==, 64);
        flood(second, w, 50, &second_count); /* up to the limit of all */
        RUN_UNTIL(second_count.limited == 50 - 36);
        call_thing(&a, w, "Add", g_variant_new("(ii)", 1, 1));
        g_assert_cmpstr(a.error, ==, "org.kantan.Error.LimitsExceeded");
        answer_held(w);
        RUN_UNTIL(first_count.ok == 64 && second_count.ok == 36);
        call_thing(&a, w, "Add", g_variant_new("(ii)", 1, 1)); /* room again */
        assert_prints(a.body, "(2,)");
        g_assert_cmpuint(first_count.other + second_count.other, ==, 0);
}

/* ---- mistakes in the service ---- */

static void test_mistakes(void)
{
        g_autoptr(World) w = world_new();
        g_auto(Answer) a = {0};

        g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, "*Wrong returns (s), not (i)*");
        call_thing(&a, w, "Wrong", NULL);
        g_test_assert_expected_messages();
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_FAILED);
        g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, "*Drop was not answered*");
        call_thing(&a, w, "Drop", NULL);
        g_test_assert_expected_messages();
        g_assert_cmpstr(a.error, ==, DBUS_ERROR_FAILED);
}

/* Callers that are gone, and a bus that is gone, before the answer. */
static void test_late_answers(void)
{
        g_autoptr(World) w = world_new();
        Bus *second = daemon_connect(w->daemon);
        Count count = {0};
        gboolean lost = FALSE;

        flood(second, w, 2, &count);
        RUN_UNTIL(w->held->len == 2);
        bus_unref(second);
        bus_call_return(w->held->pdata[0], NULL);
        settle(w);
        daemon_kill(w->daemon);
        flood(w->client, w, 1, &count);
        RUN_UNTIL(count.other == 1);
        for (lost = FALSE; !lost; lost = !dbus_connection_get_is_connected(bus_connection(w->service)))
                g_main_context_iteration(NULL, FALSE);
        bus_call_return(w->held->pdata[1], NULL);
        g_assert_cmpuint(count.ok, ==, 0);
}

static void test_xml(void)
{
        static const BusInterface small = {"a.B", NULL, NULL, thing_signals};
        g_autofree char *xml = bus_interface_to_xml(&small);

        g_assert_cmpstr(xml, ==,
                        "  <interface name=\"a.B\">\n    <signal name=\"Happened\">\n"
                        "      <arg name=\"n\" type=\"u\"/>\n      <arg name=\"what\" type=\"s\"/>\n"
                        "    </signal>\n  </interface>\n");
}

int main(int argc, char **argv)
{
        int failed;

        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/object/calls-on-bus", test_calls_on_bus);
        g_test_add_func("/object/calls-private", test_calls_private);
        g_test_add_func("/object/no-reply", test_no_reply);
        g_test_add_func("/object/introspection", test_introspection);
        g_test_add_func("/object/nodes-go", test_nodes_go);
        g_test_add_func("/object/properties", test_properties);
        g_test_add_func("/object/changes", test_changes);
        g_test_add_func("/object/changes-to-read", test_changes_to_read);
        g_test_add_func("/object/object-manager", test_object_manager);
        g_test_add_func("/object/emit", test_emit);
        g_test_add_func("/object/authorisation-on-bus", test_authorisation_on_bus);
        g_test_add_func("/object/authorisation-private", test_authorisation_private);
        g_test_add_func("/object/freed-while-asking", test_freed_while_asking);
        g_test_add_func("/object/limits", test_limits);
        g_test_add_func("/object/mistakes", test_mistakes);
        g_test_add_func("/object/late-answers", test_late_answers);
        g_test_add_func("/object/xml", test_xml);
        failed = g_test_run();
        dbus_shutdown();
        return failed;
}
