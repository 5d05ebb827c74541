# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real service under test: packages of the example calculator in versions with habits of their own, a
battery of it, and what the world (not the orchestrator) says of it: who runs what, and where links lead."""
import json
import os
import shlex
import shutil
import subprocess
import sys

import dbus
import kantan

INFO = """<?xml version="1.0" encoding="UTF-8"?>
<package-info xmlns="urn:kantan:package-info:1" name="{name}" uuid="820178bb-af90-4dda-8bf6-589631315418">
  <title>{name}</title><version>{version}</version>{compatibility}<description>under test</description>
  <batteries><battery name="{name}"/></batteries>
</package-info>
"""
# The shell is gone after exec: pid and /proc/PID/exe are calcd's, in the directory of its version.
RUN = '#!/bin/sh\nexec "${{0%/*}}/calcd" {arguments} "$@"\n'
FAST = {"WarnSec": "0", "SoakSec": "0", "StopTimeoutSec": "5s", "ReadyTimeoutSec": "5s", "CoalesceSec": "0"}


def options(**given):
    return dbus.Dictionary(given, signature="sv", variant_level=0)


def make_package(instance, name, version, arguments="", compatibility=None):
    """NAME_VERSION.kantan whose program is always called with ARGUMENTS too; its path. A version is made
    once: its contents do not change afterwards."""
    out = os.path.join(instance.directory, "made", f"{name}_{version}.kantan")
    if os.path.exists(out):
        return out
    staging = os.path.join(instance.directory, "staging", f"{name}-{version}")
    shutil.rmtree(staging, ignore_errors=True)
    os.makedirs(os.path.join(staging, "bin"))
    os.makedirs(os.path.dirname(out), exist_ok=True)
    for file, source in (("calcd", "calcd-1.0"), ("calc-check", "calc-check-1.0")):
        shutil.copy(kantan.program(source), os.path.join(staging, "bin", file))
    run = os.path.join(staging, "bin", "run")
    with open(run, "w", encoding="utf-8") as f:
        f.write(RUN.format(arguments=arguments))
    os.chmod(run, 0o755)
    with open(os.path.join(staging, "package-info.xml"), "w", encoding="utf-8") as f:
        declared = f"<compatibility>{compatibility}</compatibility>" if compatibility else ""
        f.write(INFO.format(name=name, version=version, compatibility=declared))
    subprocess.run([kantan.program("nyota"), "package", "make", staging, "-o", out], check=True,
                   capture_output=True)
    return out


class Service:
    """Battery NAME of package NAME. Keywords: keys of [Update]; `battery` and `health`: of the others."""

    def __init__(self, instance, name="calc", replicants=3, battery=None, health=None, check=False, **update):
        self.instance, self.name, self.replicants = instance, name, replicants
        self.bus_name = f"org.example.{name.capitalize()}"
        self.data = os.path.join(instance.directory, "data", name)
        os.makedirs(self.data, exist_ok=True)
        self.sections = {
            "Battery": {"Packages": name, "Program": "bin/run", "BusName": self.bus_name,
                        "Arguments": f"--bus={instance.bus.address};--bus-name={self.bus_name};"
                                     f"--state-dir={self.data}",
                        "Replicants": replicants, **(battery or {})},
            "Update": {**FAST, **update}, "Health": dict(health or {})}
        if check:
            self.sections["Health"]["Check"] = (f"exec:%r/bin/calc-check --bus={instance.bus.address} "
                                                f"--bus-name={self.bus_name} %i")
        self.write()

    def write(self, **update):
        """The battery file, with these keys of [Update] changed."""
        self.sections["Update"].update(update)
        return self.instance.write_battery(self.name, self.sections)

    def package(self, version, arguments="", compatibility=None):
        return make_package(self.instance, self.name, version, arguments, compatibility)

    @property
    def battery(self):
        return self.instance.battery(self.name)

    # -- acts --
    def begin(self, version, arguments="", compatibility=None, **how):
        """A person's Update to VERSION; its Update object."""
        file = self.package(version, arguments, compatibility)
        paths = self.instance.manager.Update([file], options(**how))
        assert len(paths) == 1
        return self.instance.update(paths[0])

    def update(self, version, arguments="", compatibility=None, timeout=30, **how):
        """The same to its end: (state, reason)."""
        return self.instance.wait_update(self.begin(version, arguments, compatibility, **how).path, timeout)

    def up(self, version="1.0", arguments=""):
        """The daemon with VERSION installed and all replicants running it."""
        if not self.instance.daemons:
            self.instance.start()
        assert self.update(version, arguments)[0] == "done"
        self.battery.Start()
        assert self.versions() == self.all(version)
        return self

    def sampler(self):
        return self.instance.sampler(self.bus_name, self.replicants)

    # -- the world --
    def all(self, version):
        return {n: version for n in range(1, self.replicants + 1)}

    def processes(self):
        return self.instance.processes(self.name)

    def versions(self):
        """{replicant: version of the program that its process executes}, by /proc alone but for the pid."""
        prefix = os.path.join(self.instance.state, "packages", self.name) + "/"
        found = {}
        for n, (pid, _) in self.processes().items():
            program = kantan.exe(pid)
            assert program.startswith(prefix), program
            found[n] = program.removeprefix(prefix).split("/")[0]
        return found

    def links(self):
        """{replicant: version that its installation's link leads to}, from the disk."""
        directory = os.path.join(self.instance.state, "installations", self.name)
        found = {}
        for n in range(1, self.replicants + 1):
            link = os.path.join(directory, str(n), self.name)
            if os.path.islink(link):
                found[n] = os.path.basename(os.readlink(link))
        return found

    def expect(self, version):
        """All replicants run VERSION, and their links say so."""
        assert self.versions() == self.all(version)
        assert self.links() == self.all(version)
        self.battery.wait_property("State", "running")


class PackageManager:
    """tests/fake/kantan with the real hook: runs in the background."""

    def __init__(self, instance, *packages, verb="install", switches=()):
        hook = " ".join(map(shlex.quote, [kantan.program("kantan-hook"), f"--bus={instance.bus.address}",
                                          f"--config={instance.config}", f"--state={instance.state}"]))
        self.db = os.path.join(instance.directory, "registry")
        self.error_path = os.path.join(instance.directory, "package-manager.log")
        with open(self.error_path, "ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, os.path.join(kantan.SOURCE, "tests", "fake", "kantan"), f"--db={self.db}",
                 f"--hook={hook}", *switches, verb, *packages],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)

    @property
    def pid(self):
        return self.process.pid

    def wait(self, timeout=30):
        """Its exit status; the main loop runs meanwhile."""
        kantan.wait_gone(self.process.pid, timeout)
        return self.process.wait()

    @property
    def errors(self):
        with open(self.error_path, encoding="utf-8") as f:
            return f.read()


def registry(instance):
    """What the fake package manager says is installed."""
    try:
        with open(os.path.join(instance.directory, "registry", "registry.json"), encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}
