/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A caller of the service that may wait: it runs the main loop until the reply is there. What went wrong
 * is a GError whose code is the exit code of the program and whose text says what to do next. */
#pragma once

#include "dbus/bus.h"

typedef enum ExitCode {
        EXIT_DONE = 0,
        EXIT_FAILED = 1, /* failed or rolled back */
        EXIT_USAGE = 2,
        EXIT_REFUSED = 3, /* floor, held, veto, busy */
        EXIT_NOT_AUTHORIZED = 4,
        EXIT_UNREACHABLE = 5,
} ExitCode;

#define CLIENT_SERVICE "org.kantan.Orchestrator1"

/* Errors of this domain have an ExitCode as their code. */
#define CLIENT_ERROR (client_error_quark())
GQuark client_error_quark(void);

typedef struct Client Client;
/* WHERE as in bus_open(). */
Client *client_open(const char *where, GError **error);
void client_free(Client *c);
Bus *client_bus(Client *c);

typedef enum ClientPatience {
        CLIENT_SOON,    /* an answer within half a minute, or the service is not well */
        CLIENT_FOREVER, /* replies when the act is completed */
} ClientPatience;

typedef struct ClientCall {
        const char *path;
        const char *interface; /* "Manager": below the service's prefix; with a dot: as it is */
        const char *member;
        GVariant *args; /* a tuple or NULL, consumed if floating */
        const int *fds; /* sent along, stay the caller's */
        gsize n_fds;
        ClientPatience patience;
        int *ret_fd; /* NULL, or where the reply's first descriptor goes (-1 if there is none) */
} ClientCall;

/* The reply's tuple, or NULL and error. */
GVariant *client_call(Client *c, const ClientCall *call, GError **error);
/* All objects: a{oa{sa{sv}}}. */
GVariant *client_objects(Client *c, GError **error);
/* The properties (a{sv}) of one interface of one object. */
GVariant *client_properties(Client *c, const char *path, const char *interface, GError **error);
/* The full name of an interface as ClientCall takes it. */
char *client_interface(const char *name);
/* What reply REPLY (an error) means, for callers that do not wait. */
void client_set_error(const BusReply *reply, const char *path, GError **error);
