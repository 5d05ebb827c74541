# SPDX-License-Identifier: LGPL-2.1-or-later
"""The direct runner through the daemon's own end: who survives it, who is adopted, who is noticed as gone."""
import os
import signal

import kantan
import pytest
from kantan import Refused
from service import Service


def test_replicants_survive_sigterm_and_are_adopted(instance):
    service = Service(instance).up()
    before = service.processes()
    with service.sampler() as sampler:
        assert instance.daemon.terminate() == 0
        sampler.wait_rounds()
        instance.start()
        sampler.wait_rounds()
    assert sampler.least == 3
    assert service.processes() == before
    service.expect("1.0")
    assert not instance.events.of("ReplicantStopped")
    service.battery.Stop()  # adopted ones are ours to stop
    assert not any(kantan.alive(pid) for pid, _ in before.values())
    assert len(instance.events.of("ReplicantStopped", "calc", confirmed=True)) == 3


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_one_that_died_while_the_daemon_was_away(instance, how):
    service = Service(instance).up()
    before = service.processes()
    getattr(instance.daemon, how)()
    os.kill(before[2][0], signal.SIGKILL)
    kantan.wait_gone(before[2][0])
    instance.start()
    instance.events.wait("ReplicantStopped", "calc", replicant=2)
    instance.events.wait("ReplicantHealthy", "calc", replicant=2, count=2)
    service.expect("1.0")
    after = service.processes()
    assert [n for n in before if after[n] != before[n]] == [2]


def test_adopted_one_that_crashes_is_restarted(instance):
    service = Service(instance).up()
    instance.restart()
    before = service.processes()
    os.kill(before[1][0], signal.SIGKILL)
    instance.events.wait("ReplicantStopped", "calc", replicant=1)
    instance.events.wait("ReplicantHealthy", "calc", replicant=1, count=2)
    service.expect("1.0")


def test_stopped_battery_stays_stopped(instance):
    service = Service(instance).up()
    service.battery.Stop()
    instance.restart()
    assert service.battery.get("State") == "stopped" and service.processes() == {}


def test_given_up_ones_stay_given_up(instance):
    instance.write_battery("calc", {"Battery": {"Program": "/bin/false"}, "Update": {"MinActive": 0}})
    instance.start()
    with pytest.raises(Refused):
        instance.battery("calc").Start()
    instance.battery("calc").wait_property("State", "failed", 20)
    started = len(instance.events.of("ReplicantStarted"))
    instance.restart()
    assert instance.battery("calc").get("State") == "failed"
    assert len(instance.events.of("ReplicantStarted")) == started


@pytest.mark.parametrize("version, strategy", [("1.1", "rolling"), ("2.0", "full-stop")])
@pytest.mark.parametrize("moment", ["ReplicantStopped", "ReplicantStarted", "ReplicantHealthy"])
def test_daemon_dies_in_an_update(instance, version, strategy, moment):
    service = Service(instance, SoakSec="50ms").up()
    instance.events.all.clear()
    with service.sampler() as sampler:
        update = service.begin(version)
        instance.events.wait(moment, "calc")
        instance.restart()
        state, reason = instance.wait_update(update.path)
    assert state == "done", reason
    service.expect(version)
    assert strategy == "full-stop" or sampler.least >= 2


@pytest.mark.parametrize("version", ["1.2", "2.2"])
def test_daemon_dies_while_going_back(instance, version):
    service = Service(instance, SoakSec="50ms").up()
    update = service.begin(version, "--exit-at-once")
    update.wait_property("State", "rolling-back")
    instance.restart()
    assert instance.wait_update(update.path)[0] == "rolled-back"
    service.expect("1.0")


def test_paused_stays_paused(instance):
    service = Service(instance, SoakSec="50ms").up()
    update = service.begin("1.1")
    instance.events.wait("ReplicantHealthy", version="1.1")
    update.Pause()
    instance.restart()
    assert update.get("State") == "paused"
    update.Resume()
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


def test_environment_and_output(instance):
    instance.write_battery("calc", {"Battery": {
        "Program": kantan.program("fake-replicant"),
        "Arguments": "--environment;--print=one line;--say=STATUS=fine"}})
    instance.start()
    instance.battery("calc").Start()
    pid = instance.replicant("calc", 1).get("MainPID")
    environment = kantan.environment(pid)
    assert (environment["KANTAN_BATTERY"], environment["KANTAN_REPLICANT"]) == ("calc", "1")
    assert environment["NOTIFY_SOCKET"] and "KANTAN_CONTROLLER" not in environment
    kantan.wait_for(lambda: instance.replicant("calc", 1).get("Status") == "fine")
    assert any("calc/1" in line and "one line" in line for line in instance.log.splitlines())
    assert os.getpgid(pid) == pid
