#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./dev demo: a battery of three calculators is upgraded before your eyes, on a private bus in a temporary
directory. Four updates; what happens is told by the orchestrator's own events, and the closing table is
computed from them and from calls that were made to the replicants from outside all the while. The exit
status is 0 only if every verdict, every version and the floor are as they must be."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import dbus
import dbus.bus
from dbus.mainloop import NULL_MAIN_LOOP
from dbus.mainloop.glib import DBusGMainLoop, threads_init
from gi.repository import GLib

BUILD = os.path.abspath(os.environ.get("KANTAN_BUILD", "build"))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME, ROOT, PREFIX = "org.kantan.Orchestrator1", "/org/kantan/Orchestrator1", "org.kantan.Orchestrator1."
FINAL = {"done", "rolled-back", "failed", "cancelled", "vetoed"}
FLOOR = 2
BATTERY = """[Battery]
Description=Calculator
Packages=calc
Program=bin/calcd
Arguments=--bus={bus};--bus-name=org.example.Calc;--state-dir={data}
BusName=org.example.Calc
Replicants=3

[Update]
WarnSec=1s
MinActive=2
SoakSec=500ms
StopTimeoutSec=5s
ReadyTimeoutSec=10s

[Health]
Check=exec:%r/bin/calc-check --bus={bus} --bus-name=org.example.Calc %i
"""
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def say(text):
    print(paint("1", text), flush=True)


class Sampler(threading.Thread):
    """Calls every replicant by its own name, over and over, from a connection of its own: how many answer?"""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.least, self.watch, self.stop = address, 3, False, False
        self.versions, self.rounds = {}, 0

    def ask(self, bus, n):
        try:
            return str(bus.call_blocking(f"org.example.Calc.r{n}", "/org/example/Calc", "org.example.Calc",
                                         "Version", "", (), timeout=2))
        except dbus.DBusException:
            return None

    def run(self):
        # Not on the main loop: the main thread would dispatch it while this one calls, and hang in the lock
        # of a connection that this one has closed.
        bus = dbus.bus.BusConnection(self.address, mainloop=NULL_MAIN_LOOP)
        while not self.stop:
            watched = self.watch
            answers = {n: self.ask(bus, n) for n in (1, 2, 3)}
            up = sum(1 for a in answers.values() if a)
            if watched and self.watch:
                self.least = min(self.least, up)
            self.versions = answers
            self.rounds += 1
        bus.close()


class Demo:
    def __init__(self, directory):
        self.dir = directory
        self.processes, self.events, self.rows, self.bad = [], [], [], []
        self.over = False
        self.loop = GLib.MainContext.default()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def built(self, *parts):
        return os.path.join(BUILD, *parts)

    # --- the stage ---

    def start_bus(self):
        read, write = os.pipe()
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", f"--print-address={write}",
                                f"--address=unix:path={self.path('bus')}"],
                               pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as f:
            self.address = f.readline().strip()
        self.processes.append(bus)
        DBusGMainLoop(set_as_default=True)
        self.bus = dbus.bus.BusConnection(self.address)
        self.bus.add_signal_receiver(self.on_event, "Event", PREFIX + "Channel", path=ROOT + "/svc")
        self.bus.add_signal_receiver(self.on_finished, "Finished", PREFIX + "Update", path_keyword="path")
        self.finished = {}

    def write_battery(self):
        os.makedirs(self.path("etc", "batteries"))
        os.makedirs(self.path("data"))
        with open(self.path("etc", "batteries", "calc.battery"), "w", encoding="utf-8") as f:
            f.write(BATTERY.format(bus=self.address, data=self.path("data")))

    def common(self):
        return [f"--bus={self.address}", f"--config={self.path('etc')}", f"--state={self.path('state')}"]

    def start_daemon(self):
        log = open(self.path("log"), "ab")
        program = self.built("orchestrator", "main", "kantan-orchestratord")
        self.daemon = subprocess.Popen([program, *self.common(), "--log-level=info"], stderr=log, stdout=log)
        log.close()
        self.processes.append(self.daemon)
        self.wait(lambda: self.bus.name_has_owner(NAME) or self.daemon.poll() is not None, 10, "the daemon")

    def wait(self, predicate, seconds, what):
        """Turns the main loop until PREDICATE holds; a deadline is a failure, told with the daemon's log."""
        late = []
        timer = GLib.timeout_add(int(seconds * 1000), lambda: late.append(1) or True)
        tick = GLib.timeout_add(20, lambda: True)
        try:
            while not predicate():
                if late:
                    raise RuntimeError(f"waited {seconds} s in vain for {what}")
                self.loop.iteration(True)
        finally:
            GLib.source_remove(timer)
            GLib.source_remove(tick)

    # --- what is told ---

    def on_event(self, sequence, kind, time_us, battery, detail):
        if self.over or (self.events and sequence <= self.events[-1][0]):
            return
        self.events.append((int(sequence), str(kind), int(time_us), dict(detail)))
        words = []
        for key in ("replicant", "strategy", "from", "to", "version", "state", "reason", "least_active"):
            if key in detail and str(detail[key]) != "":
                words.append(f"{key} {detail[key]}")
        colours = {"ReplicantFailed": "31", "UpdateRolledBack": "33", "UpdateFinished": "36"}
        colour = colours.get(str(kind), "2")
        print(paint(colour, f"  {int(sequence):4} {kind:<18} {', '.join(words)}"), flush=True)

    def on_finished(self, state, reason, path=None):
        self.finished[str(path)] = str(state)

    # --- acts ---

    def call(self, path, interface, method, signature, *args):
        done = []
        self.bus.call_async(NAME, path, PREFIX + interface, method, signature, args,
                            lambda *r: done.append(r), lambda e: done.append(e), timeout=120)
        self.wait(lambda: done, 120, method)
        if isinstance(done[0], Exception):
            raise done[0]
        return done[0][0] if done[0] else None

    def package(self, version):
        return self.built("examples", "calc", f"calc_{version}.kantan")

    def update(self, version):
        options = dbus.Dictionary({}, signature="sv")
        return str(self.call(ROOT, "Manager", "Update", "asa{sv}", [self.package(version)], options)[0])

    def kantan(self, *args):
        hook = " ".join([self.built("kantan-hooks", "kantan-hook")] + self.common())
        return subprocess.Popen([sys.executable, os.path.join(SOURCE, "tests", "fake", "kantan"),
                                 f"--db={self.path('kantan')}", f"--hook={hook}", "install", *args],
                                stderr=open(self.path("log"), "ab"))

    def current_update(self):
        return str(self.bus.call_blocking(NAME, ROOT + "/svc/calc", "org.freedesktop.DBus.Properties",
                                          "Get", "ss", (PREFIX + "Battery", "CurrentUpdate")))

    def last_finished(self, since):
        for sequence, kind, _, detail in self.events:
            if sequence > since and kind == "UpdateFinished":
                return detail
        return None

    def mark(self):
        return self.events[-1][0] if self.events else 0

    def add(self, from_number, run):
        """One line of the table, from the events told after FROM_NUMBER while RUN ran."""
        self.sampler.least, self.sampler.watch = 3, True
        run()
        self.wait(lambda: self.last_finished(from_number), 60, "the verdict")
        self.sampler.watch = False
        detail = self.last_finished(from_number)
        self.rows.append([str(detail["update"]).rsplit("/", 1)[1], str(detail["strategy"]),
                          f"{detail['from']} -> {detail['to']}", str(detail["state"]),
                          f"{float(detail['seconds']):.1f}",
                          str(int(detail["least_active"])), str(self.sampler.least)])

    def check(self, ok, text):
        if not ok:
            self.bad.append(text)

    def expect(self, strategy, verdict, version):
        row, rounds = self.rows[-1], self.sampler.rounds
        self.wait(lambda: self.sampler.rounds > rounds + 1, 20, "samples")
        self.check(row[1] == strategy, f"update {row[0]} was {row[1]}, not {strategy}")
        self.check(row[3] == verdict, f"update {row[0]} ended {row[3]}, not {verdict}")
        running = list(self.sampler.versions.values())
        self.check(running == [version] * 3, f"after update {row[0]} they run {running}, not {version}")
        if strategy == "rolling":
            least = min(int(row[5]), int(row[6]))
            self.check(least >= FLOOR, f"update {row[0]} broke the floor: {least} active")

    # --- the play ---

    def kill_in_the_middle(self):
        path = self.update("2.1")
        first = self.mark()
        self.wait(lambda: any(s > first and k == "ReplicantHealthy" for s, k, _, _ in self.events), 30,
                  "the first one")
        say("  SIGKILL to the daemon in the middle of the roll; it is started again")
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.start_daemon()
        return path

    def play(self):
        say("calc 1.0 is installed, the battery started")
        self.update("1.0")
        self.wait(lambda: self.current_update() == "/", 30, "the installation")
        self.call(ROOT + "/svc/calc", "Battery", "Start", "a{sv}", dbus.Dictionary({}, signature="sv"))
        self.sampler = Sampler(self.address)
        self.sampler.start()
        self.wait(lambda: list(self.sampler.versions.values()) == ["1.0"] * 3, 30, "three replicants of 1.0")

        say("1. rolling from 1.0 to 1.1")
        self.add(self.mark(), lambda: self.update("1.1"))
        self.expect("rolling", "done", "1.1")

        say("2. rolling to 1.2, whose check fails: it goes back by itself")
        self.add(self.mark(), lambda: self.update("1.2"))
        self.expect("rolling", "rolled-back", "1.1")

        say("3. full stop to 2.0, through a package manager's hooks")
        manager = []
        self.add(self.mark(), lambda: manager.append(self.kantan(self.package("2.0"))))
        self.wait(lambda: manager[0].poll() is not None, 30, "the package manager")
        self.check(manager[0].returncode == 0, "the package manager failed")
        self.expect("full-stop", "done", "2.0")

        say("4. rolling to 2.1, the daemon killed in the middle")
        self.add(self.mark(), self.kill_in_the_middle)
        self.expect("rolling", "done", "2.1")

    def table(self):
        head = ["update", "strategy", "from -> to", "verdict", "seconds", "least active", "least answering"]
        widths = [max(len(str(r[i])) for r in [head] + self.rows) for i in range(len(head))]
        print()
        for i, row in enumerate([head] + self.rows):
            line = "  ".join(str(c).ljust(w) for c, w in zip(row, widths)).rstrip()
            print(paint("1", line) if i == 0 else line)
        print(f"\nfloor: {FLOOR} of 3; `least answering` was sampled from outside,"
              f" {self.sampler.rounds} rounds of calls")
        for text in self.bad:
            print(paint("31", "WRONG: " + text))
        if not self.bad:
            print(paint("32", "Every verdict, every version and the floor are as they must be."))

    def clean(self):
        self.over = True  # nothing more is printed: whoever read it may be gone
        if hasattr(self, "sampler"):
            self.sampler.stop = True
        try:
            self.call(ROOT + "/svc/calc", "Battery", "Stop", "a{sv}", dbus.Dictionary({}, signature="sv"))
        except Exception:
            pass
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                process.wait()


def main():
    threads_init()
    if os.path.islink("/proc/self/cwd") and not os.path.exists(os.path.join(BUILD, "orchestrator")):
        sys.exit("demo: build first: ./dev build")
    directory = tempfile.mkdtemp(prefix="kantan-demo-")
    demo = Demo(directory)
    began = time.monotonic()
    try:
        demo.start_bus()
        demo.write_battery()
        demo.start_daemon()
        demo.play()
        demo.table()
        print(f"{time.monotonic() - began:.0f} s in all")
        return 1 if demo.bad else 0
    except Exception as e:
        print(f"demo: {e}; the daemon's log:", file=sys.stderr)
        with open(os.path.join(directory, "log"), encoding="utf-8", errors="replace") as f:
            sys.stderr.write("".join(f.readlines()[-40:]))
        return 1
    finally:
        demo.clean()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
