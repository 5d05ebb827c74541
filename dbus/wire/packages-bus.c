/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manager.PlanUpdate, Update and UpdateFds: package files that a person names or hands over opened. Names
 * are passed on as they are; the installer opens them on its thread. */
#include "dbus/wire/wire-private.h"

#include <string.h>
#include <unistd.h>

#define PACKAGES_MOST 64 /* a call: bounds open descriptors (a message carries few more) and work queued */
#define NAME_BYTES 4096  /* PATH_MAX */

typedef struct Packages {
        GPtrArray *names; /* borrowed from the arguments */
        GArray *fds;      /* of int; -1: by name */
} Packages;

static Packages packages_new(void)
{
        return (Packages){g_ptr_array_new(), g_array_new(FALSE, FALSE, sizeof(int))};
}

static void packages_clear(Packages *p)
{
        for (guint i = 0; i < p->fds->len; i++)
                if (g_array_index(p->fds, int, i) >= 0)
                        close(g_array_index(p->fds, int, i));
        g_ptr_array_unref(p->names);
        g_array_unref(p->fds);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Packages, packages_clear)

static void packages_add(Packages *p, const char *name, int fd)
{
        g_ptr_array_add(p->names, (gpointer)name);
        g_array_append_val(p->fds, fd);
}

static Refusal check_count(gsize n, char **ret_why)
{
        if (n == 0)
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "no package was named");
        if (n > PACKAGES_MOST)
                return refuse(ret_why, REFUSAL_LIMITS_EXCEEDED, "at most %d packages a call", PACKAGES_MOST);
        return REFUSAL_NONE;
}

static Refusal check_name(const char *name, char **ret_why)
{
        gsize n = strlen(name);

        if (n == 0 || n > NAME_BYTES || strpbrk(name, "\n\r\t"))
                return refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                              "a package's file name has 1 to %d bytes and no tabs or line ends", NAME_BYTES);
        return REFUSAL_NONE;
}

static Refusal read_names(GVariant *list, Packages *p, char **ret_why)
{
        Refusal r = check_count(g_variant_n_children(list), ret_why);
        const char *name;
        GVariantIter it;

        g_variant_iter_init(&it, list);
        while (r == REFUSAL_NONE && g_variant_iter_next(&it, "&s", &name)) {
                r = check_name(name, ret_why);
                if (r == REFUSAL_NONE && name[0] != '/')
                        r = refuse(ret_why, REFUSAL_INVALID_ARGUMENT, "a package file is an absolute path");
                packages_add(p, name, -1);
        }
        return r;
}

static Refusal read_fds(BusCall *call, GVariant *list, Packages *p, char **ret_why)
{
        Refusal r = check_count(g_variant_n_children(list), ret_why);
        const char *name;
        gint32 handle;
        GVariantIter it;

        g_variant_iter_init(&it, list);
        while (r == REFUSAL_NONE && g_variant_iter_next(&it, "(&sh)", &name, &handle)) {
                int fd = bus_call_steal_fd(call, (guint)handle);
                packages_add(p, name, fd);
                r = check_name(name, ret_why);
                if (r == REFUSAL_NONE && fd < 0)
                        r = refuse(ret_why, REFUSAL_INVALID_ARGUMENT,
                                   "each package needs a descriptor of its own");
        }
        return r;
}

typedef void (*PackagesFunc)(Manager *m, const Caller *caller, const int *fds, const char *const *names,
                             guint n, GVariant *options, ManagerAnswer answer, gpointer user);

static void hand_over(BusCall *call, const Packages *p, GVariant *options, PackagesFunc func,
                      ManagerAnswer answer, Wire *w)
{
        Caller caller = wire_caller(call);

        func(w->manager, &caller, (const int *)(gpointer)p->fds->data, (const char *const *)p->names->pdata,
             p->names->len, options, answer, bus_call_ref(call));
}

static void by_name(BusCall *call, GVariant *args, PackagesFunc func, ManagerAnswer answer, Wire *w)
{
        g_autoptr(GVariant) list = NULL, options = NULL;
        g_auto(Packages) p = packages_new();
        g_autofree char *why = NULL;
        Refusal r;

        g_variant_get(args, "(@as@a{sv})", &list, &options);
        r = read_names(list, &p, &why);
        if (r == REFUSAL_NONE)
                hand_over(call, &p, options, func, answer, w);
        else
                bus_call_refuse(call, r, why);
}

void wire_plan_update(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        by_name(call, args, manager_plan_packages, wire_answer_string, user);
}

void wire_update(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        by_name(call, args, manager_update_packages, wire_answer_updates, user);
}

void wire_update_fds(BusCall *call, GVariant *args, gpointer object, gpointer user)
{
        g_autoptr(GVariant) list = NULL, options = NULL;
        g_auto(Packages) p = packages_new();
        g_autofree char *why = NULL;
        Refusal r;

        g_variant_get(args, "(@a(sh)@a{sv})", &list, &options);
        r = read_fds(call, list, &p, &why);
        if (r == REFUSAL_NONE)
                hand_over(call, &p, options, manager_update_packages, wire_answer_updates, user);
        else
                bus_call_refuse(call, r, why);
}
