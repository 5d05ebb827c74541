/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A calculator that remembers its total: the smallest stateful D-Bus service program that can run as
 * several replicants. Plain libdbus and no library of ours, as an author of a service would write it.
 * Replicant N owns BUSNAME.rN, keeps its total in STATE-DIR/N.total, tells readiness by sd_notify(3)'s
 * protocol, and ends on SIGTERM. The switches make it misbehave, for trying out what an update does then. */
#include "examples/calc/connect.h"
#include "examples/calc/total.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define OBJECT "/org/example/Calc"
#define INTERFACE "org.example.Calc"

typedef struct Calc {
        DBusConnection *bus;
        char *total_path;
        int64_t total;
        int signals;      /* signalfd(2) */
        int64_t crash_at; /* CLOCK_MONOTONIC in ms; -1: never */
        int stopping, ignore_term, fail_check;
} Calc;

typedef struct Options {
        const char *bus, *bus_name, *state_dir, *replicant;
        double crash_after, die_in_soak; /* seconds; negative: not asked for */
        int hang, ignore_term, exit_at_once, fail_check, leave_child;
} Options;

static int64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* sd_notify(3): a datagram to $NOTIFY_SOCKET; a leading '@' means the abstract namespace. */
static void notify(const char *state)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        const char *path = getenv("NOTIFY_SOCKET");
        if (!path || !*path || strlen(path) >= sizeof a.sun_path)
                return;
        socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        memcpy(a.sun_path, path, strlen(path));
        if (a.sun_path[0] == '@')
                a.sun_path[0] = 0;
        if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a, length) < 0)
                fprintf(stderr, "calcd: cannot tell %s: %s\n", state, strerror(errno));
        close(fd);
}

static DBusMessage *reply_total(const Calc *c, DBusMessage *m)
{
        dbus_int64_t value = c->total;
        DBusMessage *reply = dbus_message_new_method_return(m);
        dbus_message_append_args(reply, DBUS_TYPE_INT64, &value, DBUS_TYPE_INVALID);
        return reply;
}

static DBusMessage *reply_string(DBusMessage *m, const char *text)
{
        DBusMessage *reply = dbus_message_new_method_return(m);
        dbus_message_append_args(reply, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
        return reply;
}

static DBusMessage *handle_add(Calc *c, DBusMessage *m)
{
        dbus_int64_t x;
        int64_t sum;
        if (!dbus_message_get_args(m, NULL, DBUS_TYPE_INT64, &x, DBUS_TYPE_INVALID))
                return dbus_message_new_error(m, DBUS_ERROR_INVALID_ARGS, "Add takes one int64");
        if (__builtin_add_overflow(c->total, (int64_t)x, &sum))
                return dbus_message_new_error(m, INTERFACE ".Error.Overflow", "the total would overflow");
        if (total_write(c->total_path, sum) < 0) /* who was answered can rely on it */
                return dbus_message_new_error(m, DBUS_ERROR_IO_ERROR, "the total cannot be stored");
        c->total = sum;
        return reply_total(c, m);
}

static DBusMessage *handle_get(Calc *c, DBusMessage *m)
{
        return reply_total(c, m);
}

static DBusMessage *handle_version(Calc *c, DBusMessage *m)
{
        return reply_string(m, CALC_VERSION);
}

/* What calc-check asks: what is wrong, nothing if nothing is. 1.2 is built with a mistake that only this
 * shows. */
static DBusMessage *handle_selftest(Calc *c, DBusMessage *m)
{
#ifdef CALC_BROKEN
        return reply_string(m, "2 + 2 made 5");
#else
        return reply_string(m, c->fail_check ? "told to fail by --fail-check" : "");
#endif
}

static DBusMessage *handle_introspect(Calc *c, DBusMessage *m)
{
        return reply_string(m, DBUS_INTROSPECT_1_0_XML_DOCTYPE_DECL_NODE
                            "<node><interface name='" INTERFACE "'>"
                            "<method name='Add'><arg name='x' type='x'/>"
                            "<arg name='total' type='x' direction='out'/></method>"
                            "<method name='Get'><arg name='total' type='x' direction='out'/></method>"
                            "<method name='Version'><arg name='version' type='s' direction='out'/></method>"
                            "<method name='Selftest'><arg name='wrong' type='s' direction='out'/></method>"
                            "</interface></node>");
}

static const struct {
        const char *interface, *member;
        DBusMessage *(*handle)(Calc *c, DBusMessage *m);
} methods[] = {
        {INTERFACE, "Add", handle_add},
        {INTERFACE, "Get", handle_get},
        {INTERFACE, "Version", handle_version},
        {INTERFACE, "Selftest", handle_selftest},
        {DBUS_INTERFACE_INTROSPECTABLE, "Introspect", handle_introspect},
};

static DBusHandlerResult handle(DBusConnection *bus, DBusMessage *m, void *calc)
{
        for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
                if (!dbus_message_is_method_call(m, methods[i].interface, methods[i].member))
                        continue;
                DBusMessage *reply = methods[i].handle(calc, m);
                dbus_connection_send(bus, reply, NULL);
                dbus_message_unref(reply);
                return DBUS_HANDLER_RESULT_HANDLED;
        }
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED; /* libdbus answers UnknownMethod */
}

static int open_bus(Calc *c, const Options *o)
{
        static const DBusObjectPathVTable vtable = {.message_function = handle};
        DBusError error = DBUS_ERROR_INIT;
        char name[256];
        snprintf(name, sizeof name, "%s.r%s", o->bus_name, o->replicant);
        c->bus = calc_connect(o->bus, &error);
        if (!c->bus) {
                fprintf(stderr, "calcd: bus %s: %s\n", o->bus, error.message);
                dbus_error_free(&error);
                return -1;
        }
        dbus_connection_set_exit_on_disconnect(c->bus, FALSE);
        /* The object first: whoever sees the name can call it. */
        dbus_connection_register_object_path(c->bus, OBJECT, &vtable, c);
        if (!dbus_validate_bus_name(name, NULL) ||
            dbus_bus_request_name(c->bus, name, DBUS_NAME_FLAG_DO_NOT_QUEUE, &error) !=
                    DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER) {
                fprintf(stderr, "calcd: cannot own %s: %s\n", name,
                        dbus_error_is_set(&error) ? error.message : "somebody else does, or it is no name");
                dbus_error_free(&error);
                return -1;
        }
        return 0;
}

/* A process that outlives its parent and does not care about SIGTERM: a daemonised helper gone wrong. */
static void leave_child(void)
{
        if (fork() != 0)
                return;
        signal(SIGTERM, SIG_IGN);
        for (;;)
                pause();
}

static void take_signal(Calc *c)
{
        struct signalfd_siginfo info;
        if (read(c->signals, &info, sizeof info) == sizeof info && !c->ignore_term)
                c->stopping = 1;
}

static int turn(Calc *c)
{
        struct pollfd fds[2] = {{.fd = c->signals, .events = POLLIN}, {.events = POLLIN}};
        /* What came while we waited for other replies is queued already, and poll() would not see it. */
        while (dbus_connection_dispatch(c->bus) == DBUS_DISPATCH_DATA_REMAINS)
                ;
        int64_t left = c->crash_at < 0 ? -1 : c->crash_at - now_ms();
        if (c->crash_at >= 0 && left <= 0)
                abort();
        dbus_connection_get_unix_fd(c->bus, &fds[1].fd);
        if (dbus_connection_has_messages_to_send(c->bus))
                fds[1].events |= POLLOUT;
        if (poll(fds, 2, (int)(left > INT32_MAX ? INT32_MAX : left)) < 0 && errno != EINTR)
                return -1;
        if (fds[0].revents)
                take_signal(c);
        return dbus_connection_read_write(c->bus, 0) ? 0 : -1;
}

static int serve(Calc *c)
{
        while (!c->stopping)
                if (turn(c) < 0) {
                        fprintf(stderr, "calcd: the bus is gone\n");
                        return 1;
                }
        notify("STOPPING=1");
        dbus_connection_flush(c->bus); /* replies to what was answered */
        dbus_connection_close(c->bus);
        dbus_connection_unref(c->bus);
        return 0;
}

static int usage(FILE *to)
{
        fputs("Usage: calcd [OPTION...]\n"
              "  --bus=BUS            system (the default), session, or an address\n"
              "  --bus-name=NAME      replicant N owns NAME.rN (org.example.Calc)\n"
              "  --state-dir=DIR      where N.total is kept (.)\n"
              "  --replicant=N        N; by default $KANTAN_REPLICANT, else 1\n"
              "  --version            print the version\n"
              "To misbehave:\n"
              "  --crash-after=SEC    abort after so long\n"
              "  --hang               never become ready\n"
              "  --ignore-term        do not end on SIGTERM\n"
              "  --exit-at-once       exit with 3 before doing anything\n"
              "  --fail-check         let calc-check fail\n"
              "  --die-in-soak[=SEC]  abort so long (0.2) after becoming ready\n"
              "  --leave-child        leave a child behind that ignores SIGTERM\n",
              to);
        return to == stdout ? 0 : 2;
}

/* -1: go on; else the exit status. */
static int options_parse(int argc, char **argv, Options *o)
{
        enum { BUS = 1, NAME, DIR, REPLICANT, VERSION, HELP, CRASH, SOAK };
        const struct option known[] = {
                {"bus", required_argument, NULL, BUS},
                {"bus-name", required_argument, NULL, NAME},
                {"state-dir", required_argument, NULL, DIR},
                {"replicant", required_argument, NULL, REPLICANT},
                {"version", no_argument, NULL, VERSION},
                {"help", no_argument, NULL, HELP},
                {"crash-after", required_argument, NULL, CRASH},
                {"die-in-soak", optional_argument, NULL, SOAK},
                {"hang", no_argument, &o->hang, 1},
                {"ignore-term", no_argument, &o->ignore_term, 1},
                {"exit-at-once", no_argument, &o->exit_at_once, 1},
                {"fail-check", no_argument, &o->fail_check, 1},
                {"leave-child", no_argument, &o->leave_child, 1},
                {NULL},
        };
        const char *id = getenv("KANTAN_REPLICANT");
        *o = (Options){"system", "org.example.Calc", ".", id ? id : "1", -1, -1};
        for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                switch (c) {
                case 0:
                        break;
                case BUS:
                        o->bus = optarg;
                        break;
                case NAME:
                        o->bus_name = optarg;
                        break;
                case DIR:
                        o->state_dir = optarg;
                        break;
                case REPLICANT:
                        o->replicant = optarg;
                        break;
                case CRASH:
                        o->crash_after = atof(optarg);
                        break;
                case SOAK:
                        o->die_in_soak = optarg ? atof(optarg) : 0.2;
                        break;
                case VERSION:
                        puts(CALC_VERSION);
                        return 0;
                case HELP:
                        return usage(stdout);
                default:
                        return usage(stderr);
                }
        }
        return optind < argc ? usage(stderr) : -1;
}

int main(int argc, char **argv)
{
        Options o = {0};
        Calc c = {.crash_at = -1};
        sigset_t set;
        int done = options_parse(argc, argv, &o);
        if (done >= 0)
                return done;
        if (o.exit_at_once)
                return 3;
        c.ignore_term = o.ignore_term;
        c.fail_check = o.fail_check;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        c.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (o.leave_child)
                leave_child();
        if (asprintf(&c.total_path, "%s/%s.total", o.state_dir, o.replicant) < 0)
                return 1;
        if (total_read(c.total_path, &c.total) < 0) {
                fprintf(stderr, "calcd: %s: %s\n", c.total_path, strerror(errno));
                free(c.total_path);
                return 1;
        }
        if (open_bus(&c, &o) < 0) {
                free(c.total_path);
                return 1;
        }
        if (o.crash_after >= 0)
                c.crash_at = now_ms() + (int64_t)(o.crash_after * 1000);
        if (!o.hang)
                notify("READY=1\nSTATUS=calc " CALC_VERSION);
        if (o.die_in_soak >= 0)
                c.crash_at = now_ms() + (int64_t)(o.die_in_soak * 1000);
        int status = serve(&c);
        free(c.total_path);
        return status;
}
