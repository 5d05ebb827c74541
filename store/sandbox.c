/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's cage. Order matters: descriptors first, then the rights (which clears the death signal),
 * then the limits, last the filter, which forbids most of the calls made here. */
#include "store/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* nobody; the same number on all distributions. */
#define NOBODY 65534
/* The archive's directory (16 MiB of it take about 100 MiB in libarchive), zlib, our buffers, and what the
 * program's libraries map. */
#define MEMORY_MAX (512ul * 1024 * 1024)
/* Inflating the largest package takes well under a minute; only a trap needs more. */
#define CPU_SECONDS_MAX 300

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#endif

static gboolean drop_rights(void)
{
        if (geteuid() != 0)
                return TRUE;
        return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
               setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

static gboolean set_limits(void)
{
        const struct {
                __rlimit_resource_t resource;
                rlim_t most;
        } limits[] = {
                {RLIMIT_CORE, 0},
                {RLIMIT_FSIZE, 0},
                {RLIMIT_NPROC, 0},
                {RLIMIT_NOFILE, 3},
                {RLIMIT_CPU, CPU_SECONDS_MAX},
                {RLIMIT_AS, SANDBOX_SANITIZED ? RLIM_INFINITY : MEMORY_MAX},
        };
        for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
                struct rlimit now;
                if (getrlimit(limits[i].resource, &now) < 0)
                        return FALSE;
                now.rlim_max = MIN(now.rlim_max, limits[i].most);
                now.rlim_cur = MIN(now.rlim_cur, now.rlim_max);
                if (setrlimit(limits[i].resource, &now) < 0)
                        return FALSE;
        }
        return TRUE;
}

#ifdef SANDBOX_ARCH
/* What libarchive's ZIP reader, zlib, malloc and our own read and write need. Anything else answers
 * EPERM rather than killing: libraries may try something optional (character set tables) and go on. */
#define ALLOW(name)                                                                                          \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static gboolean filter_calls(void)
{
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                ALLOW(pread64),
                ALLOW(writev),
                ALLOW(read),
                ALLOW(write),
                ALLOW(lseek),
                ALLOW(fstat),
                ALLOW(newfstatat),
                ALLOW(mmap),
                ALLOW(munmap),
                ALLOW(mremap),
                ALLOW(mprotect),
                ALLOW(madvise),
                ALLOW(brk),
                ALLOW(futex),
                ALLOW(getrandom),
                ALLOW(clock_gettime),
                ALLOW(rt_sigreturn),
                ALLOW(restart_syscall),
                ALLOW(exit),
                ALLOW(exit_group),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        };
        struct sock_fprog program = {G_N_ELEMENTS(filter), filter};
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
#else
static gboolean filter_calls(void)
{
        return TRUE;
}
#endif

gboolean sandbox_enter(void)
{
        if (close_range(3, ~0u, 0) < 0 || chdir("/") < 0)
                return FALSE;
        if (!drop_rights() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return FALSE;
        if (!set_limits())
                return FALSE;
        /* A kernel without filters: the rest of the cage still holds. */
        return SANDBOX_SANITIZED || filter_calls() || errno == EINVAL;
}
