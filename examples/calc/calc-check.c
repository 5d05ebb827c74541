/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is this replicant healthy? Exit 0 if BUSNAME.rN answers with the version that this check came with and
 * its selftest finds nothing; else 1 and a line that says why. Meant for Check=exec: in a battery file. */
#include "examples/calc/connect.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Less than any sensible ReadyTimeoutSec, far more than an answer takes. */
#define REPLY_TIMEOUT_MS 5000

/* The string that METHOD answers; stays valid as long as *RET_REPLY. */
static const char *ask(DBusConnection *bus, const char *name, const char *method, DBusMessage **ret_reply,
                       DBusError *error)
{
        const char *text = NULL;
        DBusMessage *m = dbus_message_new_method_call(name, "/org/example/Calc", "org.example.Calc", method);
        /* lint: a check has no main loop and nothing else to do */
        *ret_reply = dbus_connection_send_with_reply_and_block(bus, m, REPLY_TIMEOUT_MS, error);
        dbus_message_unref(m);
        if (*ret_reply)
                dbus_message_get_args(*ret_reply, error, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        return text;
}

static int check(DBusConnection *bus, const char *name, const char *method, const char *expected)
{
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *reply;
        const char *answer = ask(bus, name, method, &reply, &error);
        int good = answer && strcmp(answer, expected) == 0;
        if (!good)
                printf("%s: %s: %s\n", name, method, answer ? answer : error.message);
        dbus_error_free(&error);
        if (reply)
                dbus_message_unref(reply);
        return good;
}

int main(int argc, char **argv)
{
        const struct option known[] = {
                {"bus", required_argument, NULL, 'b'}, {"bus-name", required_argument, NULL, 'n'}, {NULL}};
        const char *where = "system", *base = "org.example.Calc";
        DBusError error = DBUS_ERROR_INIT;
        char name[256];
        for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                if (c == '?')
                        return 2;
                *(c == 'b' ? &where : &base) = optarg;
        }
        if (optind + 1 != argc) {
                fputs("Usage: calc-check [--bus=BUS] [--bus-name=NAME] REPLICANT\n", stderr);
                return 2;
        }
        snprintf(name, sizeof name, "%s.r%s", base, argv[optind]);
        if (!dbus_validate_bus_name(name, NULL)) {
                fprintf(stderr, "calc-check: %s is no bus name\n", name);
                return 2;
        }
        DBusConnection *bus = calc_connect(where, &error);
        if (!bus) {
                printf("bus %s: %s\n", where, error.message);
                dbus_error_free(&error);
                return 1;
        }
        int good = check(bus, name, "Version", CALC_VERSION) && check(bus, name, "Selftest", "");
        dbus_connection_close(bus);
        dbus_connection_unref(bus);
        return good ? 0 : 1;
}
