/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LD_PRELOAD library that kills the daemon at its n-th journal write: it counts fdatasync() and fsync()
 * of files that end in "-wal", one byte each in $CRASH_COUNT_FILE (so the count goes on over restarts),
 * and raises SIGKILL at number $CRASH_AT: once it is synced, or with CRASH_WHEN=before in place of the first
 * pwrite() that belongs to it, so that nothing of it reaches the file. Others only pass through. */
#undef _FILE_OFFSET_BITS /* with it pwrite() and pwrite64() are one name, and callers know both */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VICTIM "kantan-orchestr" /* the kernel keeps 15 bytes of a process's name */
#define SUFFIX "-wal"

typedef int (*SyncFunc)(int fd);
typedef ssize_t (*WriteFunc)(int fd, const void *bytes, size_t length, off64_t offset);

__attribute__((visibility("default"))) int fdatasync(int fd);
__attribute__((visibility("default"))) int fsync(int fd);
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset);
__attribute__((visibility("default"))) ssize_t pwrite64(int fd, const void *bytes, size_t length,
                                                        off64_t offset);

static int is_victim(void)
{
        char name[sizeof VICTIM] = "";
        int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return 0;
        n = read(fd, name, sizeof name - 1);
        close(fd);
        return n == (ssize_t)strlen(VICTIM) && memcmp(name, VICTIM, strlen(VICTIM)) == 0;
}

static int is_log(int fd)
{
        char link[64], path[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof path);
        return n >= (ssize_t)strlen(SUFFIX) && memcmp(path + n - strlen(SUFFIX), SUFFIX, strlen(SUFFIX)) == 0;
}

/* Counts this write; returns its number, 0 if it cannot be counted. */
static long count_write(void)
{
        const char *file = getenv("CRASH_COUNT_FILE");
        int fd = file ? open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
        struct stat st;
        long count = 0;

        if (fd < 0)
                return 0;
        if (write(fd, "w", 1) == 1 && fstat(fd, &st) == 0)
                count = (long)st.st_size;
        close(fd);
        return count;
}

static int is_fatal(long count)
{
        const char *at = getenv("CRASH_AT");

        return count > 0 && at && strtol(at, NULL, 10) == count;
}

static void die(void)
{
        kill(getpid(), SIGKILL);
        for (;;)
                pause();
}

static int is_before(void)
{
        const char *when = getenv("CRASH_WHEN");

        return when && strcmp(when, "before") == 0;
}

static int sync_counted(int fd, const char *name)
{
        SyncFunc real = (SyncFunc)dlsym(RTLD_NEXT, name);
        int fatal = 0, result, saved = errno;

        if (is_victim() && is_log(fd))
                fatal = is_fatal(count_write());
        errno = saved;
        result = real(fd);
        if (fatal)
                die();
        return result;
}

/* Writes so far; -1 if nobody counts. */
static long counted(void)
{
        const char *file = getenv("CRASH_COUNT_FILE");
        struct stat st;

        if (!file)
                return -1;
        return stat(file, &st) == 0 ? (long)st.st_size : 0;
}

static ssize_t write_checked(int fd, const void *bytes, size_t length, off64_t offset)
{
        WriteFunc real = (WriteFunc)dlsym(RTLD_NEXT, "pwrite64");
        int saved = errno;

        if (is_before() && is_victim() && is_log(fd) && is_fatal(counted() + 1)) {
                count_write();
                die();
        }
        errno = saved;
        return real(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
        return write_checked(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
        return write_checked(fd, bytes, length, offset);
}

int fdatasync(int fd)
{
        return sync_counted(fd, "fdatasync");
}

int fsync(int fd)
{
        return sync_counted(fd, "fsync");
}
