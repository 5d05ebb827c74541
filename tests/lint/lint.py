#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taste, executable: the arrows between folders, sizes, first lines, banned calls, words.

    lint.py [ROOT]     prints `file:line: rule: message` for every finding; exits 1 if there is one

Each rule is a generator over a Tree; test_lint.py shows each of them red on a small sample. What a rule
forbids may stay where a comment on the same line or the line above says why: `/* lint: the reason */`.
"""
import ast
import os
import re
import subprocess
import sys
from collections import namedtuple
from functools import cached_property

Finding = namedtuple("Finding", "path line rule message")
RULES = {}

# Who may include whom, by folder; a folder without a row is a finding, so that a new one is decided on.
# An entry that ends in .h is one header, not the whole folder.
ARROWS = {
    "base": [],
    "orchestrator/model": ["base"],
    "orchestrator/plan": ["base", "orchestrator/model"],
    "orchestrator/run": ["base", "orchestrator/model", "orchestrator/plan"],
    "orchestrator": ["base", "orchestrator/model", "orchestrator/plan", "orchestrator/run"],
    "orchestrator/main": ["base", "orchestrator/model", "orchestrator/plan", "orchestrator/run",
                          "orchestrator", "dbus", "dbus/wire", "store", "policy"],
    "dbus": ["base"],
    "dbus/wire": ["base", "dbus", "orchestrator/model", "orchestrator/plan", "orchestrator/run",
                  "orchestrator"],
    "store": ["base", "orchestrator/model", "orchestrator/run/ports.h"],
    "policy": ["base", "orchestrator/model"],
    "kantan-hooks": ["base", "dbus", "policy/daemon-file.h"],
    "nyota": ["base", "dbus", "store", "policy", "orchestrator/model"],
}
# Folders that look at the others from outside, each at what it needs.
OUTSIDE = ("tests", "bench", "examples")
# The folders of the daemon's main loop: nothing there may wait for somebody else.
DAEMON = ("base", "dbus", "orchestrator", "policy", "store")

# Which folders may include a foreign library.
LIBRARIES = {
    r"dbus/": ("dbus", "controller", "replicant", "kantan-hooks", "nyota"),
    r"archive(_entry)?\.h": ("store",),
    r"sqlite3\.h": ("orchestrator/run", "sync"),
}

BANNED_CALLS = [
    (r"\bgoto\b", (), "goto"),
    (r"\b(sleep|usleep|nanosleep|clock_nanosleep|g_usleep)\s*\(", (), "sleeping: wait for the event"),
    (r"(?<![\w.>])(system|popen)\s*\(", (), "a shell: spawn an argument vector"),
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\(", (), "unbounded: use GLib's"),
    (r"\bg_spawn_(command_line_)?sync\s*\(", DAEMON, "waits on the main loop"),
    (r"\bg_\w+_sync\s*\(", DAEMON, "waits on the main loop"),
    (r"\bg_subprocess_(wait|wait_check|communicate|communicate_utf8)\s*\(", DAEMON, "waits on the main loop"),
]

LINE_MOST = 110
FUNCTION_MOST = 80
FILE_MOST, TEST_FILE_MOST = 500, 900
PURPOSE_MOST = 12  # one to five lines is the aim; a contract at a file's head may be longer


class File:
    """One text file, with the views on it that rules need."""

    def __init__(self, root, path):
        self.path = path
        self.folder = os.path.dirname(path)
        with open(os.path.join(root, path), "rb") as f:
            self.data = f.read()
        self.binary = b"\0" in self.data
        self.text = "" if self.binary else self.data.decode("utf-8", "replace")
        self.lines = self.text.splitlines()

    @property
    def is_c(self):
        return self.path.endswith((".c", ".h"))

    @property
    def is_test(self):
        return self.path.startswith("tests/")

    def within(self, folders):
        return any(self.path.startswith(f + "/") for f in folders)

    @cached_property
    def code(self):
        """The lines of a C file without comments and without what is in quotes."""
        def blank(match):
            text = match.group(0)
            if text[0] == '"':
                return '""'
            return "0" if text[0] == "'" else " " + "\n" * text.count("\n")
        comment, string, character = r"/\*.*?\*/|//[^\n]*", r'"(?:\\.|[^"\\\n])*"', r"'(?:\\.|[^'\\\n])+'"
        return re.sub(f"{comment}|{string}|{character}", blank, self.text, flags=re.S).split("\n")

    def excused(self, line):
        """TRUE if line number LINE, or the one above, carries `lint: reason` in a comment."""
        near = self.lines[max(line - 2, 0):line]
        return any(re.search(r"(/\*|#) lint: \w+", text) for text in near)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = [File(root, p) for p in self._paths()]

    def _paths(self):
        git = self._git("ls-files", "-z", "-co", "--exclude-standard")
        if git is not None:
            paths = [p for p in git.split("\0") if p]
        else:
            paths = [os.path.relpath(os.path.join(d, f), self.root)
                     for d, _, names in os.walk(self.root) for f in names]
        return sorted(p for p in paths if os.path.isfile(os.path.join(self.root, p))
                      and not os.path.islink(os.path.join(self.root, p)))

    def _git(self, *args):
        if not os.path.exists(os.path.join(self.root, ".git")):
            return None
        done = subprocess.run(["git", "-C", self.root, *args], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    @property
    def c_files(self):
        return [f for f in self.files if f.is_c]

    @cached_property
    def subjects(self):
        """(short id, subject) of the commits that can be mended: not yet on a remote, and not the root."""
        log = self._git("log", "--no-merges", "--min-parents=1", "--format=%h %s",
                        "HEAD", "--not", "--remotes")
        return [line.partition(" ")[::2] for line in (log or "").splitlines()]


def rule(name):
    def register(function):
        RULES[name] = function
        return function
    return register


# --- arrows ------------------------------------------------------------------------------------------

def _may_include(allowed, target):
    folder = os.path.dirname(target)
    return any(folder == a or target == a for a in allowed)


@rule("arrow")
def arrows(tree):
    """base <- model <- plan <- run <- manager <- main; adapters stay apart, main alone wires."""
    for f in tree.c_files:
        outside = f.path.split("/")[0] in OUTSIDE
        if not outside and f.folder not in ARROWS:
            yield f.path, 1, f"folder '{f.folder}' has no row in the table of arrows (tests/lint/lint.py)"
            continue
        for n, line in enumerate(f.lines, 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            target = found.group(1)
            folder = os.path.dirname(target)
            if not folder:
                yield f.path, n, f'"{target}": write the path from the top, "{f.folder}/{target}"'
            elif folder == f.folder or outside and folder != "orchestrator/main":
                continue
            elif not _may_include(ARROWS.get(f.folder, []), target):
                yield f.path, n, f'{f.folder} may not include "{target}"'


@rule("library")
def libraries(tree):
    """A foreign library stays behind the folder that adapts it."""
    for f in tree.c_files:
        for n, line in enumerate(f.lines, 1):
            found = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            for pattern, folders in LIBRARIES.items():
                if found and re.match(pattern, found.group(1)) and not f.within(folders + OUTSIDE):
                    yield f.path, n, f"<{found.group(1)}> belongs to {', '.join(folders)}"


# --- first lines, names ------------------------------------------------------------------------------

SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"


@rule("spdx")
def spdx(tree):
    """Every source names its licence in its first line (the second where a #! comes first)."""
    for f in tree.files:
        script = f.text.startswith("#!")
        if f.is_c:
            if not f.text.startswith(f"/* {SPDX} */\n"):
                yield f.path, 1, f"the first line is /* {SPDX} */"
        elif script or f.path.endswith((".py", ".sh", "meson.build", "meson_options.txt")):
            first = f.lines[1 if script else 0:][:1]
            if first != [f"# {SPDX}"] and f.lines:
                yield f.path, 1 + script, f"the first line (after #!) is # {SPDX}"


@rule("purpose")
def purpose(tree):
    """Every C file opens by saying what it is for."""
    for f in tree.c_files:
        head = re.match(r"[^\n]*\n(/\*.*?\*/)\n", f.text, re.S)
        if not head or len(head.group(1)) < 20:
            yield f.path, 2, "the second line begins a comment that says what the file is for"
        elif head.group(1).count("\n") >= PURPOSE_MOST:
            yield f.path, 2, f"the purpose comment is longer than {PURPOSE_MOST} lines"


@rule("header-guard")
def header_guard(tree):
    """Headers say #pragma once."""
    for f in tree.c_files:
        if f.path.endswith(".h") and "#pragma once" not in f.lines:
            yield f.path, 1, "no #pragma once"


@rule("file-name")
def file_name(tree):
    """A dbus-*.h of ours would shadow libdbus's."""
    for f in tree.files:
        if re.match(r"dbus-.*\.h$", os.path.basename(f.path)):
            yield f.path, 1, "would shadow a header of libdbus"


# --- sizes -------------------------------------------------------------------------------------------

@rule("file-length")
def file_length(tree):
    """Files that fit a reader's head."""
    for f in tree.files:
        most = TEST_FILE_MOST if f.is_test else FILE_MOST
        if (f.is_c or f.path.endswith(".py")) and len(f.lines) > most:
            yield f.path, most + 1, f"{len(f.lines)} lines, at most {most}"


@rule("function-length")
def function_length(tree):
    """From a { to a } that both stand at a line's beginning."""
    for f in tree.c_files:
        begin = None
        for n, line in enumerate(f.code, 1):
            if line.rstrip() == "{":
                begin = n
            elif line.startswith("}") and begin:
                if n - begin - 1 > FUNCTION_MOST:
                    yield f.path, begin, f"a function of {n - begin - 1} lines, at most {FUNCTION_MOST}"
                begin = None


@rule("line-length")
def line_length(tree):
    """Lines that fit beside another."""
    for f in tree.files:
        if f.is_c or f.path.endswith((".py", "meson.build")):
            for n, line in enumerate(f.lines, 1):
                if len(line) > LINE_MOST:
                    yield f.path, n, f"{len(line)} columns, at most {LINE_MOST}"


@rule("white-space")
def white_space(tree):
    """No trailing blanks, no tabs in C, a newline at the end."""
    for f in tree.files:
        if f.binary or f.path == "LICENSE" or "/corpus/" in f.path:
            continue
        for n, line in enumerate(f.lines, 1):
            if line != line.rstrip():
                yield f.path, n, "trailing white space"
            elif f.is_c and "\t" in line:
                yield f.path, n, "a tab"
        if f.text and not f.text.endswith("\n"):
            yield f.path, len(f.lines), "no newline at the end"


# --- what is banned ----------------------------------------------------------------------------------

@rule("banned-call")
def banned_calls(tree):
    """goto, sleeping, shells, unbounded copies, waiting on the daemon's main loop."""
    for f in tree.c_files:
        for n, line in enumerate(f.code, 1):
            for pattern, folders, why in BANNED_CALLS:
                found = re.search(pattern, line)
                if found and (not folders or f.within(folders)) and not f.excused(n):
                    yield f.path, n, f"{found.group(0).rstrip('( ')}: {why}"


@rule("blocking-call")
def blocking_calls(tree):
    """libdbus's blocking call: only where a connection is opened, and in the person's tool."""
    for f in tree.c_files:
        if f.path == "dbus/bus.c" or f.within(("nyota", "tests", "bench")):
            continue
        for n, line in enumerate(f.code, 1):
            if "dbus_connection_send_with_reply_and_block" in line and not f.excused(n):
                yield f.path, n, "blocks the main loop until the other side answers"


@rule("python-sleep")
def python_sleep(tree):
    """Tests wait for the event, not for the time that it took once."""
    for f in tree.files:
        if f.path.endswith(".py") or f.text.startswith("#!/usr/bin/python3"):
            for n, line in enumerate(f.lines, 1):
                if re.search(r"\b(time\.|GLib\.u?)sleep\s*\(|^\s*sleep\s*\(", line) and not f.excused(n):
                    yield f.path, n, "sleeping: wait for the event"


# Types whose values GLib wants non-const although nobody changes them.
_CONSTANT_IN_PRACTICE = r"\b(GSourceFuncs|GOptionEntry|GMarkupParser)\b"


def _is_mutable(declaration):
    """TRUE for a variable that can be assigned to, FALSE for constants and for what is no variable."""
    left = re.split(r"=|;", declaration, maxsplit=1)[0].strip()
    if "(" in left or re.search(_CONSTANT_IN_PRACTICE, left):
        return False
    left = re.sub(r"\[[^\]]*\]", "", left).strip()
    if len(re.findall(r"\w+", re.sub(r"\b(static|const|struct|enum|union)\b", "", left))) < 2:
        return False  # no type and name: a forward declaration, a label
    if "*" in left:
        return not re.search(r"\*\s*const\s+\w+$", left)
    return not re.search(r"\bconst\b", left)


@rule("mutable-global")
def mutable_globals(tree):
    """State has an owner that is passed along; a file-scope or static variable has none."""
    skip = re.compile(r"(typedef|return|case|default|using|G_\w+|STRTAB_\w+|#|\}|\{|/|\*)")
    for f in tree.c_files:
        for n, line in enumerate(f.code, 1):
            at_top = bool(re.match(r"[A-Za-z_]", line)) and not skip.match(line)
            local_static = re.match(r"\s+static\s", line)
            if not (at_top or local_static) or not re.match(r"[^({]*[;=]", line):
                continue
            if _is_mutable(line.strip()) and not f.excused(n):
                yield f.path, n, "a mutable global or static: pass the context along"


# Written in parts, so that this file does not find itself.
_WORDS = [
    (re.compile("/wo" + r"rk/"), "a path of one machine"),
    (re.compile(r"deb\.deb" + r"ian\.org"), "a package host"),
    (re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"), "a note to oneself: do it, or leave it out"),
]


@rule("word")
def words(tree):
    """Nothing that belongs to one machine, no notes to oneself."""
    for f in tree.files:
        for n, line in enumerate(f.lines, 1):
            for pattern, what in _WORDS:
                if pattern.search(line):
                    yield f.path, n, what


# --- tests, commits ----------------------------------------------------------------------------------

@rule("assertion")
def assertions(tree):
    """A test that asserts nothing tests nothing."""
    for f in tree.files:
        base = os.path.basename(f.path)
        if f.is_test and re.match(r"test-.*\.c$", base) and not re.search(r"\bg_assert\w*\s*\(", f.text):
            yield f.path, 1, "a test without an assertion"
        if re.match(r"test_.*\.py$", base):
            yield from _python_assertions(f)


def _python_assertions(f):
    for test in ast.parse(f.text, f.path).body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            calls = [n.func for n in ast.walk(test) if isinstance(n, ast.Call)]
            names = [getattr(c, "attr", getattr(c, "id", "")) for c in calls]
            if not (any(isinstance(n, ast.Assert) for n in ast.walk(test))
                    or any(re.match(r"raises$|(assert|expect|refused|wait)_?", n) for n in names)):
                yield f.path, test.lineno, f"{test.name} asserts nothing"


@rule("commit")
def commits(tree):
    """`folder/file: verb phrase`."""
    for short, subject in tree.subjects:
        if not re.match(r"[\w./*-]+(, [\w./*-]+)*: [a-z]", subject) or subject.endswith("."):
            yield short, 1, f"'{subject}': write `folder/file: verb phrase`, no full stop"
        elif len(subject) > 90:
            yield short, 1, f"a subject of {len(subject)} characters, at most 90"


def check(tree, names=None):
    """All findings of the rules NAMES (all by default) on TREE."""
    return [Finding(path, line, name, message) for name in names or RULES
            for path, line, message in RULES[name](tree)]


def main(argv):
    root = argv[1] if len(argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    tree = Tree(root)
    findings = check(tree)
    for f in sorted(findings):
        print(f"{f.path}:{f.line}: {f.rule}: {f.message}")
    print(f"lint: {len(tree.files)} files, {len(RULES)} rules, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
