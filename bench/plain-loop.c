/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The honest least work that any roll must do, to be measured beside the orchestrator:
 *   plain-loop COUNT PROGRAM [ARGUMENT...]
 * starts COUNT of them and says "ready"; then obeys lines on standard input and answers each in one line:
 *   roll WIDTH     SIGTERM, end seen by pidfd, fork and exec, READY=1; WIDTH of them at a time: microseconds
 *   alone          the same one by one: the slowest stop and the slowest start, microseconds each
 *   full OLD NEW   stops all at once, renames OLD to NEW, starts all at once: microseconds
 * Its end stops them all. No journal, no check, nobody told, nothing to go back to. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef enum Phase { PHASE_UP, PHASE_STOPPING, PHASE_STARTING } Phase;

typedef struct Copy {
        pid_t pid;
        int pidfd;
        Phase phase;
} Copy;

typedef struct Loop {
        Copy *copies;
        int count, busy, notify_fd;
        char **argv;
        char directory[64], socket[96];
} Loop;

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static long long now_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void listen_notify(Loop *l)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int on = 1;
        const char *tmp = getenv("TMPDIR");
        snprintf(l->directory, sizeof l->directory, "%s/plain-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(l->directory))
                die(l->directory);
        snprintf(l->socket, sizeof l->socket, "%s/notify", l->directory);
        memcpy(address.sun_path, l->socket, strlen(l->socket) + 1);
        l->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (bind(l->notify_fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
            setsockopt(l->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
            setenv("NOTIFY_SOCKET", l->socket, 1) < 0)
                die(l->socket);
}

static void start(Loop *l, Copy *c)
{
        c->pid = fork();
        if (c->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execv(l->argv[0], l->argv);
                _exit(127);
        }
        c->pidfd = c->pid > 0 ? pidfd_open(c->pid, 0) : -1;
        if (c->pidfd < 0)
                die("start");
        c->phase = PHASE_STARTING;
}

static void stop(Loop *l, Copy *c)
{
        c->phase = PHASE_STOPPING;
        l->busy++;
        if (pidfd_send_signal(c->pidfd, SIGTERM, NULL, 0) < 0)
                die("stop");
}

static void on_gone(Copy *c)
{
        waitpid(c->pid, NULL, 0);
        close(c->pidfd);
        c->pidfd = -1;
}

/* The sender as the kernel names it: with several at a time, whose READY=1 it was. */
static void on_notify(Loop *l)
{
        char text[256], control[CMSG_SPACE(sizeof(struct ucred))];
        struct iovec part = {text, sizeof text - 1};
        struct msghdr m = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t n = recvmsg(l->notify_fd, &m, MSG_CMSG_CLOEXEC);
        struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
        struct ucred who;
        if (!c || c->cmsg_type != SCM_CREDENTIALS)
                return;
        text[n] = 0;
        memcpy(&who, CMSG_DATA(c), sizeof who);
        for (int i = 0; i < l->count && strstr(text, "READY=1"); i++)
                if (l->copies[i].pid == who.pid && l->copies[i].phase == PHASE_STARTING) {
                        l->copies[i].phase = PHASE_UP;
                        l->busy--;
                }
}

typedef enum AfterStop { START_AGAIN, STAY_DOWN } AfterStop;

/* Waits for one or more things to happen among the copies from FIRST up to BEFORE. */
static void turn(Loop *l, int first, int before, AfterStop after)
{
        struct pollfd *fds = calloc((size_t)(before - first) + 1, sizeof *fds);
        fds[0] = (struct pollfd){l->notify_fd, POLLIN, 0};
        for (int i = first; i < before; i++)
                fds[1 + i - first] = (struct pollfd){
                        l->copies[i].phase == PHASE_STOPPING ? l->copies[i].pidfd : -1, POLLIN, 0};
        if (poll(fds, (nfds_t)(before - first) + 1, 10000) <= 0)
                die("nothing happened for 10 s");
        for (int i = first; i < before; i++) {
                if (!(fds[1 + i - first].revents & POLLIN))
                        continue;
                on_gone(&l->copies[i]);
                if (after == START_AGAIN) {
                        start(l, &l->copies[i]);
                } else {
                        l->copies[i].phase = PHASE_UP; /* no more is to be waited for */
                        l->busy--;
                }
        }
        if (fds[0].revents & POLLIN)
                on_notify(l);
        free(fds);
}

static long long roll(Loop *l, int width)
{
        long long begin = now_us();
        int first = 0, next = 0;
        while (first < l->count) {
                while (next < l->count && l->busy < width)
                        stop(l, &l->copies[next++]);
                turn(l, first, next, START_AGAIN);
                while (first < next && l->copies[first].phase == PHASE_UP)
                        first++;
        }
        return now_us() - begin;
}

static void stop_all(Loop *l)
{
        for (int i = 0; i < l->count; i++)
                stop(l, &l->copies[i]);
        while (l->busy > 0)
                turn(l, 0, l->count, STAY_DOWN);
}

static void start_all(Loop *l)
{
        for (int i = 0; i < l->count; i++, l->busy++)
                start(l, &l->copies[i]);
        while (l->busy > 0)
                turn(l, 0, l->count, STAY_DOWN);
}

static void alone(Loop *l)
{
        long long slowest_stop = 0, slowest_start = 0;
        for (int i = 0; i < l->count; i++) {
                long long begin = now_us(), down, up;
                stop(l, &l->copies[i]);
                while (l->copies[i].phase == PHASE_STOPPING)
                        turn(l, i, i + 1, STAY_DOWN);
                down = now_us();
                start(l, &l->copies[i]);
                for (l->busy++; l->busy > 0;)
                        turn(l, i, i + 1, STAY_DOWN);
                up = now_us();
                slowest_stop = down - begin > slowest_stop ? down - begin : slowest_stop;
                slowest_start = up - down > slowest_start ? up - down : slowest_start;
        }
        printf("%lld %lld\n", slowest_stop, slowest_start);
}

static void full(Loop *l, const char *from, const char *to)
{
        long long begin = now_us();
        stop_all(l);
        if (rename(from, to) < 0)
                die(to);
        start_all(l);
        printf("%lld\n", now_us() - begin);
}

static void obey(Loop *l, const char *line)
{
        char from[1024], to[1024];
        int width;
        if (sscanf(line, "roll %d", &width) == 1 && width > 0)
                printf("%lld\n", roll(l, width));
        else if (strcmp(line, "alone\n") == 0)
                alone(l);
        else if (sscanf(line, "full %1023s %1023s", from, to) == 2)
                full(l, from, to);
        else
                printf("what?\n");
}

int main(int argc, char **argv)
{
        Loop l = {0};
        char line[4096];
        if (argc < 3 || (l.count = atoi(argv[1])) < 1) {
                fputs("Usage: plain-loop COUNT PROGRAM [ARGUMENT...]\n", stderr);
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        l.argv = argv + 2;
        l.copies = calloc((size_t)l.count, sizeof *l.copies);
        listen_notify(&l);
        start_all(&l);
        puts("ready");
        while (fgets(line, sizeof line, stdin))
                obey(&l, line);
        stop_all(&l);
        unlink(l.socket);
        rmdir(l.directory);
        free(l.copies);
        return 0;
}
