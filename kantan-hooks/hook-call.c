/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checks that all package managers' words pass, and the list of adapters. */
#include "kantan-hooks/hook-call.h"

#include <string.h>

#define TEXT_MOST 1000 /* characters: a few lines of a terminal */

static const char *const verb_table[] = {"pre", "post", "abort"};
STRTAB_DEFINE(hook_verb, HookVerb, verb_table, _HOOK_VERB_MAX)
static const char *const operation_table[] = {"install", "upgrade", "downgrade", "reinstall", "remove"};
STRTAB_DEFINE(hook_operation, HookOperation, operation_table, _HOOK_OPERATION_MAX)

G_DEFINE_QUARK(kantan - hook - error, hook_error)

static const HookAdapter *const adapters[] = {&hook_adapter_kantan};

const HookAdapter *hook_adapter_find(const char *manager)
{
        for (gsize i = 0; i < G_N_ELEMENTS(adapters); i++)
                if (g_strcmp0(adapters[i]->manager, manager) == 0)
                        return adapters[i];
        return NULL;
}

void hook_change_free(HookChange *change)
{
        if (!change)
                return;
        g_free(change->name);
        g_free(change->old_version);
        g_free(change->new_version);
        g_free(change->archive);
        g_free(change);
}

HookCall *hook_call_new(const char *manager, HookVerb verb)
{
        HookCall *call = g_new0(HookCall, 1);
        call->manager = g_strdup(manager);
        call->verb = verb;
        call->changes = g_ptr_array_new_with_free_func((GDestroyNotify)hook_change_free);
        return call;
}

void hook_call_free(HookCall *call)
{
        if (!call)
                return;
        g_free(call->manager);
        g_ptr_array_unref(call->changes);
        g_free(call);
}

/* "-" is how every text of a change says none. */
static const char *text_or_none(const char *text)
{
        return text && strcmp(text, "-") != 0 ? text : NULL;
}

/* Control characters would reach terminals, logs and the ledger; no package manager has names with them. */
static gboolean text_is_plain(const char *text)
{
        if (!*text || !g_utf8_validate(text, -1, NULL))
                return FALSE;
        for (const char *p = text; *p; p = g_utf8_next_char(p))
                if (g_unichar_iscntrl(g_utf8_get_char(p)))
                        return FALSE;
        return TRUE;
}

static gboolean text_check(guint line, const char *what, const char *text, GError **error)
{
        if (!text || text_is_plain(text))
                return TRUE;
        g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD,
                    "change %u: the %s is empty, not UTF-8, or holds control characters", line, what);
        return FALSE;
}

static gboolean change_check(const HookChange *c, guint line, GError **error)
{
        if (!c->name) {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "change %u: a package name is needed", line);
                return FALSE;
        }
        if (!text_check(line, "package name", c->name, error) ||
            !text_check(line, "old version", c->old_version, error) ||
            !text_check(line, "new version", c->new_version, error) ||
            !text_check(line, "archive", c->archive, error))
                return FALSE;
        if (!c->new_version && c->operation != HOOK_REMOVE) {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "change %u: %s needs a new version", line,
                            hook_operation_to_string(c->operation));
                return FALSE;
        }
        /* The service runs elsewhere: a relative path would name another file there. */
        if (c->archive && c->archive[0] != '/') {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD,
                            "change %u: the archive must be an absolute path, or - for none", line);
                return FALSE;
        }
        return TRUE;
}

gboolean hook_call_add(HookCall *call, guint line, HookOperation operation, const char *name,
                       const char *old_version, const char *new_version, const char *archive, GError **error)
{
        HookChange *c = g_new0(HookChange, 1);
        c->operation = operation;
        c->name = g_strdup(text_or_none(name));
        c->old_version = g_strdup(text_or_none(old_version));
        c->new_version = g_strdup(text_or_none(new_version));
        c->archive = g_strdup(text_or_none(archive));
        if (!change_check(c, line, error)) {
                hook_change_free(c);
                return FALSE;
        }
        if (call->changes->len >= HOOK_CHANGES_MAX) {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "more than %d changes", HOOK_CHANGES_MAX);
                hook_change_free(c);
                return FALSE;
        }
        g_ptr_array_add(call->changes, c);
        return TRUE;
}

gboolean hook_lines_each(const char *text, gsize length, HookLineFunc func, gpointer user, GError **error)
{
        guint number = 0;
        if (length > HOOK_INPUT_MAX) {
                g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "more than %u bytes of changes",
                            HOOK_INPUT_MAX);
                return FALSE;
        }
        while (length > 0) {
                const char *newline = memchr(text, '\n', length);
                gsize most = newline ? (gsize)(newline - text) : length;
                number++;
                if (number > HOOK_CHANGES_MAX) {
                        g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "more than %d lines",
                                    HOOK_CHANGES_MAX);
                        return FALSE;
                }
                if (most > HOOK_LINE_MAX) {
                        g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "line %u is longer than %d bytes",
                                    number, HOOK_LINE_MAX);
                        return FALSE;
                }
                if (!g_utf8_validate_len(text, most, NULL)) { /* a NUL is not valid either */
                        g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "line %u is not valid UTF-8", number);
                        return FALSE;
                }
                g_autofree char *line = g_strndup(text, most);
                if (!func(line, number, user, error))
                        return FALSE;
                text += most + (newline ? 1 : 0);
                length -= most + (newline ? 1 : 0);
        }
        return TRUE;
}

char *hook_text_plain(const char *text)
{
        g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
        GString *plain = g_string_new(NULL);
        guint count = 0;
        for (const char *p = valid; *p && count < TEXT_MOST; p = g_utf8_next_char(p), count++) {
                gunichar c = g_utf8_get_char(p);
                g_string_append_unichar(plain, g_unichar_iscntrl(c) ? '?' : c);
        }
        return g_string_free(plain, FALSE);
}
