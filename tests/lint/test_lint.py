# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lint's own tests: every rule red on a sample that breaks it, silent on one that does not; and the
tree itself, rule by rule."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lint  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEAD = f"/* {lint.SPDX} */\n/* What the sample is for. */\n"
BODY = "\nint f(void)\n{\n%s        return 0;\n}\n"


def c(text):
    return HEAD + text


# rule -> [(path, text, line where it is red)]
RED = {
    "arrow": [
        ("base/a.c", c('#include "orchestrator/model/battery.h"\n'), 3),
        ("orchestrator/model/a.c", c('#include "orchestrator/plan/plan.h"\n'), 3),
        ("orchestrator/run/a.c", c('\n#include "store/package.h"\n'), 4),
        ("orchestrator/manager.c", c('#include "dbus/bus.h"\n'), 3),
        ("store/a.c", c('#include "orchestrator/run/journal.h"\n'), 3),
        ("dbus/a.c", c('#include "orchestrator/run/ports.h"\n'), 3),
        ("policy/a.c", c('#include "store/package.h"\n'), 3),
        ("kantan-hooks/a.c", c('#include "policy/battery-file.h"\n'), 3),
        ("nyota/a.c", c('#include "dbus/wire/battery-bus.h"\n'), 3),
        ("orchestrator/manager.h", c('#pragma once\n#include "orchestrator/main/daemon.h"\n'), 4),
        ("tests/unit/a.c", c('#include "orchestrator/main/daemon.h"\n'), 3),
        ("base/b.c", c('#include "log.h"\n'), 3),
        ("attic/a.c", c(""), 1),
    ],
    "library": [
        ("orchestrator/run/a.c", c("#include <dbus/dbus.h>\n"), 3),
        ("nyota/a.c", c("#include <archive.h>\n"), 3),
        ("nyota/b.c", c("#include <archive_entry.h>\n"), 3),
        ("store/a.c", c("#include <sqlite3.h>\n"), 3),
    ],
    "spdx": [
        ("base/a.c", "/* What it is for, at length. */\n", 1),
        ("base/meson.build", "base_lib = 1\n", 1),
        ("tests/a.py", "#!/usr/bin/python3\nprint()\n", 2),
        ("tool", "#!/bin/bash\nset -e\n", 2),
    ],
    "purpose": [
        ("base/a.c", f"/* {lint.SPDX} */\n#include <glib.h>\n", 2),
        ("base/b.c", f"/* {lint.SPDX} */\n/* B. */\n", 2),
        ("base/c.c", f"/* {lint.SPDX} */\n/*" + "\n * more" * 12 + " */\n", 2),
    ],
    "header-guard": [("base/a.h", c("int f(void);\n"), 1)],
    "file-name": [("dbus/dbus-tree.h", c("#pragma once\n"), 1)],
    "file-length": [
        ("base/a.c", c("\n" * 499), 501),
        ("tests/unit/a.c", c("\n" * 899), 901),
    ],
    "function-length": [("base/a.c", c(BODY % ("        f();\n" * 80)), 5)],
    "line-length": [("base/a.c", c("/* " + "x" * 108 + "\n"), 3)],
    "white-space": [
        ("base/a.c", c("int x; \n"), 3),
        ("base/b.c", c("\tf();\n"), 3),
        ("docs/a.md", "a line  \n", 1),
        ("docs/b.md", "no end", 1),
    ],
    "banned-call": [
        ("base/a.c", c("        goto out;\n"), 3),
        ("tests/unit/b.c", c("        g_usleep(10);\n"), 3),
        ("nyota/c.c", c("        sleep(1);\n"), 3),
        ("nyota/d.c", c("        system (line);\n"), 3),
        ("nyota/e.c", c("        FILE *f = popen(line, \"r\");\n"), 3),
        ("nyota/f.c", c("        strcpy(a, b);\n        sprintf(a, b);\n"), 3),
        ("store/g.c", c("        g_spawn_sync(NULL, argv);\n"), 3),
        ("dbus/h.c", c("        g_dbus_connection_call_sync(c);\n"), 3),
        ("policy/i.c", c("        g_subprocess_wait(p, NULL, NULL);\n"), 3),
    ],
    "blocking-call": [
        ("dbus/server.c", c("        dbus_connection_send_with_reply_and_block(c, m, 1, e);\n"), 3)],
    "python-sleep": [("tests/bus/a.py", "import time\ntime.sleep(1)\n", 2)],
    "mutable-global": [
        ("base/a.c", c("static int count;\n"), 3),
        ("base/b.c", c("static const char *name = NULL;\n"), 3),
        ("base/c.c", c("int count = 0;\n"), 3),
        ("base/d.c", c("static char buffer[16];\n"), 3),
        ("base/e.c", c("static struct Bus *bus;\n"), 3),
        ("base/f.c", c(BODY % "        static int calls = 0;\n"), 6),
        ("base/g.h", c("#pragma once\nextern int level;\n"), 4),
    ],
    "word": [
        ("docs/a.md", "see /wo" + "rk/main\n", 1),
        ("docs/b.md", "deb.deb" + "ian.org\n", 1),
        ("base/a.c", c("/* TO" + "DO: later */\n"), 3),
    ],
    "assertion": [
        ("tests/unit/test-a.c", c(BODY % ""), 1),
        ("tests/bus/test_a.py", "def test_a():\n    assert 1\n\n\ndef test_b():\n    pass\n", 5),
    ],
}

# What looks like a finding and is none.
GREEN = {
    "arrow": [
        ("store/a.c", c('#include "orchestrator/run/ports.h"\n#include "store/package.h"\n')),
        ("kantan-hooks/a.c", c('#include "policy/daemon-file.h"\n')),
        ("orchestrator/main/a.c", c('#include "dbus/wire/battery-bus.h"\n#include "store/package.h"\n')),
        ("dbus/wire/a.c", c('#include "orchestrator/manager.h"\n')),
        ("tests/unit/a.c", c('#include "orchestrator/run/journal.h"\n')),
    ],
    "library": [("dbus/a.c", c("#include <dbus/dbus.h>\n")), ("store/a.c", c("#include <archive.h>\n")),
                ("orchestrator/run/a.c", c("#include <sqlite3.h>\n"))],
    "spdx": [("tool", f"#!/bin/bash\n# {lint.SPDX}\n"), ("a/meson.build", f"# {lint.SPDX}\n")],
    "purpose": [("base/a.c", HEAD)],
    "header-guard": [("base/a.h", c("#pragma once\n"))],
    "file-name": [("dbus/bus.h", HEAD)],
    "file-length": [("base/a.c", c("\n" * 498)), ("tests/unit/a.c", c("\n" * 898))],
    "function-length": [("base/a.c", c(BODY % ("        f();\n" * 79)))],
    "line-length": [("base/a.c", c("x" * 110 + "\n"))],
    "white-space": [("tests/fuzz/corpus/x/a", "a \t"), ("base/a.c", HEAD)],
    "banned-call": [
        ("base/a.c", c('        /* goto, sleep(1) */ g_print("goto system(x)");\n        fsync(fd);\n')),
        ("base/b.c", c("        /* lint: the child only, after the fork */\n        nanosleep(&t, NULL);\n")),
        ("nyota/c.c", c("        g_subprocess_wait(p, NULL, NULL);\n        file_sync(f);\n")),
        ("base/d.c", c("        c->system(1);\n        file_system(2);\n")),
    ],
    "blocking-call": [("dbus/bus.c", c("        dbus_connection_send_with_reply_and_block(c, m, 1, e);\n"))],
    "python-sleep": [("tests/bus/a.py", "# time passes while we sleep\n")],
    "mutable-global": [
        ("base/a.c", c("static const int most = 3;\nstatic const char *const names[] = {\"a\"};\n"
                       "static GSourceFuncs funcs = {.dispatch = f};\nstatic int f(int a);\n"
                       "static int g(int a,\n             int b)\n{\n        int x = a;\n}\n"
                       "typedef struct A A;\nstruct B;\nstatic void h(void)\n{\n}\n"
                       "G_DEFINE_QUARK(a, b);\nextern const int level;\n")),
        ("base/b.c", c("/* lint: registered once with libc, which takes no context */\nstatic int slot;\n")),
    ],
    "word": [("base/a.c", c("/* a framework, mkdtemp(\"aXXXXXX\") */\n"))],
    "assertion": [("tests/unit/test-a.c", c(BODY % "        g_assert_true(f());\n")),
                  ("tests/bus/test_a.py", "def test_a(\n    x,\n):\n    assert x\n")],
}


def cases(table):
    return [pytest.param(rule, *case, id=f"{rule}-{i}")
            for rule, samples in table.items() for i, case in enumerate(samples)]


def tree_of(tmp_path, files):
    for path, text in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return lint.Tree(str(tmp_path))


@pytest.mark.parametrize("rule,path,text,line", cases(RED))
def test_rule_is_red(tmp_path, rule, path, text, line):
    findings = lint.check(tree_of(tmp_path, {path: text}), [rule])
    assert (path, line, rule) in [(f.path, f.line, f.rule) for f in findings]


@pytest.mark.parametrize("rule,path,text", cases(GREEN))
def test_rule_is_silent(tmp_path, rule, path, text):
    assert lint.check(tree_of(tmp_path, {path: text}), [rule]) == []


def git(where, *args):
    subprocess.run(["git", "-C", where, "-c", "user.name=a", "-c", "user.email=a@b", "-c",
                    "commit.gpgsign=false", *args], check=True, capture_output=True)


def test_commit_subjects(tmp_path):
    git(tmp_path, "init", "-q")
    for subject in ("The root may say anything.", "base/clock: keep time", "tidy up", "base: End.",
                    "base, headers: lay down", "base: " + "x" * 90):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", subject)
    findings = lint.check(lint.Tree(str(tmp_path)), ["commit"])
    assert sorted(f.message[:8] for f in findings) == ["'base: E", "'tidy up", "a subjec"]


def test_ignored_files_are_not_read(tmp_path):
    git(tmp_path, "init", "-q")
    tree = tree_of(tmp_path, {".gitignore": "/build/\n", "build/a.c": "goto", "base/a.c": HEAD})
    assert [f.path for f in tree.files] == [".gitignore", "base/a.c"]


def test_every_rule_has_samples():
    assert set(RED) | {"commit"} == set(lint.RULES)
    assert set(GREEN) == set(RED)


def test_output_and_exit_status(tmp_path):
    tree_of(tmp_path, {"base/a.c": c("        goto out;\n")})
    done = subprocess.run(["/usr/bin/python3", lint.__file__, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "base/a.c:3: banned-call: goto: goto\n"
    assert done.returncode == 1
    tree_of(tmp_path, {"base/a.c": HEAD})
    done = subprocess.run(["/usr/bin/python3", lint.__file__, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.fixture(scope="module")
def own_tree():
    return lint.Tree(ROOT)


@pytest.mark.parametrize("rule", list(lint.RULES))
def test_tree(own_tree, rule):
    assert [f"{f.path}:{f.line}: {f.message}" for f in lint.check(own_tree, [rule])] == []
