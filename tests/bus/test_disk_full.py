# SPDX-License-Identifier: LGPL-2.1-or-later
"""A full disk: the state directory on a small file system of its own. What runs goes on, what is asked is
refused with the reason, and everything goes on when there is room again."""
import os
import subprocess

import kantan
import pytest
from kantan import BUILD, Refused, wait_for

PACKAGE = os.path.join(BUILD, "examples", "calc", "calc_1.0.kantan")
SIZE = "4m"


@pytest.fixture
def small(instance):
    """An instance whose state lies on a tmpfs of SIZE."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    os.makedirs(instance.state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", instance.state],
                   check=True)
    instance.write_trivial("calc", 2, WarnSec="0s", OnFailure="continue")
    instance.write_battery("other", {"Battery": {"Packages": "calc", "Program": "bin/calcd",
                                                 "Stateless": "yes", "Replicants": 1}})
    try:
        instance.start()
        instance.battery("calc").Start()
        yield instance
        assert instance.daemon.running, instance.log[-3000:]
        instance.daemon.terminate()
    finally:
        subprocess.run(["umount", "--lazy", instance.state], check=True)


def fill(instance):
    """Leaves no room at all; returns the file that takes it."""
    path = os.path.join(instance.state, "ballast")
    block = bytes(4096)
    with open(path, "ab", buffering=0) as f:
        try:
            while True:
                f.write(block)
        except OSError as error:
            assert error.errno == 28
    return path


def bring_into_trouble(instance):
    """Fills the disk until the journal has noticed. Its log has a megabyte of room in its own file: events
    are sent until that is used up."""
    path = fill(instance)
    battery = instance.battery("calc")
    sent = []

    def noticed():
        if len(sent) < 20000 and all(p.done for p in sent[-32:]):
            sent.extend(instance.channel.send("Send", "x-fill", {"text": "x" * 3000}) for _ in range(32))
        if any(p.error for p in sent[-64:]):
            return True
        return "journal" in battery.get("Reason")
    wait_for(noticed, 30, "trouble with the journal")
    return path, sent


@pytest.mark.deadline(120)
def test_a_full_journal_refuses_and_recovers(small):
    battery, before = small.battery("calc"), small.processes("calc")
    ballast, sent = bring_into_trouble(small)
    battery.wait_property("Reason", lambda text: "journal cannot be written" in text)
    for call in (lambda: battery.Stop(), lambda: battery.Restart(), lambda: battery.Rollback(),
                 lambda: small.replicant("calc", 1).Drain(), lambda: small.manager.Reload(),
                 lambda: small.manager.BeginTransaction("kantan", [("upgrade", "x", "1", "2", "-")]),
                 lambda: small.manager.Update([PACKAGE]), lambda: small.manager.PlanUpdate([PACKAGE]),
                 lambda: small.channel.Send("x-more", {}),
                 lambda: small.manager.fd("Inhibit", "*", "me", "tests", "delay")):
        with pytest.raises(Refused) as error:
            call()
        assert error.value.name == "LimitsExceeded", str(error.value)
        assert "journal cannot be written" in error.value.text
    # looking goes on
    assert [b[0] for b in small.manager.ListBatteries()] == ["calc", "other"]
    assert battery.get("State") == "running" and battery.get("Active") == 2
    assert small.manager.History("", 0) == []
    assert len(small.channel.Since(0, 2)) == 2
    with pytest.raises(Refused) as error:
        small.manager.FindTransaction(1)
    assert error.value.name == "NotFound"
    assert small.processes("calc") == before
    # and room comes back
    os.unlink(ballast)
    battery.wait_property("Reason", lambda text: "journal" not in text, 20)
    for pending in sent:
        wait_for(lambda: pending.done, 20, "an answer")
    told = [p for p in sent if not p.error]
    small.events.wait("x-fill", count=len(told))
    assert small.processes("calc") == before
    battery.Restart()
    assert battery.get("Active") == 2


@pytest.mark.deadline(120)
def test_an_update_in_the_middle_goes_on_when_there_is_room(small):
    battery, before = small.battery("calc"), small.processes("calc")
    small.write_trivial("calc", 2, WarnSec="0s", SoakSec="2s", OnFailure="pause")
    small.manager.Reload()
    restart = battery.send("Restart", timeout=80)
    battery.wait_property("State", "updating")
    ballast, _ = bring_into_trouble(small)
    assert not restart.done or restart.error is None
    assert any(kantan.alive(pid) for pid in [r["MainPID"] for r in small.replicants("calc").values()] if pid)
    os.unlink(ballast)
    restart.wait(80)
    assert battery.get("Active") == 2
    after = small.processes("calc")
    assert not set(after.values()) & set(before.values())


def test_a_package_that_does_not_fit(small):
    before = small.processes("calc")
    path = fill(small)
    with open(path, "r+b") as f:  # room for the journal, not for a package
        f.truncate(os.path.getsize(path) - 65536)
    with pytest.raises(Refused) as error:
        small.manager.Update([PACKAGE])
    assert "space" in error.value.text.lower() or "room" in error.value.text.lower(), str(error.value)
    packages = os.path.join(small.state, "packages")
    assert [n for n in os.listdir(packages) if not n.startswith(".")] == []
    assert small.processes("calc") == before
    os.unlink(path)
    plan = small.manager.PlanUpdate([PACKAGE])
    assert '"updates"' in plan
