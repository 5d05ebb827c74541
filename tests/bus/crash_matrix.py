# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run of the crash matrix, in a process of its own: a private instance with batteries at rest, one
operation, the daemon killed at its K-th journal write after that operation began, a new daemon, and then
what the world looks like: processes, their start times and versions, symlinks, leftovers on disk. Nothing
that the daemon says of itself counts as proof, it is only waited for."""
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import namedtuple

import kantan
from gi.repository import GLib
from kantan import FINAL, wait_for

COUNT = 3          # replicants of a battery
FLOOR = COUNT - 1
NOT_YET = 1 << 20  # where the interposer's count starts, so that no K is reached before the operation
OVER = {"closed", "refused"}

# What is done, to which versions of which battery. `hooks`: by the fake package manager, else by a person.
Scenario = namedtuple("Scenario", "hooks goals verdict rolling")
SCENARIOS = {
    "full-stop": Scenario(True, {"one": "2.0"}, "done", ()),
    "rolling": Scenario(False, {"one": "1.1"}, "done", ("one",)),
    "rolling-back": Scenario(False, {"one": "1.2"}, "rolled-back", ("one",)),
    "two-batteries": Scenario(True, {"one": "2.0", "two": "1.1"}, "done", ("two",)),
}
BATTERIES = {"one": "", "two": "one"}  # name: After=
VERSIONS = {"one": ("1.0", "1.1", "1.2", "2.0"), "two": ("1.0", "1.1")}

Job = namedtuple("Job", "scenario at when again stage")  # at 0: not killed; again: at a write of the recovery
Result = namedtuple("Result", "job killed twice writes recovery_writes problems updates least seconds log")

INFO = """<?xml version="1.0" encoding="UTF-8"?>
<package-info xmlns="urn:kantan:package-info:1" name="{name}" uuid="820178bb-af90-4dda-8bf6-58963131541{n}">
  <title>{name}</title>
  <version>{version}</version>
  <batteries><battery name="{name}"/></batteries>
</package-info>
"""


# --- the stage, prepared once ------------------------------------------------------------------------

def make_package(directory, name, version):
    """A package of the smallest replicant; the check of version 1.2 fails."""
    tree = os.path.join(directory, f"{name}-{version}")
    os.makedirs(os.path.join(tree, "bin"))
    shutil.copy(kantan.program("fake-replicant"), os.path.join(tree, "bin", "replicant"))
    with open(os.path.join(tree, "bin", "check"), "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\nexit {1 if version == '1.2' else 0}\n")
    os.chmod(os.path.join(tree, "bin", "check"), 0o755)
    with open(os.path.join(tree, "package-info.xml"), "w", encoding="utf-8") as f:
        f.write(INFO.format(name=name, version=version, n=len(name)))
    subprocess.run([kantan.program("nyota"), "package", "make", tree, "-o",
                    package(directory, name, version)], check=True, stdout=subprocess.DEVNULL)


def package(stage, name, version):
    return os.path.join(stage, f"{name}_{version}.kantan")


def write_batteries(instance):
    for name, after in BATTERIES.items():
        instance.write_battery(name, {
            "Battery": {"Packages": name, "Program": "bin/replicant", "Runner": "direct", "Stateless": "yes",
                        "Replicants": COUNT, "After": after},
            "Update": {"WarnSec": "10ms", "SoakSec": "10ms", "MinActive": FLOOR, "StopTimeoutSec": "5s"},
            "Health": {"Check": "exec:%r/bin/check"}})


def prepare(stage):
    """Packages, and the state of an instance whose batteries have 1.0 installed and are stopped."""
    for name, versions in VERSIONS.items():
        for version in versions:
            make_package(stage, name, version)
    instance = kantan.Instance()
    try:
        write_batteries(instance)
        daemon = instance.start()
        for name in BATTERIES:
            path, = instance.manager.Update([package(stage, name, "1.0")])
            assert instance.wait_update(path)[0] == "done"
        assert daemon.terminate() == 0
        subprocess.run(["cp", "-a", instance.state, os.path.join(stage, "state")], check=True)
    finally:
        instance.close()


# --- what is looked at from outside ------------------------------------------------------------------

Process = namedtuple("Process", "pid ticks battery replicant version")


def read_process(state, pid):
    """The replicant that PID is; None if it is none of ours."""
    try:
        program = kantan.exe(pid).removesuffix(" (deleted)")
        if not program.startswith(state + "/"):
            return None
        environment = kantan.environment(pid)
        ticks = kantan.start_ticks(pid)
    except OSError:
        return None
    if ticks is None or "KANTAN_REPLICANT" not in environment:
        return None
    return Process(pid, ticks, environment["KANTAN_BATTERY"], int(environment["KANTAN_REPLICANT"]),
                   os.path.relpath(program, state).split(os.sep)[2])  # packages/NAME/VERSION/bin/…


def look(state):
    """Every process that runs a program out of this instance's packages."""
    found = (read_process(state, int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [p for p in found if p]


def alive_of(processes, battery):
    return {(p.pid, p.ticks) for p in processes if p.battery == battery}


class Watcher:
    """The least number of processes of a battery that was seen alive from outside, the daemon's death and
    return included."""

    def __init__(self, state, battery):
        self.state, self.battery, self.least = state, battery, COUNT
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.ending.wait(0.004):  # lint: the distance between samples, not a wait for something
            alive = self._alive()
            # A look is a walk, not one instant: it may miss a process that came behind it and one that went
            # before it. What a second look finds the same was so in between.
            if len(alive) < self.least and alive == self._alive():
                self.least = len(alive)

    def _alive(self):
        return alive_of(look(self.state), self.battery)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()


def installed(state, battery):
    """{replicant: version} by the symlinks on disk."""
    folder = os.path.join(state, "installations", battery)
    return {int(n): os.path.basename(os.readlink(os.path.join(folder, n, battery)))
            for n in os.listdir(folder) if n.isdigit()}


def leftovers(state):
    """What lies in the state directory beside what an instance at rest has: holds, and hidden names, which
    are all that is half made."""
    found = os.listdir(os.path.join(state, "run", "holds"))
    for folder, folders, files in os.walk(state):
        found += [os.path.relpath(os.path.join(folder, n), state) for n in folders + files if n[0] == "."]
    return found


# --- one run -----------------------------------------------------------------------------------------

class Run:
    def __init__(self, job):
        self.job, self.scenario = job, SCENARIOS[job.scenario]
        self.problems, self.manager, self.request, self.twice = [], None, None, False
        self.instance = kantan.Instance()
        os.rmdir(self.instance.state) if os.path.isdir(self.instance.state) else None
        subprocess.run(["cp", "-a", os.path.join(job.stage, "state"), self.instance.state], check=True)
        write_batteries(self.instance)
        self.counter = os.path.join(self.instance.directory, "count")
        self.registry = os.path.join(self.instance.directory, "kantan")

    def check(self, ok, text):
        if not ok:
            self.problems.append(text)

    # -- the killer --
    def killer(self, at, when):
        return kantan.crash_at_write(self.counter, at, when)

    def count_from(self, number):
        with open(self.counter, "ab") as f:
            f.truncate(number)

    def counted(self):
        return os.path.getsize(self.counter)

    def written_out(self):
        """Waits until the journal's thread has done what it was given: a read comes after the writes. Twice,
        for what the first writes led to."""
        for _ in range(2):
            self.instance.channel.Since(1 << 40, 1)

    # -- the operation --
    def begin(self):
        files = [package(self.job.stage, *goal) for goal in self.scenario.goals.items()]
        if not self.scenario.hooks:
            self.request = self.instance.manager.send("Update", files)
            return
        os.makedirs(self.registry)
        with open(os.path.join(self.registry, "registry.json"), "w", encoding="utf-8") as f:
            json.dump({name: "1.0" for name in BATTERIES}, f)
        hook = (f"{kantan.program('kantan-hook')} --bus={self.instance.bus.address} "
                f"--config={self.instance.config}")
        with open(self.instance.log_path, "ab") as log:
            self.manager = subprocess.Popen(
                [sys.executable, "-S", os.path.join(kantan.SOURCE, "tests", "fake", "kantan"),
                 f"--db={self.registry}", f"--hook={hook}", "install", *files], stderr=log, stdout=log)
        fd = os.pidfd_open(self.manager.pid)
        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, fd, GLib.IOCondition.IN, lambda *_: os.close(fd), None)

    def asked(self):
        """Whether who asked has had an answer (for better or worse)."""
        return self.manager.poll() is not None if self.manager else self.request.done

    def finished(self):
        return len(self.instance.events.of("UpdateFinished")) == len(self.scenario.goals)

    def operate(self):
        """To the daemon's death or the operation's end; TRUE if it was killed."""
        daemon = self.instance.daemon
        self.begin()
        wait_for(lambda: daemon.status is not None or (self.asked() and self.finished()) or
                 (self.asked() and self.refused()), 30, "the operation's end or the daemon's")
        if daemon.status is None:
            try:
                self.written_out()
            except kantan.Refused:
                wait_for(lambda: daemon.status is not None, 5, "the daemon's end")
        kantan.settle()
        return daemon.status is not None

    def refused(self):
        return self.manager.returncode != 0 if self.manager else self.request.error is not None

    # -- afterwards --
    def transactions(self):
        managed = self.instance.client.call(kantan.ROOT, kantan.DBUS + ".ObjectManager", "GetManagedObjects")
        return {path: i[kantan.NAME + ".Transaction"] for path, i in managed.items()
                if kantan.NAME + ".Transaction" in i}

    def new_updates(self):
        return [u[4] for u in self.instance.manager.ListUpdates() if u[4] not in self.old]

    def converge(self):
        """Waits until who asked has its answer, every transaction is over, every update final, and the
        batteries rest."""
        wait_for(self.asked, 20, "an answer to who asked")
        for path in self.transactions():
            self.instance.transaction(path).wait_property("State", OVER, 20)
        verdicts = {}
        for path in self.new_updates():
            state, reason = self.instance.wait_update(path, 20)
            verdicts[self.instance.update(path).get("Battery")] = (state, reason)
        for battery in self.scenario.goals:
            self.instance.battery(battery).wait_property("State", "running", 20)
            self.instance.battery(battery).wait_property("CurrentUpdate", "/", 5)
        self.written_out()
        return verdicts

    def expected(self, battery, verdicts):
        return self.scenario.goals[battery] if verdicts.get(battery, ("",))[0] == "done" else "1.0"

    def judge_answer(self, verdicts):
        """What was accepted is kept, what was refused left no trace."""
        goals = self.scenario.goals
        if self.manager:
            with open(os.path.join(self.registry, "registry.json"), encoding="utf-8") as f:
                registry = json.load(f)
            for battery, goal in goals.items():
                accepted = self.manager.returncode == 0
                self.check(registry[battery] == (goal if accepted else "1.0"), f"registered: {registry}")
                self.check(registry[battery] == self.expected(battery, verdicts),
                           f"registered {registry}, verdicts {verdicts}")
            self.check(self.manager.returncode == 0, f"the package manager: {self.manager.returncode}")
        elif not self.request.error:
            self.check(len(self.request.result) == len(goals) == len(verdicts),
                       f"accepted {self.request.result}, known afterwards: {verdicts}")
        for battery, (state, reason) in verdicts.items():
            self.check(state == self.scenario.verdict, f"{battery}: {state}: {reason}")

    def judge_processes(self, battery, before, at_death, verdicts):
        processes = [p for p in look(self.instance.state) if p.battery == battery]
        version, goal = self.expected(battery, verdicts), self.scenario.goals[battery]
        self.check(sorted(p.replicant for p in processes) == list(range(1, COUNT + 1)),
                   f"{battery}: not one process for each replicant: {processes}")
        self.check({p.version for p in processes} == {version},
                   f"{battery}: {[(p.replicant, p.version) for p in processes]} run, not {version}")
        links = installed(self.instance.state, battery)
        self.check(links == {n: version for n in range(1, COUNT + 1)}, f"{battery}: links {links}")
        now, old = alive_of(processes, battery), alive_of(before, battery)
        if battery not in verdicts:
            self.check(now == old, f"{battery}: no update, but other processes")
        elif verdicts[battery][0] == "done":
            self.check(not now & old, f"{battery}: updated, but {now & old} were never restarted")
        else:
            self.check(len(now & old) >= FLOOR, f"{battery}: only {len(now & old)} were left alone")
        renewed = {(p.pid, p.ticks) for p in at_death if p.battery == battery and p.version == goal}
        if battery in self.scenario.rolling and version == goal and self.job.again == 0:
            self.check(len(renewed - now) <= 1, f"{battery}: {len(renewed - now)} were restarted again")

    def judge(self, before, at_death, verdicts):
        self.judge_answer(verdicts)
        for battery in self.scenario.goals:
            self.judge_processes(battery, before, at_death, verdicts)
        tick = GLib.timeout_add(20, lambda: GLib.SOURCE_CONTINUE)  # the disk wakes nobody
        try:
            wait_for(lambda: not leftovers(self.instance.state), 5)
        except AssertionError:
            self.problems.append(f"left behind: {leftovers(self.instance.state)}")
        finally:
            GLib.source_remove(tick)

    # -- all of it --
    def at_rest(self, managed):
        """What converge() waits for, in one answer."""
        of = {}
        for path, interfaces in managed.items():
            for name, properties in interfaces.items():
                of.setdefault(name.rpartition(".")[2], {})[path] = properties
        batteries = [of["Battery"][f"{kantan.ROOT}/svc/{b}"] for b in self.scenario.goals]
        return (all(t["State"] in OVER for t in of.get("Transaction", {}).values())
                and all(u["State"] in FINAL for u in of.get("Update", {}).values())
                and all(b["State"] == "running" and b["CurrentUpdate"] == "/" for b in batteries))

    def rest_or_die(self, daemon):
        """Waits until all rests or DAEMON is dead; asks on and on, since a dead one tells no change."""
        found, asked = [], []

        def ask():
            if asked and asked[-1].done and asked[-1].result and self.asked():
                found.append(self.at_rest(asked[-1].result))
            if not asked or asked[-1].done:
                asked[:] = [self.instance.client.send(kantan.ROOT, kantan.DBUS + ".ObjectManager",
                                                      "GetManagedObjects", timeout=5)]
            return GLib.SOURCE_CONTINUE

        tick = GLib.timeout_add(20, ask)
        try:
            wait_for(lambda: daemon.status is not None or any(found), 30, "rest or death")
        finally:
            GLib.source_remove(tick)

    def recover(self):
        """The new daemon; with AGAIN it is killed at a write of its own, and a third one started. Returns
        how many writes the second one had."""
        if not self.job.again:
            self.instance.start()
            return 0
        self.count_from(0)
        self.instance.client.wait_name(kantan.NAME, owned=False)
        daemon = self.instance.launch(environment=self.killer(self.job.again, self.job.when))
        self.rest_or_die(daemon)
        writes = self.counted()
        if daemon.status is not None:
            self.check(daemon.status == -9, f"the second one ended with {daemon.status}")
            self.twice = True
            self.instance.start()
        return writes

    def play(self):
        job, began = self.job, time.monotonic()
        self.count_from(NOT_YET)
        self.instance.start(environment=self.killer(job.at, job.when))
        self.old = {u[4] for u in self.instance.manager.ListUpdates()}
        for battery in self.scenario.goals:
            self.instance.battery(battery).Start()
        self.written_out()
        before, at_death, recovery, watchers = look(self.instance.state), [], 0, []
        self.check(len(before) == COUNT * len(self.scenario.goals), f"before: {before}")
        self.count_from(0)
        with Watcher(self.instance.state, (self.scenario.rolling + ("-",))[0]) as watcher:
            killed = self.operate()
            writes = self.counted()
            if killed:
                self.check(self.instance.daemon.status == -9, f"ended with {self.instance.daemon.status}")
                at_death = look(self.instance.state)
                recovery = self.recover()
            verdicts = self.converge()
        if self.scenario.rolling and "one" in self.scenario.rolling:
            self.check(watcher.least >= FLOOR, f"only {watcher.least} processes were alive")
        self.judge(before, at_death, verdicts)
        return Result(job, killed, self.twice, writes, recovery, self.problems,
                      {b: v[0] for b, v in verdicts.items()}, watcher.least, time.monotonic() - began,
                      self.instance.log if self.problems else "")

    def close(self):
        if self.manager and self.manager.poll() is None:
            self.manager.kill()
        if self.manager:
            self.manager.wait()
        return self.instance.close()


def run(job):
    """A Result whatever happens: a worker's exception would lose the log."""
    began, play = time.monotonic(), Run(job)
    try:
        result = play.play()
    except (AssertionError, OSError, kantan.Refused) as error:
        daemon = play.instance.daemon if play.instance.daemons else None
        result = Result(job, bool(daemon and daemon.status == -9) or len(play.instance.daemons) > 1,
                        play.twice, 0, 0,
                        play.problems + [f"{type(error).__name__}: {error}"], {}, 0,
                        time.monotonic() - began, play.instance.log)
    complaints = play.close()
    return result._replace(problems=result.problems + complaints)


if __name__ == "__main__":  # one point by hand: crash_matrix.py STAGE SCENARIO AT [WHEN [AGAIN]]
    words = sys.argv[1:] + ["after", "0"][len(sys.argv) - 4:]
    if not os.path.exists(os.path.join(words[0], "state")):
        os.makedirs(words[0], exist_ok=True)
        prepare(words[0])
    outcome = run(Job(words[1], int(words[2]), words[3], int(words[4]), words[0]))
    print(outcome.log)
    print(outcome._replace(log=""))
