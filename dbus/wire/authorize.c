/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may act: root, and the user that the daemon runs as (so a private instance serves its owner). Seeing
 * is free, it has no action. The uid is the bus's or the socket's word, never the caller's. */
#include "dbus/wire/wire-private.h"

#include <unistd.h>

void wire_authorize(BusCall *call, const char *action, gpointer user)
{
        guint uid = bus_call_uid(call);
        g_autofree char *why = NULL;

        if (uid == 0 || (uid != (guint)-1 && uid == geteuid())) {
                bus_call_proceed(call);
                return;
        }
        if (uid == (guint)-1)
                why = g_strdup_printf("%s: it is not known who calls", action);
        else if (geteuid() == 0)
                why = g_strdup_printf("%s: only root may do this, you are uid %u", action, uid);
        else
                why = g_strdup_printf("%s: only root and uid %u may do this, you are uid %u", action,
                                      (guint)geteuid(), uid);
        bus_call_refuse(call, REFUSAL_NOT_AUTHORIZED, why);
}

Caller wire_caller(BusCall *call)
{
        return (Caller){bus_call_uid(call), bus_call_pid(call), bus_call_sender(call)};
}
