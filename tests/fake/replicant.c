/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trivial replicant with bad habits on request: says READY=1 and waits for SIGTERM. Needs nothing but
 * libc and speaks sd_notify(3) itself. Switches, all optional:
 *   --never-ready        --ready-after=MS       --ignore-term        --exit=CODE (at once)
 *   --exit-after-ready=CODE   --die=SIGNAL (after READY)   --child (one in our group)   --setsid-child
 *   --child-says=TEXT (a child of our group sends it)   --flood=N (STATUS=n)   --watchdog=N (pings)
 *   --say=TEXT (sends it)   --print=LINE   --environment (prints it)   --print-many=N   --touch=FILE
 *   --stop-after=MS   --stamp=FILE (appends "ready US" and "term US", CLOCK_MONOTONIC) */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct Habits {
        int never_ready, ready_after_ms, stop_after_ms, ignore_term, flood, watchdog, print_many;
        const char *stamp;
        int exit_code, exit_after_ready, die; /* -1: not */
} Habits;

static void notify(const char *text)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        if (!path || strlen(path) >= sizeof to.sun_path)
                return;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        memcpy(to.sun_path, path, strlen(path) + 1);
        if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof to) < 0)
                fprintf(stderr, "notify: %s\n", strerror(errno));
        close(fd);
}

static void wait_ms(int ms)
{
        poll(NULL, 0, ms);
}

/* A child that waits until it is killed. It is in its session before we say that we are ready. */
static void leave_child(int own_session)
{
        int there[2];
        char none;
        if (pipe(there) < 0)
                abort();
        if (fork() != 0) {
                close(there[1]);
                if (read(there[0], &none, 1) != 0) /* its end of the pipe is closed: nothing to read */
                        abort();
                close(there[0]);
                return;
        }
        if (own_session)
                setsid();
        close(there[0]);
        close(there[1]);
        for (;;)
                pause();
}

static void child_says(const char *text)
{
        pid_t pid = fork();
        if (pid == 0) {
                notify(text);
                pause(); /* so that who sent it can be looked up; our group's end ends us */
                _exit(0);
        }
}

static void print_environment(void)
{
        extern char **environ;
        for (char **e = environ; *e; e++)
                printf("env %s\n", *e);
        fflush(stdout);
}

static void touch(const char *path)
{
        FILE *f = fopen(path, "w");
        if (f)
                fclose(f);
}

/* One write, so that the lines of several stay whole. */
static void stamp(const Habits *h, const char *word)
{
        struct timespec at;
        char line[64];
        int fd = h->stamp ? open(h->stamp, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
        if (fd < 0)
                return;
        clock_gettime(CLOCK_MONOTONIC, &at);
        int n = snprintf(line, sizeof line, "%s %lld\n", word, at.tv_sec * 1000000LL + at.tv_nsec / 1000);
        if (write(fd, line, (size_t)n) != n)
                perror(h->stamp);
        close(fd);
}

static void option(Habits *h, int key, const char *value)
{
        switch (key) {
        case 'r':
                h->ready_after_ms = atoi(value);
                break;
        case 'R':
                h->stop_after_ms = atoi(value);
                break;
        case 'T':
                h->stamp = value;
                break;
        case 'x':
                h->exit_code = atoi(value);
                break;
        case 'X':
                h->exit_after_ready = atoi(value);
                break;
        case 'd':
                h->die = atoi(value);
                break;
        case 'c':
                leave_child(0);
                break;
        case 's':
                leave_child(1);
                break;
        case 'C':
                child_says(value);
                break;
        case 'f':
                h->flood = atoi(value);
                break;
        case 'w':
                h->watchdog = atoi(value);
                break;
        case 'S':
                notify(value);
                break;
        case 'p':
                printf("%s\n", value);
                fflush(stdout);
                break;
        case 'm':
                h->print_many = atoi(value);
                break;
        case 'e':
                print_environment();
                break;
        case 't':
                touch(value);
                break;
        case 0:
                break;
        default:
                exit(2);
        }
}

static Habits habits_read(int argc, char **argv)
{
        Habits h = {.exit_code = -1, .exit_after_ready = -1, .die = -1};
        const struct option options[] = {{"never-ready", no_argument, &h.never_ready, 1},
                                         {"ignore-term", no_argument, &h.ignore_term, 1},
                                         {"ready-after", required_argument, NULL, 'r'},
                                         {"stop-after", required_argument, NULL, 'R'},
                                         {"stamp", required_argument, NULL, 'T'},
                                         {"exit", required_argument, NULL, 'x'},
                                         {"exit-after-ready", required_argument, NULL, 'X'},
                                         {"die", required_argument, NULL, 'd'},
                                         {"child", no_argument, NULL, 'c'},
                                         {"setsid-child", no_argument, NULL, 's'},
                                         {"child-says", required_argument, NULL, 'C'},
                                         {"flood", required_argument, NULL, 'f'},
                                         {"watchdog", required_argument, NULL, 'w'},
                                         {"say", required_argument, NULL, 'S'},
                                         {"print", required_argument, NULL, 'p'},
                                         {"print-many", required_argument, NULL, 'm'},
                                         {"environment", no_argument, NULL, 'e'},
                                         {"touch", required_argument, NULL, 't'},
                                         {0}};
        int key;
        while ((key = getopt_long(argc, argv, "", options, NULL)) != -1)
                option(&h, key, optarg);
        return h;
}

static void talk(const Habits *h)
{
        char text[64];
        for (int i = 0; i < h->flood; i++) {
                snprintf(text, sizeof text, "STATUS=%d", i);
                notify(text);
        }
        for (int i = 0; i < h->print_many; i++)
                printf("line %d\n", i);
        fflush(stdout);
        if (h->ready_after_ms > 0)
                wait_ms(h->ready_after_ms);
        if (!h->never_ready) {
                stamp(h, "ready");
                notify("READY=1");
        }
}

/* Pings at a third of what is asked of us, so often and then no more. */
static void ping(const Habits *h)
{
        const char *us = getenv("WATCHDOG_USEC");
        for (int i = 0; us && i < h->watchdog; i++) {
                wait_ms((int)(atol(us) / 3000));
                notify("WATCHDOG=1");
        }
}

int main(int argc, char **argv)
{
        sigset_t term;
        int got;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        Habits h = habits_read(argc, argv); /* children first, they keep the default SIGTERM */
        sigprocmask(SIG_BLOCK, &term, NULL);
        if (h.exit_code >= 0)
                return h.exit_code;
        talk(&h);
        ping(&h);
        if (h.exit_after_ready >= 0)
                return h.exit_after_ready;
        if (h.die > 0)
                raise(h.die);
        do
                sigwait(&term, &got);
        while (h.ignore_term);
        stamp(&h, "term");
        notify("STOPPING=1");
        if (h.stop_after_ms > 0)
                wait_ms(h.stop_after_ms);
        return 0;
}
