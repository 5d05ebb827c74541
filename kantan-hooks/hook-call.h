/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a package manager tells its hook (words, environment, input) as package changes. Pure: nothing is
 * read or written here. Each package manager has one adapter, a small file of its own, that fills the same
 * HookCall; everything it reads is hostile (archives' names come from elsewhere) and checked here once. */
#pragma once

#include "base/strtab.h"

/* A release upgrade of a large desktop changes some 5,000 packages. */
#define HOOK_CHANGES_MAX 10000
/* A path is at most PATH_MAX (4096) with its NUL; nobody could act on a longer line. */
#define HOOK_LINE_MAX 4096
/* All changes go in one D-Bus message, and the system bus ends those at 32 MiB. */
#define HOOK_INPUT_MAX (16u << 20)

typedef enum HookVerb { HOOK_PRE, HOOK_POST, HOOK_ABORT, _HOOK_VERB_MAX, _HOOK_VERB_INVALID = -1 } HookVerb;
STRTAB_DECLARE(hook_verb, HookVerb); /* pre, post, abort */

typedef enum HookOperation {
        HOOK_INSTALL,
        HOOK_UPGRADE,
        HOOK_DOWNGRADE,
        HOOK_REINSTALL,
        HOOK_REMOVE,
        _HOOK_OPERATION_MAX,
        _HOOK_OPERATION_INVALID = -1,
} HookOperation;
STRTAB_DECLARE(hook_operation, HookOperation); /* install, upgrade, downgrade, reinstall, remove */

/* One package in one transaction. NULL is "none"; only the name is always there, the new version in all
 * operations but remove. */
typedef struct HookChange {
        HookOperation operation;
        char *name, *old_version, *new_version;
        char *archive; /* absolute */
} HookChange;
void hook_change_free(HookChange *change);

typedef struct HookCall {
        char *manager; /* as the bus wants it: "kantan" */
        HookVerb verb;
        GPtrArray *changes; /* of HookChange; empty for all verbs but pre */
} HookCall;
void hook_call_free(HookCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HookCall, hook_call_free)

/* Everything that is wrong with what a package manager said is an error of this domain, its text fit for a
 * person; it never repeats control characters. */
#define HOOK_ERROR (hook_error_quark())
GQuark hook_error_quark(void);
typedef enum { HOOK_ERROR_BAD } HookError;

/* What the adapter may look at. */
typedef struct HookSource {
        const char *const *words;       /* the arguments that are not options; never NULL */
        const char *const *environment; /* "NAME=VALUE"; never NULL */
        const char *input;              /* what was read from input_fd(); may be NULL */
        gsize input_length;
} HookSource;

typedef struct HookAdapter {
        const char *manager; /* as in --manager= */
        /* The descriptor that the input is to be read from until its end, -1 for none. Looks at words and
         * environment alone; words that make no sense get -1, read() will say why. */
        int (*input_fd)(const HookSource *source);
        /* The call, or NULL and an error of HOOK_ERROR. */
        HookCall *(*read)(const HookSource *source, GError **error);
} HookAdapter;

/* The adapter of that name, NULL if there is none. */
const HookAdapter *hook_adapter_find(const char *manager);
extern const HookAdapter hook_adapter_kantan;

/* For adapters: an empty call, and one change added to it after every check that does not depend on the
 * package manager. Texts "-" and NULL mean none; LINE is named in errors. */
HookCall *hook_call_new(const char *manager, HookVerb verb);
gboolean hook_call_add(HookCall *call, guint line, HookOperation operation, const char *name,
                       const char *old_version, const char *new_version, const char *archive, GError **error);

/* For adapters: calls FUNC for each line of TEXT (without its newline, NUL-terminated, valid UTF-8, counted
 * from 1) until one returns FALSE; keeps the limits above. */
typedef gboolean (*HookLineFunc)(char *line, guint number, gpointer user, GError **error);
gboolean hook_lines_each(const char *text, gsize length, HookLineFunc func, gpointer user, GError **error);

/* TEXT for a terminal: control characters become '?', at most 1000 characters. Reasons hold words of
 * whoever took an inhibitor. Owned by the caller. */
char *hook_text_plain(const char *text);
