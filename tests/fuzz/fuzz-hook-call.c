/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hostile standard input for pre: either a refusal in words, or changes that keep what hook-call.h says. */
#include "kantan-hooks/hook-call.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *words[] = {"pre", NULL}, *none[] = {NULL};
        HookSource source = {words, none, (const char *)data, size};
        g_autoptr(GError) error = NULL;
        g_autoptr(HookCall) call = hook_adapter_kantan.read(&source, &error);
        g_assert_true((call == NULL) == (error != NULL));
        if (!call) {
                g_assert_true(g_utf8_validate(error->message, -1, NULL));
                return 0;
        }
        g_assert_cmpuint(call->changes->len, <=, HOOK_CHANGES_MAX);
        for (guint i = 0; i < call->changes->len; i++) {
                const HookChange *c = call->changes->pdata[i];
                g_assert_true(c->name && *c->name);
                g_assert_true(c->new_version || c->operation == HOOK_REMOVE);
                g_assert_true(!c->archive || c->archive[0] == '/');
        }
        return 0;
}
