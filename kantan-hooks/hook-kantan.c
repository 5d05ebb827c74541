/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kantan's words: one verb, and for pre one change a line on standard input, tab-separated:
 * operation, name, old version, new version, archive. */
#include "kantan-hooks/hook-call.h"

#define FIELDS 5

static HookVerb verb_of(const HookSource *source)
{
        if (!source->words[0] || source->words[1])
                return _HOOK_VERB_INVALID;
        return hook_verb_from_string(source->words[0]);
}

static int kantan_input_fd(const HookSource *source)
{
        return verb_of(source) == HOOK_PRE ? 0 : -1;
}

static gboolean read_line(char *line, guint number, gpointer user, GError **error)
{
        /* One more than wanted, so that a sixth field shows as such. */
        g_auto(GStrv) field = g_strsplit(line, "\t", FIELDS + 1);
        if (g_strv_length(field) != FIELDS) {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD,
                            "line %u: expected operation, name, old version, new version, archive, "
                            "separated by one tab each",
                            number);
                return FALSE;
        }
        HookOperation operation = hook_operation_from_string(field[0]);
        if (operation == _HOOK_OPERATION_INVALID) {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD,
                            "line %u: the operation must be install, upgrade, downgrade, reinstall or remove",
                            number);
                return FALSE;
        }
        return hook_call_add(user, number, operation, field[1], field[2], field[3], field[4], error);
}

static HookCall *kantan_read(const HookSource *source, GError **error)
{
        HookVerb verb = verb_of(source);
        if (verb == _HOOK_VERB_INVALID) {
                g_set_error_literal(error, HOOK_ERROR, HOOK_ERROR_BAD, "expected one of: pre, post, abort");
                return NULL;
        }
        g_autoptr(HookCall) call = hook_call_new("kantan", verb);
        if (verb == HOOK_PRE && !hook_lines_each(source->input, source->input_length, read_line, call, error))
                return NULL;
        return g_steal_pointer(&call);
}

const HookAdapter hook_adapter_kantan = {"kantan", kantan_input_fd, kantan_read};
