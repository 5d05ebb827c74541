# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waits that nothing would end, and what a failed way back leaves behind."""
import os
import signal

import kantan
import pytest
from kantan import Refused, wait_for
from service import Service, options


BAD_SECOND = ("$( [ \"$KANTAN_REPLICANT\" = 2 ] && echo --fail-check )")


def test_going_back_needs_no_room_for_those_who_serve_nobody(instance):
    """1 runs the new version, 2 failed with it: the floor forbids 1 to go first, so 2 must."""
    service = Service(instance, check=True).up()
    before = service.processes()
    with service.sampler() as sampler:
        state, reason = service.update("1.1", BAD_SECOND)
        sampler.wait_rounds()
    assert state == "rolled-back" and "replicant 2" in reason
    service.expect("1.0")
    assert service.processes()[3] == before[3]
    assert sampler.least >= 2
    started = [e.detail["version"] for e in instance.events.of("ReplicantStarted", replicant=2)]
    assert started == ["1.0", "1.1", "1.0"]  # nobody else tried the bad version again meanwhile


def test_drained_one_may_be_admitted_while_an_update_waits_for_it(instance):
    service = Service(instance, MinActive=1, SoakSec="1s").up()
    instance.replicant("calc", 3).Drain()
    update = service.begin("1.1")
    instance.events.wait("UpdateStarted", to="1.1")
    instance.replicant("calc", 3).Admit()
    with pytest.raises(Refused):
        instance.replicant("calc", 3).Drain()
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


ONCE = ("$( [ -e {flag} ] && echo --exit=3 )")


def test_restart_after_a_failed_way_back_stays_with_the_old_version(instance):
    """The battery's version is where its links lead, not where the failed update wanted to go."""
    flag = os.path.join(instance.directory, "flag")
    service = Service(instance, ReadyTimeoutSec="2s", check=True).up("1.0", ONCE.format(flag=flag))
    with open(flag, "w"):
        pass
    state, reason = service.update("1.1", "--fail-check")
    assert state == "failed" and "going back failed" in reason
    os.remove(flag)
    assert service.battery.get("Version") == "1.0"
    service.battery.Restart()
    service.expect("1.0")


def test_stop_is_not_complete_while_a_start_is_on_its_way(instance):
    instance.write_trivial("calc", 3)
    instance.start()
    for _ in range(5):
        start = instance.battery("calc").send("Start")
        instance.battery("calc").Stop()
        assert instance.processes("calc") == {}
        assert instance.battery("calc").get("State") == "stopped"
        with pytest.raises(Refused):
            start.wait()


def test_failed_check_is_tried_again_with_growing_waits(instance):
    service = Service(instance, replicants=1, check=True, MinActive=0).up()
    service.battery.Stop()
    service.sections["Health"]["Check"] = "exec:/bin/false"
    service.write()
    instance.manager.Reload()
    with pytest.raises(Refused):
        service.battery.Start()
    instance.replicant("calc", 1).wait_property("Health", lambda h: h.startswith("given up"), 30)
    started = [e.time_us for e in instance.events.of("ReplicantStarted")][-6:]
    assert len(started) == 6
    gaps = [(b - a) / 1e6 for a, b in zip(started, started[1:])]
    assert all(gap >= 0.1 * 2 ** i for i, gap in enumerate(gaps)), gaps


def test_fewer_replicants_after_a_restart_in_the_middle_of_a_roll(instance):
    service = Service(instance, SoakSec="1s").up()
    update = service.begin("1.1")
    instance.events.wait("ReplicantStarted", version="1.1", replicant=1)
    instance.daemon.kill()
    service.sections["Battery"]["Replicants"] = service.replicants = 2
    service.write()
    instance.start()
    assert instance.wait_update(update.path)[0] == "done"
    wait_for(lambda: sorted(instance.replicants("calc")) == [1, 2], 10)
    service.expect("1.1")


def test_going_back_without_room_ends(instance):
    """Nobody comes back, the floor never has room: the way back ends in a verdict."""
    flag = os.path.join(instance.directory, "flag")
    service = Service(instance, SoakSec="0", ProgressDeadlineSec="3s", check=True)
    service.up("1.0", f'$( [ "$KANTAN_REPLICANT" = 3 ] && [ -e {flag} ] && echo --exit=3 )')
    update = service.begin("1.1", f'$( [ "$KANTAN_REPLICANT" = 2 ] && echo --never-ready )')
    instance.events.wait("ReplicantStarted", version="1.1", replicant=2)
    with open(flag, "w"):
        pass
    os.kill(service.processes()[3][0], 9)
    state, reason = instance.wait_update(update.path, 40)
    assert state == "failed", reason
    os.remove(flag)
    service.battery.Restart(options(override=True))
    service.expect("1.0")


def test_failed_restart_does_not_pin_what_runs(instance):
    flag = os.path.join(instance.directory, "flag")
    service = Service(instance, check=True).up("1.0", ONCE.format(flag=flag))
    with open(flag, "w"):
        pass
    with pytest.raises(Refused):
        service.battery.Restart()
    os.remove(flag)
    service.battery.Restart()
    service.expect("1.0")
    made = instance.manager.BeginTransaction(
        "kantan", [("reinstall", "calc", "1.0", "1.0", service.package("1.0"))])
    assert instance.transaction(made).wait_property("State", {"granted", "refused"}) == "granted"


def test_way_back_lets_nobody_into_the_version_it_leaves(instance):
    """2 soaks well as 1 fails: it waits for its own way back and is not admitted meanwhile."""
    service = Service(instance, replicants=4, MaxUnavailable=2, check=True, SoakSec="2s").up()
    update = service.begin("1.1", '$( [ "$KANTAN_REPLICANT" = 1 ] && echo --die-in-soak )')
    assert instance.wait_update(update.path)[0] == "rolled-back"
    service.expect("1.0")
    assert not instance.events.of("ReplicantHealthy", version="1.1")


def test_who_crashed_before_a_full_stop_that_was_cancelled_comes_back(instance):
    """Crashed while an update had it in its hands and then let go without a step: supervision looks again."""
    instance.write_trivial("other", 1)
    first = Service(instance, name="storage", battery={"After": "calc"}).up()
    instance.battery("other").Start()
    service = Service(instance)
    instance.manager.Reload()
    service.up()
    first.sections["Battery"]["Arguments"] += ";--ignore-term"
    assert first.update("1.1", "--ignore-term")[0] == "done"
    first.write(StopTimeoutSec="20s")
    instance.manager.Reload()
    made = instance.manager.BeginTransaction("kantan", [
        ("upgrade", "storage", "1.1", "2.0", first.package("2.0")),
        ("upgrade", "calc", "1.0", "2.0", service.package("2.0"))])
    instance.events.wait("ReplicantDraining", "storage", count=4)  # three rolled before
    victim = service.processes()[2][0]
    os.kill(victim, signal.SIGKILL)
    instance.events.wait("ReplicantStopped", "calc", replicant=2, signal=9)
    os.kill(instance.processes("other")[1][0], signal.SIGKILL)  # whose back-off ends after that of calc's
    instance.events.wait("ReplicantHealthy", "other", count=2)
    update = service.battery.get("CurrentUpdate")
    instance.update(update).Cancel()
    assert instance.wait_update(update)[0] == "cancelled"
    service.battery.wait_property("State", "running")
    assert service.versions() == service.all("1.0")
    assert made


def test_cancelled_before_the_files_takes_those_along_that_require_it(instance):
    storage = Service(instance, name="storage").up()
    service = Service(instance, battery={"Requires": "storage"})
    instance.manager.Reload()
    service.up()
    before = service.processes()
    made = instance.transaction(instance.manager.BeginTransaction("kantan", [
        ("upgrade", "storage", "1.0", "1.1", storage.package("1.1")),
        ("upgrade", "calc", "1.0", "1.1", service.package("1.1"))]))
    made.wait_property("State", "granted")
    updates = {instance.update(path).get("Battery"): path for path in made.get("Updates")}
    instance.update(updates["storage"]).Cancel()
    assert instance.wait_update(updates["storage"])[0] == "cancelled"
    made.Finish(True)
    state, reason = instance.wait_update(updates["calc"])
    assert state == "cancelled" and "storage" in reason
    assert service.processes() == before
