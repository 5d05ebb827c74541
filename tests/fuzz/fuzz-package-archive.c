/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile archives through the worker's parsing, in this process and uncaged: what comes out is a row of
 * well-formed frames that ends in END or ERROR. */
#include <locale.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/archive-frames.h"
#include "store/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frames(int fd)
{
        FrameHead head = {_FRAME_MAX, 0};
        off_t at = 0, end = lseek(fd, 0, SEEK_END);
        while (at < end) {
                g_assert_cmpint(pread(fd, &head, sizeof head, at), ==, sizeof head);
                g_assert_cmpuint(head.kind, <, _FRAME_MAX);
                g_assert_cmpuint(head.length, <, FRAME_LENGTH_MAX);
                at += (off_t)sizeof head + head.length;
                g_assert_true((head.kind == FRAME_END || head.kind == FRAME_ERROR) == (at == end));
        }
        g_assert_cmpint(at, ==, end);
        g_assert_true(head.kind == FRAME_END || head.kind == FRAME_ERROR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        setlocale(LC_CTYPE, "C.UTF-8");
        int in = memfd_create("archive", MFD_CLOEXEC), out = memfd_create("frames", MFD_CLOEXEC);
        g_assert_cmpint(write(in, data, size), ==, (ssize_t)size);
        g_assert_true(archive_frames_send(in, out));
        check_frames(out);
        close(in);
        close(out);
        return 0;
}
