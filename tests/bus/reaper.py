#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program and reaps whatever it leaves behind, as init would: replicants outlive their daemon, and
an orphan that nobody reaps would look alive to the next one.

    reaper.py LOG COMMAND...

Prints "pid N", then "exit STATUS" once the program itself is gone (negative: a signal). Lives on as long as
there are orphans; when its standard input closes (the test is over, or was killed) it kills all of them.
"""
import ctypes
import os
import signal
import sys
import threading

PR_SET_CHILD_SUBREAPER = 36


def children_of(parent):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                if int(f.read().rpartition(")")[2].split()[1]) == parent:
                    yield int(name)
        except (OSError, IndexError):
            pass  # gone meanwhile


def kill_children():
    """One generation: what it leaves behind becomes ours, and is killed when we reap it."""
    for pid in children_of(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main(log, command):
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    first = os.fork()
    if first == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.execvp(command[0], command)
    print(f"pid {first}", flush=True)

    closing = threading.Event()

    def until_closed():
        while os.read(0, 64):
            pass
        closing.set()
        kill_children()

    threading.Thread(target=until_closed, daemon=True).start()
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        if pid == first:
            print(f"exit {os.waitstatus_to_exitcode(status)}", flush=True)
        if closing.is_set():
            kill_children()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(sys.argv[1], sys.argv[2:])
