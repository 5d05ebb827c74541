/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all commands share: the global options, the exit codes, and the shape of a command. */
#pragma once

#include "nyota/args.h"
#include "nyota/client.h"
#include "nyota/show.h"

/* What --help says of the service, in one place for hints. */
#define NYOTA_UNIT "kantan-orchestratord"

typedef struct Nyota {
        char *bus;           /* "system", "session" or an address */
        char *config, *state; /* NULL: the installed instance's */
        gboolean json;
        Show *show;     /* standard output */
        Client *client; /* opened when first needed: see nyota_client() */
} Nyota;

typedef struct Command {
        const char *name;      /* one word, or two: "package make" */
        const char *arguments; /* for the usage line: "[--yes] FILE…" */
        const char *summary;   /* one line */
        const char *help;      /* what is worth knowing beyond that; NULL if nothing */
        const OptionSpec *options; /* own options, ends with a NULL name; NULL if none */
        int least, most;           /* words after the options; most -1: any number */
        ArgsOrder order;
        ExitCode (*run)(Nyota *n, const Args *args);
} Command;

/* The connection to the service; NULL and error when the bus cannot be reached. */
Client *nyota_client(Nyota *n, GError **error);
/* Tells the error on standard error, with what to do next, and returns the exit code that it carries
 * (EXIT_FAILED for errors that are not the client's). Takes ERROR. */
ExitCode nyota_fail(GError *error);
/* The same for what the person typed. */
ExitCode nyota_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The object paths; the caller frees. */
#define NYOTA_ROOT "/org/kantan/Orchestrator1"
#define NYOTA_CHANNEL NYOTA_ROOT "/svc"
/* NULL and an error if NAME is no battery name. */
char *nyota_battery_path(const char *name, GError **error);
/* UPDATE is a decimal number or an update's path. */
char *nyota_update_path(const char *update, GError **error);
/* "12" of ".../update/12". */
const char *nyota_last_part(const char *path);
