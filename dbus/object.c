/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree: which paths exist and what is there. Paths above an object exist too (introspection lists
 * their children), as long as something is below them. */
#include "dbus/object-private.h"

/* ---- nodes ---- */

static void node_free(gpointer data)
{
        Node *node = data;

        g_free(node->path);
        g_hash_table_unref(node->children);
        g_free(node);
}

Node *bus_tree_node(BusTree *tree, const char *path)
{
        return g_hash_table_lookup(tree->nodes, path);
}

/* NULL above "/". */
static char *path_parent(const char *path)
{
        const char *slash = strrchr(path, '/');

        if (path[1] == '\0')
                return NULL;
        return slash == path ? g_strdup("/") : g_strndup(path, (gsize)(slash - path));
}

static Node *node_make(BusTree *tree, const char *path)
{
        Node *node = bus_tree_node(tree, path);
        g_autofree char *parent = path_parent(path);

        if (node)
                return node;
        node = g_new0(Node, 1);
        node->path = g_strdup(path);
        node->children = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(tree->nodes, node->path, node);
        if (parent)
                g_hash_table_add(node_make(tree, parent)->children, g_strdup(strrchr(path, '/') + 1));
        return node;
}

/* Takes away what nothing needs any longer, from PATH upwards. */
static void node_prune(BusTree *tree, const char *path)
{
        g_autofree char *parent = path_parent(path);
        g_autofree char *name = g_strdup(strrchr(path, '/') + 1);
        Node *node = bus_tree_node(tree, path);

        if (node->object || node->is_root || g_hash_table_size(node->children) > 0)
                return;
        g_hash_table_remove(tree->nodes, path);
        if (!parent)
                return;
        g_hash_table_remove(bus_tree_node(tree, parent)->children, name);
        node_prune(tree, parent);
}

/* ---- objects ---- */

BusObject *bus_object_ref(BusObject *object)
{
        object->refs++;
        return object;
}

void bus_object_unref(BusObject *object)
{
        if (!object || --object->refs > 0)
                return;
        g_hash_table_unref(object->told);
        g_free(object->path);
        g_free(object);
}

gboolean bus_object_is_managed(BusObject *object)
{
        const char *root = object->tree->root;
        gsize n = strlen(root);

        if (g_str_equal(root, "/"))
                return !g_str_equal(object->path, "/");
        return strncmp(object->path, root, n) == 0 && object->path[n] == '/';
}

BusObject *bus_tree_add(BusTree *tree, const char *path, const BusInterface *const *interfaces,
                        gpointer user_object)
{
        BusObject *object = g_new0(BusObject, 1);
        Node *node;

        g_assert(dbus_validate_path(path, NULL));
        node = node_make(tree, path);
        g_assert(!node->object);
        object->refs = 1;
        object->tree = tree;
        object->path = g_strdup(path);
        object->interfaces = interfaces;
        object->object = user_object;
        object->told = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_variant_unref);
        node->object = object;
        bus_object_remember_all(object);
        bus_object_announce(object);
        return object;
}

/* The object lives on while a call holds it, without its maker's pointer. */
static void object_detach(BusObject *object)
{
        object->removed = TRUE;
        object->object = NULL;
        if (object->is_changed)
                g_ptr_array_remove_fast(object->tree->changed, object);
        object->is_changed = FALSE;
}

void bus_object_remove(BusObject *object)
{
        BusTree *tree;

        if (!object)
                return;
        tree = object->tree;
        bus_object_renounce(object);
        object_detach(object);
        bus_tree_node(tree, object->path)->object = NULL;
        node_prune(tree, object->path);
        bus_object_unref(object);
}

BusObject *bus_tree_find(BusTree *tree, const char *path)
{
        Node *node = bus_tree_node(tree, path);

        return node ? node->object : NULL;
}

const char *bus_object_path(BusObject *object)
{
        return object->path;
}

/* ---- the tree ---- */

BusTree *bus_tree_new(Bus *bus, const char *root, gpointer user)
{
        BusTree *tree = g_new0(BusTree, 1);

        g_assert(!bus->tree && dbus_validate_path(root, NULL));
        tree->refs = 1;
        tree->bus = bus_ref(bus);
        tree->root = g_strdup(root);
        tree->user = user;
        tree->most = tree->most_all = G_MAXUINT;
        tree->nodes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, node_free);
        tree->changed = g_ptr_array_new_with_free_func((GDestroyNotify)bus_object_unref);
        bus_senders_init(tree);
        node_make(tree, root)->is_root = TRUE;
        bus->tree = tree;
        return tree;
}

BusTree *bus_tree_ref(BusTree *tree)
{
        tree->refs++;
        return tree;
}

/* The last call that was held may still want to answer: the connection stays until then. */
void bus_tree_unref(BusTree *tree)
{
        if (--tree->refs > 0)
                return;
        bus_unref(tree->bus);
        g_ptr_array_unref(tree->changed);
        g_hash_table_unref(tree->nodes);
        g_hash_table_unref(tree->senders);
        g_free(tree->root);
        g_free(tree);
}

void bus_tree_free(BusTree *tree)
{
        GHashTableIter iter;
        gpointer node;

        if (!tree)
                return;
        tree->closed = TRUE;
        tree->bus->tree = NULL;
        tree->authorize = NULL;
        g_clear_handle_id(&tree->idle, g_source_remove);
        g_hash_table_iter_init(&iter, tree->nodes);
        while (g_hash_table_iter_next(&iter, NULL, &node)) {
                BusObject *object = g_steal_pointer(&((Node *)node)->object);
                if (!object)
                        continue;
                object_detach(object);
                bus_object_unref(object);
        }
        bus_senders_clear(tree);
        bus_tree_unref(tree);
}

void bus_tree_set_authorize(BusTree *tree, BusAuthorizeFunc func, gpointer user)
{
        tree->authorize = func;
        tree->authorize_user = user;
}

void bus_tree_set_limits(BusTree *tree, guint most, guint most_all)
{
        tree->most = most;
        tree->most_all = most_all;
}
