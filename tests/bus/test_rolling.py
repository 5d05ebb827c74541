# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rolling updates: the floor as seen from outside, versions and links in the world, pause, cancel, canaries,
passive ones, going back on request, restarts."""
import kantan
import pytest
from kantan import Refused, wait_for
from service import Service, options


def least_active(service):
    return service.instance.events.of("UpdateFinished", service.name)[-1].detail["least_active"]


def assert_kept(service, sampler, floor):
    """FLOOR was the least, by our own count, and nobody who called from outside found fewer. (A replicant may
    be away for less than a round of calls: the sampler can miss one, it can never invent one.)"""
    assert sampler.least >= least_active(service) == floor


@pytest.mark.parametrize("count, width, floor", [(3, "1", 2), (6, "2", 4), (4, "50%", 2), (3, "10%", 2)])
def test_floor_is_kept_through_a_roll(instance, count, width, floor):
    service = Service(instance, replicants=count, MaxUnavailable=width).up()
    before = service.processes()
    with service.sampler() as sampler:
        sampler.wait_rounds()
        assert service.update("1.1") == ("done", "all replicants run the new version")
        sampler.wait_rounds()
    assert service.battery.get("Floor") == floor
    assert_kept(service, sampler, floor)
    service.expect("1.1")
    after = service.processes()
    assert all(after[n] != before[n] and not kantan.alive(before[n][0]) for n in before)
    assert service.battery.get("Version") == "1.1"


@pytest.mark.parametrize("habit, reason", [("--exit-at-once", "status 3"), ("--hang", "not ready"),
                                           ("--fail-check", "check failed"),
                                           ("--die-in-soak=0.05", "signal 6")])
def test_bad_version_goes_back_and_keeps_the_floor(instance, habit, reason):
    service = Service(instance, check=True, SoakSec="400ms", ReadyTimeoutSec="1s").up()
    before = service.processes()
    with service.sampler() as sampler:
        sampler.wait_rounds()
        state, why = service.update("1.2", habit)
        sampler.wait_rounds()
    assert state == "rolled-back" and reason in why
    assert_kept(service, sampler, 2)
    service.expect("1.0")
    untouched = [n for n, process in service.processes().items() if process == before[n]]
    assert sorted(untouched) == [2, 3]
    assert instance.events.of("UpdateRolledBack", "calc")


def test_rollback_in_the_middle_keeps_the_floor(instance):
    service = Service(instance, replicants=6, MaxUnavailable="2", RollbackMaxUnavailable="2",
                      SoakSec="50ms").up()
    with service.sampler() as sampler:
        sampler.wait_rounds()
        update = service.begin("1.1")
        instance.events.wait("ReplicantHealthy", version="1.1", count=3)
        update.Rollback()
        state, why = instance.wait_update(update.path)
        sampler.wait_rounds()
    assert (state, why) == ("rolled-back", "rolled back by a person")
    assert_kept(service, sampler, 4)
    service.expect("1.0")


def test_pause_and_resume(instance):
    service = Service(instance, SoakSec="50ms").up()
    update = service.begin("1.1")
    instance.events.wait("ReplicantHealthy", version="1.1")
    update.Pause()
    assert update.get("State") == "paused"
    with pytest.raises(Refused) as refused:
        update.Pause()
    assert refused.value.name == "Busy"
    update.wait_property("Steps", lambda steps: all(s[2] in ("waiting", "admitted", "failed") for s in steps))
    mixed = service.versions()
    assert sorted(mixed.values()) in (["1.0", "1.0", "1.1"], ["1.0", "1.1", "1.1"])
    update.Resume()
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


@pytest.mark.parametrize("word, verdict", [("Cancel", "cancelled"), ("Rollback", "rolled-back")])
def test_going_back_from_pause(instance, word, verdict):
    service = Service(instance, SoakSec="50ms").up()
    update = service.begin("1.1")
    instance.events.wait("ReplicantHealthy", version="1.1")
    service.battery.Pause()
    getattr(update, word)()
    assert instance.wait_update(update.path)[0] == verdict
    service.expect("1.0")


@pytest.mark.parametrize("moment", ["ReplicantDraining", "ReplicantStopped", "ReplicantStarted"])
def test_cancel_at_several_moments(instance, moment):
    service = Service(instance, SoakSec="50ms").up()
    instance.events.all.clear()
    with service.sampler() as sampler:
        update = service.begin("1.1")
        instance.events.wait(moment, "calc")
        update.Cancel()
        assert instance.wait_update(update.path)[0] == "cancelled"
        sampler.wait_rounds()
    assert sampler.least >= 2
    service.expect("1.0")


def test_cancel_while_warned_touches_nothing(instance):
    service = Service(instance).up()
    before = service.processes()
    service.write(WarnSec="1h")
    instance.manager.Reload()
    update = service.begin("1.1")
    update.wait_property("State", "warned")
    with pytest.raises(Refused) as refused:
        update.Rollback()
    assert refused.value.name == "Busy"
    update.Cancel()
    assert instance.wait_update(update.path) == ("cancelled", "cancelled by a person")
    assert service.processes() == before
    with pytest.raises(Refused) as refused:
        update.Cancel()
    assert refused.value.name == "Busy"


def test_rollback_of_a_battery_after_done(instance):
    service = Service(instance).up()
    with pytest.raises(Refused) as refused:
        service.battery.Rollback()
    assert refused.value.name == "NotFound"
    assert service.update("1.1")[0] == "done"
    with service.sampler() as sampler:
        sampler.wait_rounds()
        path = service.battery.Rollback()
        assert instance.wait_update(path)[0] == "done"
        sampler.wait_rounds()
    assert_kept(service, sampler, 2)
    service.expect("1.0")
    assert service.battery.get("Version") == "1.0"
    # What is on disk went back too, and what was left does not come again by itself.
    with pytest.raises(Refused) as refused:
        service.battery.Update()
    assert refused.value.name == "NotFound"
    path = instance.manager.BeginTransaction(
        "kantan", [("upgrade", "calc", "1.0", "1.1", service.package("1.1"))])
    transaction = instance.transaction(path)
    transaction.wait_property("State", "refused")
    assert "pinned" in transaction.get("Reason")
    assert service.update("1.1")[0] == "done"


def test_battery_update_rolls_to_what_is_installed(instance):
    service = Service(instance).up()
    with pytest.raises(Refused) as refused:
        service.battery.Update()
    assert refused.value.name == "NotFound"
    other = Service(instance, name="other", battery={"Packages": "calc"})  # finds calc installed
    instance.manager.Reload()
    assert instance.wait_update(other.battery.Update())[0] == "done"
    assert other.battery.get("Version") == "1.0"
    with pytest.raises(Refused) as refused:
        other.battery.Update()
    assert refused.value.name == "NotFound"


def test_person_is_busy_while_an_update_runs(instance):
    service = Service(instance, SoakSec="100ms").up()
    update = service.begin("1.1")
    for act in (lambda: service.begin("1.2"), service.battery.Restart, service.battery.Stop,
                service.battery.Rollback, instance.replicant("calc", 1).Restart):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.name == "Busy"
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


def test_canary_soaks_until_promoted(instance):
    service = Service(instance, Canary="1", CanarySoakSec="1h").up()
    update = service.begin("1.1")
    update.wait_property("Steps", lambda steps: any(s[2] == "soaking" for s in steps))
    assert sorted(service.versions().values()) == ["1.0", "1.0", "1.1"]
    update.Promote()
    assert instance.wait_update(update.path)[0] == "done"
    service.expect("1.1")


def test_canary_that_dies_takes_nobody_along(instance):
    service = Service(instance, Canary="1", CanarySoakSec="10s").up()
    before = service.processes()
    assert service.update("1.2", "--die-in-soak=0.05")[0] == "rolled-back"
    assert sorted(n for n, p in service.processes().items() if p == before[n]) == [2, 3]
    service.expect("1.0")


def test_passive_ones_first(instance):
    service = Service(instance, replicants=4, battery={"Passive": 2}).up()
    assert service.battery.get("Desired") == 2
    assert {n: r["State"] for n, r in instance.replicants("calc").items()} == {
        1: "active", 2: "active", 3: "passive", 4: "passive"}
    instance.events.all.clear()
    assert service.update("1.1")[0] == "done"
    order = [e.detail["replicant"] for e in instance.events.of("ReplicantStarted")]
    assert order == [3, 4, 1, 2]
    assert least_active(service) == 1


def test_roll_that_cannot_keep_the_floor_is_refused(instance):
    service = Service(instance, replicants=1, MinActive="1").up()
    before = service.processes()
    with pytest.raises(Refused) as refused:
        service.begin("1.1")
    assert refused.value.name == "FloorWouldBreak"
    with pytest.raises(Refused) as refused:
        service.battery.Restart()
    assert refused.value.name == "FloorWouldBreak"
    with pytest.raises(Refused) as refused:
        instance.replicant("calc", 1).Restart()
    assert refused.value.name == "FloorWouldBreak"
    assert service.processes() == before and service.battery.get("CurrentUpdate") == "/"
    assert service.update("1.1", override=True)[0] == "done"
    service.expect("1.1")


def test_restart_of_a_battery_keeps_the_floor(instance):
    service = Service(instance).up()
    before = service.processes()
    with service.sampler() as sampler:
        sampler.wait_rounds()
        service.battery.Restart()
        sampler.wait_rounds()
    assert_kept(service, sampler, 2)
    after = service.processes()
    assert all(after[n] != before[n] for n in before)
    service.expect("1.0")


def test_restart_of_a_replicant(instance):
    service = Service(instance).up()
    before = service.processes()
    instance.replicant("calc", 2).Restart()
    after = service.processes()
    assert [n for n in before if after[n] != before[n]] == [2]
    assert instance.replicant("calc", 2).get("State") == "active"


def test_drain_and_role_respect_the_floor(instance):
    service = Service(instance).up()
    one, two = (instance.replicant("calc", n) for n in (1, 2))
    one.Drain()
    assert service.battery.get("Active") == 2
    for act in (two.Drain, lambda: two.SetRole("passive"), two.Restart,
                service.battery.Restart):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.name == "FloorWouldBreak"
    two.Drain(options(override=True))
    assert service.battery.get("Active") == 1
    one.Admit()
    two.Admit()
    service.battery.wait_property("Active", 3)
    one.SetRole("passive")
    assert instance.events.wait("RoleChanged", "calc").detail == {"replicant": 1, "role": "passive"}


def test_strategy_follows_the_compatibility(instance):
    service = Service(instance).up()
    cases = [("1.1", None, {}, "rolling"), ("2.0", None, {}, "full-stop"), ("2.1", None, {}, "rolling"),
             ("3.0", "2", {}, "rolling"), ("3.1", "9", {}, "full-stop"),
             ("3.2", "9", {"strategy": "full-stop"}, "full-stop"),
             ("4.0", None, {"strategy": "rolling"}, "rolling")]
    for version, compatibility, how, strategy in cases:
        update = service.begin(version, "", compatibility, **how)
        assert update.get("Strategy") == strategy
        assert instance.wait_update(update.path)[0] == "done"
        service.expect(version)


def test_update_to_the_same_version_changes_nothing(instance):
    service = Service(instance).up()
    before = service.processes()
    assert service.update("1.0")[0] == "done"
    assert service.processes() == before
    wait_for(lambda: service.battery.get("CurrentUpdate") == "/")
