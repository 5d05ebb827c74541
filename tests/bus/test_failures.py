# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that misbehave: in an update (OnFailure=, MaxFailures=, the progress deadline) and outside of one
(crashes, the start limit, the watchdog, stops that are not obeyed)."""
import os
import signal

import kantan
import pytest
from kantan import Refused, wait_for
from service import Service


def fake(instance, *habits, name="calc", count=2, health=None, **update):
    """A battery of fake-replicant with these habits, without a package."""
    instance.write_battery(name, {
        "Battery": {"Program": kantan.program("fake-replicant"), "Replicants": count,
                    **({"Arguments": ";".join(habits)} if habits else {})},
        "Update": {"StopTimeoutSec": "5s", "ReadyTimeoutSec": "5s", "WarnSec": "0", "SoakSec": "0", **update},
        **({"Health": health} if health else {})})
    return instance.battery(name)


def crash(instance, name, number):
    """Kills replicant NUMBER from outside and waits until that is told; its pid."""
    pid = instance.replicant(name, number).get("MainPID")
    stopped = len(instance.events.of("ReplicantStopped", name, replicant=number))
    os.kill(pid, signal.SIGKILL)
    instance.events.wait("ReplicantStopped", name, replicant=number, count=stopped + 1)
    return pid


# --- in an update ---

def test_ignored_sigterm_is_killed_and_confirmed(instance):
    service = Service(instance, StopTimeoutSec="200ms").up("1.0", "--ignore-term")
    before = service.processes()
    assert service.update("1.1", "--ignore-term")[0] == "done"
    service.expect("1.1")
    stops = instance.events.of("ReplicantStopped", "calc", confirmed=True, signal=signal.SIGKILL)
    assert sorted(e.detail["replicant"] for e in stops) == [1, 2, 3]
    assert not any(kantan.alive(pid) for pid, _ in before.values())


def test_children_left_behind_are_ended_too(instance):
    service = Service(instance, StopTimeoutSec="1s").up("1.0", "--leave-child")
    groups = {pid for pid, _ in service.processes().values()}
    assert len(members(groups)) == 6
    assert service.update("1.1")[0] == "done"
    service.expect("1.1")
    assert members(groups) == []


def members(groups):
    """Pids of all living processes whose process group is one of GROUPS."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) in groups and fields[0] not in "ZX":
            found.append(int(name))
    return found


def test_on_failure_pause_waits_for_a_person(instance):
    service = Service(instance, OnFailure="pause").up()
    update = service.begin("1.2", "--exit-at-once")
    update.wait_property("State", "paused")
    assert "status 3" in update.get("Reason")
    assert service.versions() == {2: "1.0", 3: "1.0"}
    update.Rollback()
    assert instance.wait_update(update.path)[0] == "rolled-back"
    service.expect("1.0")


def test_on_failure_continue_names_the_failed(instance):
    service = Service(instance, OnFailure="continue", MinActive="0", MaxUnavailable="3",
                      battery={"Arguments": ""})
    service.sections["Battery"]["Arguments"] = (
        f"--bus={instance.bus.address};--bus-name={service.bus_name};--state-dir={service.data}/%i")
    for n in (1, 2, 3):
        os.makedirs(os.path.join(service.data, str(n)))
    service.write()
    service.up()
    spoil = os.path.join(service.data, "2", "2.total")
    os.makedirs(spoil)  # replicant 2 cannot read its total any more
    state, reason = service.update("1.1")
    assert state == "failed" and "replicant 2" in reason and "replicant 1" not in reason
    assert {n: v for n, v in service.versions().items() if n != 2} == {1: "1.1", 3: "1.1"}
    assert service.links() == service.all("1.1")


def test_max_failures_are_tolerated(instance):
    service = Service(instance, MaxFailures="1", MaxUnavailable="1", MinActive="1").up()
    os.makedirs(os.path.join(service.data, "x"))
    spoil = os.path.join(service.data, "2.total")
    os.makedirs(spoil)
    state, reason = service.update("1.1")
    assert state == "done" and "replicant 2" in reason
    assert {n: v for n, v in service.versions().items() if n != 2} == {1: "1.1", 3: "1.1"}
    os.rmdir(spoil)
    service.battery.Restart()
    service.expect("1.1")


def test_progress_deadline(instance):
    """A soak that is longer than the deadline is no standstill; a start that does not get on is."""
    service = Service(instance, ProgressDeadlineSec="500ms", SoakSec="600ms", ReadyTimeoutSec="1h").up()
    assert service.update("1.1")[0] == "done"
    state, reason = service.update("1.2", "--hang")
    assert state == "rolled-back" and "ProgressDeadlineSec" in reason
    service.expect("1.1")


def test_going_back_that_fails_is_told(instance):
    service = Service(instance, OnFailure="pause").up()
    update = service.begin("1.2", "--exit-at-once")
    update.wait_property("State", "paused")
    os.makedirs(os.path.join(service.data, "1.total"))  # the old one cannot start either
    update.Rollback()
    state, reason = instance.wait_update(update.path)
    assert state == "failed" and "going back failed too" in reason
    assert service.links() == service.all("1.0")
    os.rmdir(os.path.join(service.data, "1.total"))  # what kept it down passes: it comes by itself
    service.battery.wait_property("State", "running")
    assert service.versions() == service.all("1.0")


# --- pinned ---

def test_pinned_after_a_rollback(instance):
    service = Service(instance).up()
    assert service.update("1.2", "--exit-at-once")[0] == "rolled-back"

    def ask(version):
        path = instance.manager.BeginTransaction(
            "kantan", [("upgrade", "calc", "1.0", version, service.package(version))])
        transaction = instance.transaction(path)
        transaction.wait_property("State", lambda s: s != "preparing")
        return transaction

    refused = ask("1.2")
    assert refused.get("State") == "refused" and "pinned" in refused.get("Reason")
    newer = ask("1.3")
    assert newer.get("State") == "granted"
    newer.Finish(False)
    newer.wait_property("State", "closed")
    service.expect("1.0")
    assert service.update("1.2")[0] == "rolled-back"  # a person may try it again


# --- outside of an update ---

def test_start_with_a_failing_program_answers_with_an_error(instance):
    battery = fake(instance, "--exit=3")
    instance.start()
    with pytest.raises(Refused) as refused:
        battery.Start()
    assert refused.value.name == "NoReplicant" and "status 3" in refused.value.text


def test_start_with_no_program_at_all(instance):
    instance.write_battery("calc", {"Battery": {"Program": "/nonexistent/calcd"}})
    instance.start()
    with pytest.raises(Refused) as refused:
        instance.battery("calc").Start()
    assert refused.value.name == "NoReplicant" and "calcd" in refused.value.text
    instance.battery("calc").Stop()
    assert instance.battery("calc").get("State") == "stopped"


def test_never_ready_is_stopped_and_told(instance):
    battery = fake(instance, "--never-ready", count=1, ReadyTimeoutSec="200ms")
    instance.start()
    with pytest.raises(Refused) as refused:
        battery.Start()
    assert "not ready" in refused.value.text
    assert instance.events.wait("ReplicantFailed", "calc").detail["replicant"] == 1


def test_crash_is_restarted(instance):
    battery = fake(instance, count=3)
    instance.start()
    battery.Start()
    before = instance.processes("calc")
    crash(instance, "calc", 2)
    instance.events.wait("ReplicantHealthy", "calc", count=4)
    after = instance.processes("calc")
    assert [n for n in before if before[n] != after[n]] == [2]
    battery.wait_property("State", "running")
    assert not instance.events.of("FloorBroken")


def test_several_killed_from_outside_break_the_floor(instance):
    battery = fake(instance, count=3)
    instance.start()
    battery.Start()
    for pid, _ in [instance.processes("calc")[n] for n in (1, 2)]:
        os.kill(pid, signal.SIGKILL)
    told = instance.events.wait("FloorBroken", "calc")
    assert told.detail["active"] == 1 and told.detail["floor"] == 2 and told.detail["by"]
    battery.wait_property("State", "running")
    assert sorted(instance.processes("calc")) == [1, 2, 3]


@pytest.mark.deadline(90)
def test_start_limit_then_restart_resets(instance):
    battery = fake(instance, "--exit=3", count=1, MinActive="0")
    instance.start()
    with pytest.raises(Refused):
        battery.Start()
    battery.wait_property("State", "failed", 30)
    assert len(instance.events.of("ReplicantStarted", "calc")) == 6
    assert "given up" in instance.replicant("calc", 1).get("Health")
    assert "`nyota start calc`" in battery.get("Next")
    times = [e.time_us for e in instance.events.of("ReplicantStarted", "calc")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[-1] > gaps[0] * 2  # back-off
    fake(instance, count=1, MinActive="0")
    instance.manager.Reload()
    battery.Restart()
    battery.wait_property("State", "running")


def test_restart_that_fails_leaves_the_others_alone(instance):
    """Without a package there is no earlier version: going back is to start the same again."""
    battery = fake(instance, count=3)
    instance.start()
    battery.Start()
    before = instance.processes("calc")
    fake(instance, "--exit=3", count=3)
    instance.manager.Reload()
    with pytest.raises(Refused) as refused:
        battery.Restart()
    assert refused.value.name == "NoReplicant" and "status 3" in refused.value.text
    assert instance.processes("calc") == {n: before[n] for n in (2, 3)}
    fake(instance, count=3)
    instance.manager.Reload()
    battery.Restart()
    battery.wait_property("State", "running")
    assert sorted(instance.processes("calc")) == [1, 2, 3]


def test_stop_while_it_backs_off(instance):
    battery = fake(instance, "--exit=3", count=1)
    instance.start()
    with pytest.raises(Refused):
        battery.Start()
    battery.Stop()
    assert battery.get("State") == "stopped"
    started = len(instance.events.of("ReplicantStarted"))
    instance.channel.Send("x-later", {}, timeout=5)
    assert len(instance.events.of("ReplicantStarted")) == started


def test_stop_interrupts_a_slow_start(instance):
    battery = fake(instance, "--never-ready", count=2, ReadyTimeoutSec="20s")
    instance.start()
    starting = battery.send("Start")
    instance.events.wait("ReplicantStarted", "calc", count=2)
    processes = instance.processes("calc")
    battery.Stop(timeout=10)
    with pytest.raises(Refused) as refused:
        starting.wait(5)
    assert refused.value.name == "Busy"
    assert not any(kantan.alive(pid) for pid, _ in processes.values())
    assert battery.get("State") == "stopped"


def test_watchdog_missed_is_restarted(instance):
    battery = fake(instance, "--watchdog=1", count=1, health={"WatchdogSec": "300ms"}, MinActive="0")
    instance.start()
    battery.Start()
    first = instance.processes("calc")[1]
    failed = instance.events.wait("ReplicantFailed", "calc")
    assert "WatchdogSec" in failed.detail["reason"]
    instance.events.wait("ReplicantHealthy", "calc", count=2)
    assert not kantan.alive(first[0])


def test_stop_kills_those_who_ignore_it(instance):
    battery = fake(instance, "--ignore-term", "--child", count=2, StopTimeoutSec="200ms")
    instance.start()
    battery.Start()
    groups = {pid for pid, _ in instance.processes("calc").values()}
    assert len(members(groups)) == 4
    battery.Stop()
    assert members(groups) == []
    assert len(instance.events.of("ReplicantStopped", "calc", confirmed=True, signal=9)) == 2


def test_check_fails_at_the_start(instance):
    battery = fake(instance, count=1, health={"Check": "exec:/bin/false"})
    instance.start()
    with pytest.raises(Refused) as refused:
        battery.Start()
    assert "check failed" in refused.value.text


def test_roll_waits_for_room_at_the_floor_and_says_so(instance):
    """One that is done already goes down and does not come back: nothing begins until it does."""
    gate = os.path.join(instance.directory, "gate")
    open(gate, "w", encoding="utf-8").close()
    service = Service(instance, SoakSec="200ms", health={"Check": f"exec:/usr/bin/test -e {gate}"}).up()
    update = service.begin("1.1")
    instance.events.wait("ReplicantHealthy", version="1.1", replicant=1)
    update.Pause()
    update.wait_property("Steps", lambda steps: all(s[2] in ("waiting", "admitted") for s in steps))
    os.unlink(gate)
    crash(instance, "calc", 1)
    update.Resume()
    wait_for(lambda: "room at the floor (2 active, 2 must stay)" in service.battery.get("Next"))
    assert update.get("State") == "running"
    open(gate, "w", encoding="utf-8").close()
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


def test_crash_of_an_untouched_one_during_a_roll(instance):
    service = Service(instance, SoakSec="1s").up()
    update = service.begin("1.1")
    instance.events.wait("ReplicantStarted", "calc", version="1.1")
    crash(instance, "calc", 3)
    assert instance.wait_update(update.path)[0] == "done"
    wait_for(lambda: len(service.processes()) == 3)
    service.expect("1.1")
