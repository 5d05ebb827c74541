/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only code that parses archives: ZIP on descriptor IN -> frames (store/frame.h) on OUT. Runs in the
 * worker; nothing here needs a privilege or a path. */
#pragma once

/* Sends everything from the first ENTRY to END or ERROR. FALSE if OUT does not take it (the reader is
 * gone). IN is a regular file, read by position. */
int archive_frames_send(int in, int out);
/* Sends an ERROR with CODE (FrameError), or HELLO. */
int archive_frames_send_error(int out, unsigned code);
int archive_frames_send_hello(int out);
