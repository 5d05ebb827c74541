# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delay and block locks: waited for, vetoing, gone with their holder, kept over the daemon's own death."""
import os
import subprocess

import kantan
import pytest
from kantan import Refused
from service import Service


def inhibit(instance, battery="calc", mode="delay", who="tester", why="busy"):
    return instance.manager.fd("Inhibit", battery, who, why, mode)


def held(instance):
    return [i[:4] for i in instance.manager.ListInhibitors()]


def test_listed_and_told(instance):
    Service(instance).up()
    fd = inhibit(instance)
    assert held(instance) == [("calc", "tester", "busy", "delay")]
    assert instance.manager.ListInhibitors()[0][4:] == (os.getuid(), os.getpid())
    taken = instance.events.wait("InhibitorTaken", "calc").detail
    assert [taken[k] for k in ("who", "why", "mode", "uid")] == ["tester", "busy", "delay", os.getuid()]
    os.close(fd)
    released = instance.events.wait("InhibitorReleased", "calc").detail
    assert released["who"] == "tester" and 0 <= released["held_seconds"] < 60
    assert held(instance) == []


@pytest.mark.parametrize("battery", ["calc", "*"])
def test_delay_is_waited_for_and_ends_early(instance, battery):
    service = Service(instance, InhibitDelayMaxSec="1h").up()
    fd = inhibit(instance, battery)
    before = service.processes()
    update = service.begin("1.1")
    instance.events.wait("UpdateWarning", to="1.1")
    service.battery.wait_property("State", "updating")
    assert update.get("State") == "warned" and service.processes() == before
    assert "tester" in service.battery.get("Next")
    os.close(fd)
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


def test_delay_ends_at_its_limit(instance):
    service = Service(instance, InhibitDelayMaxSec="300ms").up()
    fd = inhibit(instance)
    assert service.update("1.1")[0] == "done"
    assert held(instance)
    os.close(fd)


def test_delay_is_for_its_own_battery(instance):
    service = Service(instance, InhibitDelayMaxSec="1h").up()
    instance.write_trivial("other", 1)
    instance.manager.Reload()
    fd = inhibit(instance, "other")
    assert service.update("1.1")[0] == "done"
    os.close(fd)


@pytest.mark.parametrize("battery", ["calc", "*"])
def test_block_vetoes(instance, battery):
    service = Service(instance).up()
    before = service.processes()
    fd = inhibit(instance, battery, "block", who="auditor", why="audit")
    update = service.begin("2.0")
    state, reason = instance.wait_update(update.path)
    assert state == "vetoed" and "auditor" in reason and "audit" in reason
    transaction = instance.transaction(update.get("Transaction"))
    assert transaction.get("State") == "refused"
    assert service.processes() == before and service.links() == service.all("1.0")
    with pytest.raises(Refused) as refused:
        service.battery.Restart()
    assert refused.value.name == "Vetoed"
    os.close(fd)
    instance.events.wait("InhibitorReleased")
    assert service.update("2.0")[0] == "done"
    service.expect("2.0")


def test_block_beats_delay(instance):
    service = Service(instance, InhibitDelayMaxSec="1h").up()
    fds = [inhibit(instance), inhibit(instance, mode="block")]
    assert service.update("1.1")[0] == "vetoed"
    for fd in fds:
        os.close(fd)


def test_lock_goes_with_its_holder(instance):
    service = Service(instance, InhibitDelayMaxSec="1h").up()
    holder = hold_by_another(instance)
    update = service.begin("1.1")
    update.wait_property("State", "warned")
    holder.kill()
    holder.wait()
    assert instance.wait_update(update.path)[0] == "done"
    assert held(instance) == []


def hold_by_another(instance):
    """A process that holds a delay lock."""
    script = ("import sys; sys.path.insert(0, sys.argv[1])\n"
              "import kantan\n"
              "c = kantan.Client(sys.argv[2])\n"
              "fd = c.object(kantan.ROOT, 'Manager').fd('Inhibit', 'calc', 'other', 'work', 'delay')\n"
              "print('held', flush=True)\n"
              "sys.stdin.read()\n")
    process = subprocess.Popen([kantan.PYTHON, "-c", script, kantan.HERE, instance.bus.address],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_lock_survives_the_daemon(instance):
    service = Service(instance, InhibitDelayMaxSec="1h").up()
    fd = inhibit(instance)
    instance.restart()
    assert held(instance) == [("calc", "tester", "busy", "delay")]
    update = service.begin("1.1")
    update.wait_property("State", "warned")
    instance.restart()  # in the middle of the wait, too
    assert update.get("State") == "warned" and held(instance)
    os.close(fd)
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


def test_lock_vanishes_if_its_holder_died_with_the_daemon(instance):
    service = Service(instance, InhibitDelayMaxSec="1h").up()
    fd = inhibit(instance)
    instance.daemon.kill()
    os.close(fd)
    instance.start()
    instance.events.wait("InhibitorReleased", "calc")
    assert held(instance) == []
    assert service.update("1.1")[0] == "done"


def test_wrong_locks_are_refused(instance):
    Service(instance).up()
    for arguments, name in ((("nobody", "w", "y", "delay"), "NotFound"),
                            (("calc", "w", "y", "sometimes"), "InvalidArgument"),
                            (("calc", "", "y", "delay"), "InvalidArgument"),
                            (("calc", "w" * 600, "y", "delay"), "InvalidArgument")):
        with pytest.raises(Refused) as refused:
            instance.manager.fd("Inhibit", *arguments)
        assert refused.value.name == name


def test_too_many_locks(instance):
    Service(instance).up()
    fds = []
    with pytest.raises(Refused) as refused:
        for _ in range(300):
            fds.append(inhibit(instance))
    assert refused.value.name == "LimitsExceeded" and 1 < len(fds) <= 256
    for fd in fds:
        os.close(fd)
    instance.events.wait("InhibitorReleased", count=len(fds))
    os.close(inhibit(instance))
