# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests' own tools: deadlines fail, orphans end, the bus is open to every uid, the sampler sees."""
import os
import subprocess

import kantan
import pytest

STAND_IN = """
import dbus, dbus.service, sys
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib
bus = dbus.bus.BusConnection(sys.argv[1], mainloop=DBusGMainLoop())
names = [dbus.service.BusName(n, bus) for n in sys.argv[2:]]
print("ready", flush=True)
GLib.MainLoop().run()
"""


def stand_in(instance, *names):
    """A program that owns NAMES and answers pings."""
    process = subprocess.Popen([kantan.PYTHON, "-c", STAND_IN, instance.bus.address, *names],
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_wait_for_fails_at_its_deadline():
    with pytest.raises(AssertionError, match="not within 0.05 s: a miracle"):
        kantan.wait_for(lambda: False, 0.05, "a miracle")


def test_orphans_end_with_the_reaper(tmp_path):
    script = "(trap '' TERM; echo $$ >&2; exec tail -f /dev/null) & echo started; kill -9 $$"
    reaper = subprocess.Popen([kantan.PYTHON, "-IS", os.path.join(kantan.HERE, "reaper.py"),
                               tmp_path / "log", "/bin/sh", "-c", script],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reaper.stdout.readline().startswith("pid ")
    assert reaper.stdout.readline() == "exit -9\n"
    with open(f"/proc/{reaper.pid}/task/{reaper.pid}/children", encoding="ascii") as f:
        orphans = f.read().split()
    assert len(orphans) == 1 and kantan.alive(orphans[0])
    reaper.stdin.close()
    assert reaper.wait(10) == 0
    assert not kantan.alive(orphans[0])


def test_wait_gone():
    process = subprocess.Popen(["tail", "-f", "/dev/null"])
    assert kantan.start_ticks(process.pid)
    process.kill()
    kantan.wait_gone(process.pid)
    assert not kantan.alive(process.pid)
    process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_client_of_another_uid(instance):
    with instance.client_of_uid(65534) as other:
        unique = other.connection.get_unique_name()
        uid = instance.client.call("/org/freedesktop/DBus", kantan.DBUS, "GetConnectionUnixUser", "s",
                                   unique, dest=kantan.DBUS)
        assert uid == 65534


def test_sampler_sees_who_answers(instance):
    all_three = stand_in(instance, *(f"org.example.Calc.r{n}" for n in (1, 2)))
    third = stand_in(instance, "org.example.Calc.r3")
    with instance.sampler("org.example.Calc", 3) as sampler:
        third.kill()
        third.wait()
        instance.client.wait_name("org.example.Calc.r3", owned=False)
        sampler.wait_rounds()
    assert sampler.least == 2
    assert sampler.lows[-1][1] == ["r1", "r2"]
    all_three.kill()
    all_three.wait()


def test_refusals_are_told(instance):
    with pytest.raises(kantan.Refused) as refused:
        instance.client.call("/", "a.b", "C", dest="org.example.Nobody")
    assert refused.value.name.endswith((".ServiceUnknown", ".NameHasNoOwner"))
    assert instance.client.owner(kantan.NAME) is None
