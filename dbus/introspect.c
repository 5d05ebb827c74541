/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.freedesktop.DBus.Introspectable and .Peer of every path, and the XML that follows from the tables.
 * (libdbus itself answers calls that name the interface Peer; this Peer is for introspection and for calls
 * without an interface.) */
#include "dbus/object-private.h"

#define EMITS_CHANGED "org.freedesktop.DBus.Property.EmitsChangedSignal"

/* By BusTelling; NULL is what the specification presumes. */
static const char *const telling_notes[] = {NULL, "const", "invalidates"};

/* One <arg> per complete type of SIGNATURE; DIRECTION NULL for signals. */
static void xml_args(GString *xml, const char *signature, const char *names, const char *direction)
{
        g_auto(GStrv) name = g_strsplit(names ? names : "", ",", -1);
        g_autofree char *whole = g_strdup_printf("(%s)", signature);
        const GVariantType *type = g_variant_type_first(G_VARIANT_TYPE(whole));
        guint n = 0, n_names = g_strv_length(name);

        for (; type; type = g_variant_type_next(type), n++) {
                g_autofree char *one = g_variant_type_dup_string(type);
                g_string_append(xml, "      <arg");
                if (n < n_names)
                        g_string_append_printf(xml, " name=\"%s\"", g_strstrip(name[n]));
                g_string_append_printf(xml, " type=\"%s\"", one);
                if (direction)
                        g_string_append_printf(xml, " direction=\"%s\"", direction);
                g_string_append(xml, "/>\n");
        }
}

static void xml_method(GString *xml, const BusMethod *m)
{
        g_string_append_printf(xml, "    <method name=\"%s\">\n", m->name);
        xml_args(xml, m->in_signature, m->in_names, "in");
        xml_args(xml, m->out_signature, m->out_names, "out");
        g_string_append(xml, "    </method>\n");
}

static void xml_property(GString *xml, const BusProperty *p)
{
        g_string_append_printf(xml, "    <property name=\"%s\" type=\"%s\" access=\"read\"", p->name,
                               p->signature);
        const char *note = telling_notes[p->telling];
        if (note)
                g_string_append_printf(xml,
                                       ">\n      <annotation name=\"" EMITS_CHANGED
                                       "\" value=\"%s\"/>\n    </property>\n",
                                       note);
        else
                g_string_append(xml, "/>\n");
}

static void xml_signal(GString *xml, const BusSignalSpec *s)
{
        g_string_append_printf(xml, "    <signal name=\"%s\">\n", s->name);
        xml_args(xml, s->signature, s->names, NULL);
        g_string_append(xml, "    </signal>\n");
}

static void xml_interface(GString *xml, const BusInterface *interface)
{
        g_string_append_printf(xml, "  <interface name=\"%s\">\n", interface->name);
        for (const BusMethod *m = interface->methods; m && m->name; m++)
                xml_method(xml, m);
        for (const BusProperty *p = interface->properties; p && p->name; p++)
                xml_property(xml, p);
        for (const BusSignalSpec *s = interface->signals; s && s->name; s++)
                xml_signal(xml, s);
        g_string_append(xml, "  </interface>\n");
}

char *bus_interface_to_xml(const BusInterface *interface)
{
        GString *xml = g_string_new(NULL);

        xml_interface(xml, interface);
        return g_string_free(xml, FALSE);
}

/* In order of name, so that two looks at one tree give one text. */
static void xml_children(GString *xml, const Node *node)
{
        g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(node->children), (GCompareFunc)strcmp);

        for (GList *l = names; l; l = l->next)
                g_string_append_printf(xml, "  <node name=\"%s\"/>\n", (const char *)l->data);
}

static char *node_to_xml(const Node *node)
{
        GString *xml = g_string_new(DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE "<node>\n");

        xml_interface(xml, &bus_introspectable_interface);
        xml_interface(xml, &bus_peer_interface);
        if (node->object)
                xml_interface(xml, &bus_properties_interface);
        if (node->is_root)
                xml_interface(xml, &bus_object_manager_interface);
        for (guint i = 0; node->object && node->object->interfaces[i]; i++)
                xml_interface(xml, node->object->interfaces[i]);
        xml_children(xml, node);
        g_string_append(xml, "</node>\n");
        return g_string_free(xml, FALSE);
}

static void introspect(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autofree char *xml = node_to_xml(bus_tree_node(call->tree, call->path));

        bus_call_return(call, g_variant_new("(s)", xml));
}

static const BusMethod introspectable_methods[] = {
        {"Introspect", "", "s", "", "xml_data", .handler = introspect},
        {NULL},
};
const BusInterface bus_introspectable_interface = {DBUS_INTERFACE_INTROSPECTABLE, introspectable_methods};

static void peer_ping(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        bus_call_return(call, NULL);
}

static void peer_machine_id(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        DBusError fault = DBUS_ERROR_INIT;
        char *id = dbus_try_get_local_machine_id(&fault);

        if (id)
                bus_call_return(call, g_variant_new("(s)", id));
        else
                bus_call_error(call, DBUS_ERROR_FAILED, "%s", fault.message);
        dbus_error_free(&fault);
        dbus_free(id);
}

static const BusMethod peer_methods[] = {
        {"Ping", "", "", "", "", .handler = peer_ping},
        {"GetMachineId", "", "s", "", "machine_uuid", .handler = peer_machine_id},
        {NULL},
};
const BusInterface bus_peer_interface = {DBUS_INTERFACE_PEER, peer_methods};

static const BusSignalSpec *signal_find(const BusInterface *interface, const char *name)
{
        for (const BusSignalSpec *s = interface ? interface->signals : NULL; s && s->name; s++)
                if (g_str_equal(s->name, name))
                        return s;
        return NULL;
}

/* What the introspection promises is what is sent. */
void bus_object_emit(BusObject *object, const char *interface, const char *signal, GVariant *args)
{
        const BusSignalSpec *spec = signal_find(bus_interface_find(object->interfaces, interface), signal);
        g_autoptr(GVariant) values = g_variant_ref_sink(args ? args : g_variant_new_tuple(NULL, 0));
        g_autofree char *type = spec ? g_strdup_printf("(%s)", spec->signature) : NULL;

        if (!spec || !g_variant_is_of_type(values, G_VARIANT_TYPE(type))) {
                g_critical("%s has no signal %s.%s%s", object->path, interface, signal,
                           g_variant_get_type_string(values));
                return;
        }
        bus_emit(object->tree->bus, object->path, interface, signal, values);
}
