/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The progress display of followed updates on a terminal: one line per replicant, redrawn in place. */
#pragma once

#include "nyota/follow.h"

typedef struct Draw Draw;
Draw *draw_new(Show *show);
void draw_free(Draw *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Draw, draw_free)
/* F must live until draw_free(). Draws now, and each second for the time that passes. */
void draw_start(Draw *d, const Follow *f);
/* At the next idle moment, however often it is asked. */
void draw_soon(Draw *d);
/* The last line, below the replicants. */
void draw_note(Draw *d, const Event *event);
/* Draws a last time and leaves the cursor below. */
void draw_finish(Draw *d);
