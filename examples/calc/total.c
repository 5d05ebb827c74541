/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Written beside, synced, renamed: after a crash the file holds the old total or the new one. */
#include "examples/calc/total.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int total_read(const char *path, int64_t *ret_total)
{
        FILE *f = fopen(path, "re");
        if (!f) {
                *ret_total = 0;
                return errno == ENOENT ? 0 : -1;
        }
        int n = fscanf(f, "%" SCNd64, ret_total);
        fclose(f);
        errno = EINVAL;
        return n == 1 ? 0 : -1;
}

/* Before the rename, or a crash could leave the new name with no content. */
static int file_write(const char *path, int64_t total)
{
        FILE *f = fopen(path, "we");
        if (!f)
                return -1;
        int bad = fprintf(f, "%" PRId64 "\n", total) < 0 || fflush(f) != 0 || fsync(fileno(f)) < 0;
        return fclose(f) != 0 || bad ? -1 : 0;
}

int total_write(const char *path, int64_t total)
{
        char *beside;
        if (asprintf(&beside, "%s.new", path) < 0)
                return -1;
        int result = file_write(beside, total) < 0 || rename(beside, path) < 0 ? -1 : 0;
        free(beside);
        return result;
}
