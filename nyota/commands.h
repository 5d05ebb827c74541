/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of all commands; one file per group fills its rows. */
#pragma once

#include "nyota/nyota.h"

/* Each ends with a NULL name. */
extern const Command commands_see[];
extern const Command commands_why[];
extern const Command commands_act[];
extern const Command commands_update[];
extern const Command commands_watch[];
extern const Command commands_check[];
extern const Command commands_inhibit[];
extern const Command commands_package[];
extern const Command commands_gc[];
