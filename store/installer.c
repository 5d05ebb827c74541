/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The installer on GTask threads. Unpacking runs side by side; so do switches of different links; those of
 * one link run in the order asked for, because a later one must win. */
#include "store/installer.h"

#include <gio/gio.h>
#include <unistd.h>

#include "store/installation.h"

#define LINKS_AT_ONCE 8 /* threads that wait for the disk: more gain nothing, each costs a stack */

typedef struct Job {
        PortEventKind kind;
        guint64 cookie;
        int fd;
        char *file_name, *battery, *package, *version;
        guint replicant;
        const char *state; /* the installer's, which outlives the job */
} Job;

typedef struct Installer {
        InstallerPort port; /* first: the port is the installer */
        char *state;
        PortSink sink; /* NULL once freed: threads may still be at work */
        gpointer user;
        GCancellable *cancel;
        GQueue links;   /* of Job, waiting */
        GQueue at_work; /* of Job; their tasks own them */
} Installer;

static void job_free(gpointer data)
{
        Job *j = data;
        if (j->fd >= 0)
                close(j->fd);
        g_free(j->file_name);
        g_free(j->battery);
        g_free(j->package);
        g_free(j->version);
        g_free(j);
}

static Job *job_new(Installer *i, PortEventKind kind, guint64 cookie)
{
        Job *j = g_new0(Job, 1);
        j->kind = kind;
        j->cookie = cookie;
        j->fd = -1;
        j->state = i->state;
        return j;
}

static void installer_clear(gpointer data)
{
        Installer *i = data;
        g_free(i->state);
        g_object_unref(i->cancel);
        g_queue_clear_full(&i->links, job_free);
        g_queue_clear(&i->at_work);
}

static void installer_unref(Installer *i)
{
        g_atomic_rc_box_release_full(i, installer_clear);
}

static void tell(const Installer *i, const Job *j, const PackageInfo *info, const GError *error)
{
        PortEvent e = {
                .kind = j->kind, .cookie = j->cookie, .battery = j->battery, .replicant = j->replicant};
        e.package = info ? info->name : j->package;
        e.version = info ? info->version : j->version;
        e.ok = error == NULL;
        if (info) {
                e.compatibility = info->compatibility;
                e.batteries = (const char *const *)info->batteries;
        }
        if (error) {
                e.text = error->message;
                e.fault = error->domain != PACKAGE_ERROR;
        }
        if (i->sink)
                i->sink(&e, i->user);
}

/* Takes J; DONE is called on the main context with a reference of I to drop. */
static void run_on_thread(Installer *i, Job *j, GTaskThreadFunc work, GAsyncReadyCallback done)
{
        g_autoptr(GTask) task = g_task_new(NULL, i->cancel, done, g_atomic_rc_box_acquire(i));
        g_task_set_check_cancellable(task, FALSE); /* what was done is told as done */
        g_task_set_task_data(task, j, job_free);
        g_task_run_in_thread(task, work);
}

/* ---- unpacking ---- */

static void unpack_work(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
        const Job *j = data;
        GError *error = NULL;
        g_autofree char *packages = g_build_filename(j->state, "packages", NULL);
        g_autofree char *base = j->file_name ? g_path_get_basename(j->file_name) : NULL;
        int fd = j->fd >= 0 ? j->fd : package_open(j->file_name, &error);
        PackageInfo *info = fd >= 0 ? package_read(fd, base, packages, cancel, &error) : NULL;
        if (fd >= 0 && fd != j->fd)
                close(fd);
        if (info)
                g_task_return_pointer(task, info, (GDestroyNotify)package_info_unref);
        else
                g_task_return_error(task, error);
}

static void on_unpacked(GObject *source, GAsyncResult *result, gpointer user)
{
        Installer *i = user;
        g_autoptr(GError) error = NULL;
        const Job *j = g_task_get_task_data(G_TASK(result));
        g_autoptr(PackageInfo) info = g_task_propagate_pointer(G_TASK(result), &error);
        tell(i, j, info, error);
        installer_unref(i);
}

static void port_unpack(InstallerPort *port, guint64 cookie, int fd, const char *file_name)
{
        Installer *i = (Installer *)port;
        Job *j = job_new(i, PORT_UNPACKED, cookie);
        j->fd = fd;
        j->file_name = g_strdup(file_name);
        run_on_thread(i, j, unpack_work, on_unpacked);
}

/* ---- links ---- */

static void link_work(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
        const Job *j = data;
        GError *error = NULL;
        gboolean good = j->kind == PORT_SWITCHED
                                ? installation_switch(j->state, j->battery, j->replicant, j->package,
                                                      j->version, &error)
                                : installation_set_current(j->state, j->package, j->version, &error);
        if (good)
                g_task_return_boolean(task, TRUE);
        else
                g_task_return_error(task, error);
}

static void links_turn(Installer *i);

static void on_linked(GObject *source, GAsyncResult *result, gpointer user)
{
        Installer *i = user;
        g_autoptr(GError) error = NULL;
        Job *j = g_task_get_task_data(G_TASK(result));
        g_task_propagate_boolean(G_TASK(result), &error);
        g_queue_remove(&i->at_work, j);
        tell(i, j, NULL, error);
        links_turn(i);
        installer_unref(i);
}

/* The same link, so that the later one must win. */
static gboolean same_link(const Job *a, const Job *b)
{
        return a->kind == b->kind && a->replicant == b->replicant && g_strcmp0(a->battery, b->battery) == 0 &&
               g_str_equal(a->package, b->package);
}

static gboolean is_ahead(const GQueue *queue, const Job *of)
{
        for (const GList *l = queue->head; l && l->data != of; l = l->next)
                if (same_link(l->data, of))
                        return TRUE;
        return FALSE;
}

/* Starts what may start: a few side by side, for a disk syncs many directories in hardly more time than one.
 */
static void links_turn(Installer *i)
{
        GList *next;
        for (GList *l = i->links.head; l && i->at_work.length < LINKS_AT_ONCE; l = next) {
                Job *j = l->data;
                next = l->next;
                if (is_ahead(&i->at_work, j) || is_ahead(&i->links, j))
                        continue;
                g_queue_delete_link(&i->links, l);
                g_queue_push_tail(&i->at_work, j);
                run_on_thread(i, j, link_work, on_linked);
        }
}

static void links_add(Installer *i, Job *j)
{
        g_queue_push_tail(&i->links, j);
        links_turn(i);
}

static void port_switch_to(InstallerPort *port, guint64 cookie, const char *battery, guint replicant,
                           const char *package, const char *version)
{
        Installer *i = (Installer *)port;
        Job *j = job_new(i, PORT_SWITCHED, cookie);
        j->battery = g_strdup(battery);
        j->replicant = replicant;
        j->package = g_strdup(package);
        j->version = g_strdup(version);
        links_add(i, j);
}

static void port_set_current(InstallerPort *port, guint64 cookie, const char *package, const char *version)
{
        Installer *i = (Installer *)port;
        Job *j = job_new(i, PORT_CURRENT_SET, cookie);
        j->package = g_strdup(package);
        j->version = g_strdup(version);
        links_add(i, j);
}

/* ---- short look-ups ---- */

static char *port_version_of(InstallerPort *port, const char *battery, guint replicant, const char *package)
{
        return installation_version(((Installer *)port)->state, battery, replicant, package);
}

static char *port_current_of(InstallerPort *port, const char *package)
{
        return installation_current(((Installer *)port)->state, package);
}

static char *port_program_of(InstallerPort *port, const char *battery, guint replicant, const char *package,
                             const char *program)
{
        return installation_program(((Installer *)port)->state, battery, replicant, package, program);
}

static char *port_compatibility_of(InstallerPort *port, const char *package, const char *version)
{
        g_autoptr(PackageInfo) info = installation_info(((Installer *)port)->state, package, version, NULL);
        return info ? g_strdup(info->compatibility) : NULL;
}

/* ---- what a predecessor left ---- */

static void sweep_work(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
        guint64 bytes;
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) none = installation_gc(data, G_MAXUINT, NULL, FALSE, &bytes, &error);
        g_task_return_boolean(task, none != NULL); /* if not: the next collection tries and tells */
}

/* One that was killed while it unpacked left a staging directory. No version goes. */
static void sweep(Installer *i)
{
        g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
        g_task_set_task_data(task, g_strdup(i->state), g_free);
        g_task_run_in_thread(task, sweep_work);
}

InstallerPort *installer_new(const char *state_dir, PortSink sink, gpointer user)
{
        Installer *i = g_atomic_rc_box_new0(Installer);
        i->port = (InstallerPort){
                .unpack = port_unpack,
                .switch_to = port_switch_to,
                .set_current = port_set_current,
                .version_of = port_version_of,
                .current_of = port_current_of,
                .program_of = port_program_of,
                .compatibility_of = port_compatibility_of,
        };
        i->state = g_strdup(state_dir);
        i->sink = sink;
        i->user = user;
        i->cancel = g_cancellable_new();
        g_queue_init(&i->links);
        g_queue_init(&i->at_work);
        sweep(i);
        return &i->port;
}

void installer_free(InstallerPort *port)
{
        Installer *i = (Installer *)port;
        if (!i)
                return;
        i->sink = NULL;
        g_queue_clear_full(&i->links, job_free);
        g_cancellable_cancel(i->cancel);
        installer_unref(i);
}
