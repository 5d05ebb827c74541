/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log writer. Its level travels as the writer's user data. */
#include "base/log.h"
#include "base/strtab.h"

#include <stdio.h>
#include <unistd.h>

static const char *const level_table[] = {"error", "warning", "notice", "info", "debug"};

static int rank_of(GLogLevelFlags level)
{
        switch (level & G_LOG_LEVEL_MASK) {
        case G_LOG_LEVEL_ERROR:
        case G_LOG_LEVEL_CRITICAL:
                return 0;
        case G_LOG_LEVEL_WARNING:
                return 1;
        case G_LOG_LEVEL_MESSAGE:
                return 2;
        case G_LOG_LEVEL_INFO:
                return 3;
        default:
                return 4;
        }
}

static GLogWriterOutput writer(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user)
{
        int rank = rank_of(level);
        if (rank > GPOINTER_TO_INT(user))
                return G_LOG_WRITER_HANDLED;
        static const char priority[] = {'3', '4', '5', '6', '7'};
        const char *text = "";
        for (gsize i = 0; i < n; i++)
                if (g_str_equal(fields[i].key, "MESSAGE"))
                        text = fields[i].value;
        if (g_log_writer_is_journald(STDERR_FILENO))
                fprintf(stderr, "<%c>%s\n", priority[rank], text);
        else
                fprintf(stderr, "%s: %s\n", level_table[rank], text);
        return G_LOG_WRITER_HANDLED;
}

gboolean log_init(const char *level)
{
        int rank = level ? strtab_find(level_table, G_N_ELEMENTS(level_table), level) : 2;
        if (rank < 0)
                return FALSE;
        g_log_set_writer_func(writer, GINT_TO_POINTER(rank), NULL);
        return TRUE;
}
