/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A total in a file, replaced atomically and durably. */
#pragma once

#include <stdint.h>

/* 0, or -1 and errno; a file that is not there is a total of 0, one that holds no number is EINVAL. */
int total_read(const char *path, int64_t *ret_total);
int total_write(const char *path, int64_t total);
