/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kantan-hook: a package manager's words become package changes, the orchestrator says whether the
 * transaction may begin, and hears how it ended. Short-lived; exit 0 go ahead, 1 refused. */
#include "base/log.h"
#include "base/paths.h"
#include "kantan-hooks/hook-call.h"
#include "kantan-hooks/hook-options.h"
#include "kantan-hooks/hook-place.h"
#include "kantan-hooks/hook-report.h"
#include "kantan-hooks/hook-wait.h"
#include "policy/daemon-file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define GO_AHEAD 0
#define REFUSED 1

/* Until the end, or one byte past the limit: the adapter then says what is wrong. */
static GByteArray *input_read(int fd, GError **error)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        guint8 chunk[65536];
        while (bytes->len <= HOOK_INPUT_MAX) {
                gssize n = read(fd, chunk, sizeof chunk);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        g_set_error(error, HOOK_ERROR, HOOK_ERROR_BAD, "the changes cannot be read: %s",
                                    g_strerror(errno));
                        return NULL;
                }
                if (n == 0)
                        break;
                g_byte_array_append(bytes, chunk, (guint)n);
        }
        return g_steal_pointer(&bytes);
}

static HookCall *call_read(const HookOptions *options, GError **error)
{
        g_autoptr(GByteArray) input = NULL;
        g_auto(GStrv) environment = g_get_environ();
        HookSource source = {.words = (const char *const *)options->words,
                             .environment = (const char *const *)environment};
        const HookAdapter *adapter = hook_adapter_find(options->manager);
        if (!adapter) {
                g_set_error_literal(error, HOOK_ERROR, HOOK_ERROR_BAD, "expected --manager=kantan");
                return NULL;
        }
        int fd = adapter->input_fd(&source);
        if (fd >= 0) {
                input = input_read(fd, error);
                if (!input)
                        return NULL;
                source.input = (const char *)input->data;
                source.input_length = input->len;
        }
        return adapter->read(&source, error);
}

/* A file with mistakes leaves all defaults, which refuse; what is wrong is said. */
static DaemonConfig config_load(const HookOptions *options)
{
        g_autoptr(Paths) paths = paths_new(options->config, options->state);
        g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
        DaemonConfig config;
        (void)daemon_file_load(paths->config, &config, problems);
        for (guint i = 0; i < problems->len; i++) {
                g_autofree char *text = problem_to_string(problems->pdata[i]);
                g_warning("%s", text);
        }
        return config;
}

static int answer_unreachable(const DaemonConfig *config, HookPlace place, const char *why)
{
        g_autofree char *plain = hook_text_plain(why);
        if (place == HOOK_PLACE_CHROOT)
                return GO_AHEAD; /* nothing runs here that could be harmed */
        if (config->when_unreachable == UNREACHABLE_OPEN) {
                g_warning("kantan-hook: the orchestrator cannot be reached: %s; going ahead without it, as "
                          "WhenUnreachable=open says",
                          plain);
                return GO_AHEAD;
        }
        fprintf(stderr,
                "kantan-hook: the orchestrator cannot be reached: %s\n"
                "kantan-hook: nothing may be changed, since nobody would keep enough copies serving. Start "
                "it "
                "(systemctl start kantan-orchestratord) and try again, or put WhenUnreachable=open into "
                "section [Hooks] of orchestrator.conf to go on without it.\n",
                plain);
        return REFUSED;
}

static int answer_refused(const char *why)
{
        g_autofree char *plain = hook_text_plain(why);
        fprintf(stderr,
                "kantan-hook: refused: %s\n"
                "kantan-hook: nothing was changed. \"nyota status\" shows what stands in the way; try again "
                "when that is over, or leave the package out of this transaction.\n",
                *plain ? plain : "no reason was given");
        return REFUSED;
}

static int answer(const DaemonConfig *config, HookPlace place, HookOutcome outcome, const char *why)
{
        switch (outcome) {
        case HOOK_GRANTED:
                return GO_AHEAD;
        case HOOK_UNREACHABLE:
                return answer_unreachable(config, place, why);
        case HOOK_REFUSED:
        case HOOK_TIMED_OUT:
        case HOOK_INTERRUPTED:
                return answer_refused(why);
        }
        g_assert_not_reached();
}

static int run_pre(const HookOptions *options, const HookCall *call, guint owner, HookPlace place)
{
        DaemonConfig config = config_load(options);
        g_autoptr(GError) error = NULL;
        g_autofree char *why = NULL;
        if (call->changes->len == 0)
                return GO_AHEAD;
        if (owner == 0)
                return answer_refused("the package manager that called the hook is gone");
        g_autoptr(Bus) bus = bus_open(options->bus, &error);
        if (!bus)
                return answer_unreachable(&config, place, error->message);
        HookOutcome outcome = hook_wait(bus, call, owner, config.hook_timeout_us, &why);
        return answer(&config, place, outcome, why);
}

/* What is done is done: a report that does not arrive fails nobody's transaction. */
static int run_report(const HookOptions *options, const HookCall *call, guint owner)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *why = NULL;
        g_autoptr(Bus) bus = bus_open(options->bus, &error);
        if (!bus)
                why = g_strdup(error->message);
        /* Where nothing may be installed without the service, it was there and is only restarting. */
        gboolean expected = config_load(options).when_unreachable != UNREACHABLE_OPEN;
        if (bus && hook_report(bus, owner, call->verb == HOOK_POST, expected, &why))
                return GO_AHEAD;
        g_autofree char *plain = hook_text_plain(why);
        g_message("kantan-hook: the orchestrator was not told: %s; it will notice when process %u ends",
                  plain, owner);
        return GO_AHEAD;
}

static int run(const HookOptions *options, guint owner)
{
        g_autoptr(GError) error = NULL;
        HookPlace place = hook_place_find(NULL, NULL, NULL, NULL);
        /* Whoever names a bus by its address means a private instance: then only who cannot be reached is
         * taken for absent. Asked before the input, so that an installation hook is quick in a chroot. */
        if (place != HOOK_PLACE_RUNNING && g_str_equal(options->bus, "system") &&
            !g_getenv("DBUS_SYSTEM_BUS_ADDRESS"))
                return GO_AHEAD;
        g_autoptr(HookCall) call = call_read(options, &error);
        if (!call) {
                fprintf(stderr, "kantan-hook: %s (kantan-hook --help tells how it is called)\n",
                        error->message);
                return REFUSED;
        }
        if (call->verb == HOOK_PRE)
                return run_pre(options, call, owner, place);
        return run_report(options, call, owner);
}

/* Who called us, asked first of all: it may die while we begin. One that was dead already has left us to a
 * reaper, which must not become the owner: it lives for ever. That is one of another session, or pid 1,
 * whose session all share in a container. 0: nobody. */
static guint owner_find(void)
{
        pid_t parent = getppid();
        return parent != 1 && getsid(parent) == getsid(0) ? (guint)parent : 0;
}

int main(int argc, char **argv)
{
        guint owner = owner_find();
        g_autoptr(GError) error = NULL;
        g_autoptr(HookOptions) options = hook_options_parse((const char *const *)argv, &error);
        if (!options || !log_init(options->log_level)) {
                fprintf(stderr, "kantan-hook: %s\n", error ? error->message : "unknown --log-level=");
                return REFUSED;
        }
        switch (options->ask) {
        case HOOK_ASK_HELP:
                fputs(hook_options_help(), stdout);
                return GO_AHEAD;
        case HOOK_ASK_VERSION:
                puts("kantan-hook " KANTAN_VERSION);
                return GO_AHEAD;
        case HOOK_ASK_RUN:
                return run(options, owner);
        }
        g_assert_not_reached();
}
