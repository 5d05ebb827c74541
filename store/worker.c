/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parsing worker: the same program once more, caged. Archive on descriptor 0, frames on 1. */
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "store/archive-frames.h"
#include "store/frame.h"
#include "store/package.h"
#include "store/sandbox.h"
#include "store/worker.h"

gboolean package_is_worker(int argc, char **argv)
{
        return argc == 2 && strcmp(argv[1], WORKER_ARGUMENT) == 0;
}

int package_worker_main(void)
{
        /* Names in archives are UTF-8; without this libarchive could not convert them. */
        setlocale(LC_CTYPE, "C.UTF-8");
        gboolean sent = archive_frames_send_hello(1);
        if (sent && !sandbox_enter())
                sent = archive_frames_send_error(1, FRAME_ERROR_SANDBOX);
        else if (sent)
                sent = archive_frames_send(0, 1);
        /* Not exit(): nothing is to be flushed, and the filter forbids what exit handlers may do. */
        _exit(sent ? 0 : 1);
}
