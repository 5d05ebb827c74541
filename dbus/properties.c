/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.freedesktop.DBus.Properties of every object and org.freedesktop.DBus.ObjectManager of the root:
 * reading properties, and telling of those that differ from what was last told. */
#include "dbus/object-private.h"

/* Sunk; NULL (and a critical warning) when a getter returns another type than its table says. */
static GVariant *property_read(BusObject *object, const BusProperty *property)
{
        GVariant *value = g_variant_ref_sink(property->get(object->object, object->tree->user));

        if (g_variant_is_of_type(value, G_VARIANT_TYPE(property->signature)))
                return value;
        g_critical("property %s of %s is %s, not %s", property->name, object->path,
                   g_variant_get_type_string(value), property->signature);
        g_variant_unref(value);
        return NULL;
}

static void properties_add_all(BusObject *object, const BusInterface *interface, GVariantBuilder *to)
{
        for (const BusProperty *p = interface->properties; p && p->name; p++) {
                g_autoptr(GVariant) value = property_read(object, p);
                if (value)
                        g_variant_builder_add(to, "{sv}", p->name, value);
        }
}

/* ---- PropertiesChanged ---- */

/* TRUE if VALUE is news. */
static gboolean property_remember(BusObject *object, const BusProperty *property, GVariant *value)
{
        GVariant *old = g_hash_table_lookup(object->told, property);

        if (old && g_variant_equal(old, value))
                return FALSE;
        g_hash_table_insert(object->told, (gpointer)property, g_variant_ref(value));
        return TRUE;
}

/* Adds what is news to TO; returns how many. */
static guint interface_remember(BusObject *object, const BusInterface *interface, GVariantBuilder *to)
{
        guint n = 0;

        for (const BusProperty *p = interface->properties; p && p->name; p++) {
                g_autoptr(GVariant) value = p->telling == BUS_TELL_VALUE ? property_read(object, p) : NULL;
                if (!value || !property_remember(object, p, value))
                        continue;
                g_variant_builder_add(to, "{sv}", p->name, value);
                n++;
        }
        return n;
}

static GVariant *interface_to_read(const BusInterface *interface)
{
        GVariantBuilder names;

        g_variant_builder_init(&names, G_VARIANT_TYPE_STRING_ARRAY);
        for (const BusProperty *p = interface->properties; p && p->name; p++)
                if (p->telling == BUS_TELL_TO_READ)
                        g_variant_builder_add(&names, "s", p->name);
        return g_variant_ref_sink(g_variant_builder_end(&names));
}

static void interface_tell_changed(BusObject *object, const BusInterface *interface)
{
        g_autoptr(GVariant) to_read = interface_to_read(interface);
        GVariantBuilder changed;

        g_variant_builder_init(&changed, G_VARIANT_TYPE_VARDICT);
        if (interface_remember(object, interface, &changed) > 0 || g_variant_n_children(to_read) > 0)
                bus_emit(object->tree->bus, object->path, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged",
                         g_variant_new("(sa{sv}@as)", interface->name, &changed, to_read));
        else
                g_variant_builder_clear(&changed);
}

void bus_object_remember_all(BusObject *object)
{
        for (guint i = 0; object->interfaces[i]; i++) {
                GVariantBuilder unused;
                g_variant_builder_init(&unused, G_VARIANT_TYPE_VARDICT);
                interface_remember(object, object->interfaces[i], &unused);
                g_variant_builder_clear(&unused);
        }
}

void bus_object_flush(BusObject *object)
{
        g_autoptr(BusTree) tree = bus_tree_ref(object->tree);

        if (object->is_changed)
                g_ptr_array_remove(tree->changed, object);
        object->is_changed = FALSE;
        for (guint i = 0; object->interfaces[i]; i++)
                interface_tell_changed(object, object->interfaces[i]);
}

static gboolean tree_flush(gpointer user)
{
        BusTree *tree = user;
        g_autoptr(GPtrArray) changed = g_steal_pointer(&tree->changed);

        tree->changed = g_ptr_array_new_with_free_func((GDestroyNotify)bus_object_unref);
        tree->idle = 0;
        for (guint i = 0; i < changed->len; i++) {
                BusObject *object = changed->pdata[i];
                object->is_changed = FALSE;
                if (!object->removed)
                        bus_object_flush(object);
        }
        return G_SOURCE_REMOVE;
}

/* At default priority: behind what is dispatched now, yet a flood of calls cannot put it off for ever. */
void bus_object_changed(BusObject *object)
{
        BusTree *tree = object->tree;

        if (object->is_changed)
                return;
        object->is_changed = TRUE;
        g_ptr_array_add(tree->changed, bus_object_ref(object));
        if (tree->idle == 0)
                tree->idle = g_idle_add_full(G_PRIORITY_DEFAULT, tree_flush, tree, NULL);
}

/* ---- Properties ---- */

static const BusProperty *property_find(const BusInterface *interface, const char *name)
{
        for (const BusProperty *p = interface->properties; p && p->name; p++)
                if (g_str_equal(p->name, name))
                        return p;
        return NULL;
}

static gboolean is_standard(const BusObject *object, const char *name)
{
        return g_str_equal(name, bus_introspectable_interface.name) ||
               g_str_equal(name, bus_peer_interface.name) ||
               g_str_equal(name, bus_properties_interface.name) ||
               (g_str_equal(object->path, object->tree->root) &&
                g_str_equal(name, bus_object_manager_interface.name));
}

/* FALSE: answered. An empty NAME stands for all interfaces. */
static gboolean interface_check(BusCall *call, const char *name)
{
        BusObject *object = call->object;

        if (*name == '\0' || is_standard(object, name) || bus_interface_find(object->interfaces, name))
                return TRUE;
        bus_call_error(call, DBUS_ERROR_UNKNOWN_INTERFACE, "no interface '%.80s' at '%s'", name,
                       object->path);
        return FALSE;
}

/* NULL: answered. */
static const BusProperty *property_search(BusCall *call, const char *interface, const char *name)
{
        const BusInterface *const *i = call->object->interfaces;

        if (!interface_check(call, interface))
                return NULL;
        for (; *i; i++) {
                const BusProperty *p = property_find(*i, name);
                if (p && (*interface == '\0' || g_str_equal((*i)->name, interface)))
                        return p;
        }
        bus_call_error(call, DBUS_ERROR_UNKNOWN_PROPERTY, "no property '%.80s' at '%s'", name,
                       call->object->path);
        return NULL;
}

static void properties_get(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        const char *interface, *name;
        const BusProperty *property;
        g_autoptr(GVariant) value = NULL;

        g_variant_get(args, "(&s&s)", &interface, &name);
        property = property_search(call, interface, name);
        if (!property)
                return;
        value = property_read(call->object, property);
        if (value)
                bus_call_return(call, g_variant_new("(v)", value));
        else
                bus_call_error(call, DBUS_ERROR_FAILED, "a mistake in the service: wrong type of property");
}

static void properties_get_all(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        const BusInterface *const *i = call->object->interfaces;
        const char *interface;
        GVariantBuilder all;

        g_variant_get(args, "(&s)", &interface);
        if (!interface_check(call, interface))
                return;
        g_variant_builder_init(&all, G_VARIANT_TYPE_VARDICT);
        for (; *i; i++)
                if (*interface == '\0' || g_str_equal((*i)->name, interface))
                        properties_add_all(call->object, *i, &all);
        bus_call_return(call, g_variant_new("(a{sv})", &all));
}

static void properties_set(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        const char *interface, *name;

        g_variant_get(args, "(&s&sv)", &interface, &name, NULL);
        if (property_search(call, interface, name))
                bus_call_error(call, DBUS_ERROR_PROPERTY_READ_ONLY, "property '%s' can only be read", name);
}

static const BusMethod properties_methods[] = {
        {"Get", "ss", "v", "interface_name,property_name", "value", .handler = properties_get},
        {"GetAll", "s", "a{sv}", "interface_name", "properties", .handler = properties_get_all},
        {"Set", "ssv", "", "interface_name,property_name,value", "", .handler = properties_set},
        {NULL},
};
static const BusSignalSpec properties_signals[] = {
        {"PropertiesChanged", "sa{sv}as", "interface_name,changed_properties,invalidated_properties"},
        {NULL},
};
const BusInterface bus_properties_interface = {DBUS_INTERFACE_PROPERTIES, properties_methods, NULL,
                                               properties_signals};

/* ---- ObjectManager ---- */

static GVariant *object_describe(BusObject *object)
{
        GVariantBuilder all;

        g_variant_builder_init(&all, G_VARIANT_TYPE("a{sa{sv}}"));
        for (guint i = 0; object->interfaces[i]; i++) {
                g_variant_builder_open(&all, G_VARIANT_TYPE("{sa{sv}}"));
                g_variant_builder_add(&all, "s", object->interfaces[i]->name);
                g_variant_builder_open(&all, G_VARIANT_TYPE_VARDICT);
                properties_add_all(object, object->interfaces[i], &all);
                g_variant_builder_close(&all);
                g_variant_builder_close(&all);
        }
        return g_variant_builder_end(&all);
}

void bus_object_announce(BusObject *object)
{
        if (bus_object_is_managed(object))
                bus_emit(object->tree->bus, object->tree->root, bus_object_manager_interface.name,
                         "InterfacesAdded",
                         g_variant_new("(o@a{sa{sv}})", object->path, object_describe(object)));
}

void bus_object_renounce(BusObject *object)
{
        GVariantBuilder names;

        if (!bus_object_is_managed(object))
                return;
        g_variant_builder_init(&names, G_VARIANT_TYPE_STRING_ARRAY);
        for (guint i = 0; object->interfaces[i]; i++)
                g_variant_builder_add(&names, "s", object->interfaces[i]->name);
        bus_emit(object->tree->bus, object->tree->root, bus_object_manager_interface.name,
                 "InterfacesRemoved", g_variant_new("(oas)", object->path, &names));
}

static void manager_get(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        GVariantBuilder all;
        GHashTableIter iter;
        gpointer node;

        g_variant_builder_init(&all, G_VARIANT_TYPE("a{oa{sa{sv}}}"));
        g_hash_table_iter_init(&iter, bus_call_tree(call)->nodes);
        while (g_hash_table_iter_next(&iter, NULL, &node)) {
                BusObject *o = ((Node *)node)->object;
                if (o && bus_object_is_managed(o))
                        g_variant_builder_add(&all, "{o@a{sa{sv}}}", o->path, object_describe(o));
        }
        bus_call_return(call, g_variant_new("(a{oa{sa{sv}}})", &all));
}

static const BusMethod manager_methods[] = {
        {"GetManagedObjects", "", "a{oa{sa{sv}}}", "", "objects", .handler = manager_get},
        {NULL},
};
static const BusSignalSpec manager_signals[] = {
        {"InterfacesAdded", "oa{sa{sv}}", "object_path,interfaces_and_properties"},
        {"InterfacesRemoved", "oas", "object_path,interfaces"},
        {NULL},
};
const BusInterface bus_object_manager_interface = {"org.freedesktop.DBus.ObjectManager", manager_methods,
                                                   NULL, manager_signals};
