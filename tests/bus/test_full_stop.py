# SPDX-License-Identifier: LGPL-2.1-or-later
"""Full stop: nobody of the old ones lives when the verdict is granted, nobody of the new ones before the
package manager is done; and every way back."""
import kantan
import pytest
from kantan import Refused, wait_for
from service import Service


def begin(service, operation, old, new, *, compatibility=None, arguments=""):
    """A transaction of ours (this connection owns it), as a package manager begins one."""
    archive = "-" if new == "-" else service.package(new, arguments, compatibility)
    path = service.instance.manager.BeginTransaction("kantan", [(operation, service.name, old, new, archive)])
    return service.instance.transaction(path)


def verdict(transaction, timeout=20):
    transaction.wait_property("State", lambda s: s != "preparing", timeout)
    return transaction.get("State")


def update_of(transaction):
    paths = transaction.get("Updates")
    assert len(paths) == 1
    return transaction.client.object(paths[0], "Update")


def finish(transaction, success=True):
    """The package manager's last word; the update's (state, reason)."""
    update = update_of(transaction)
    transaction.Finish(success)
    state = update.wait_property("State", kantan.FINAL, 30)
    transaction.wait_property("State", "closed")
    return state, update.get("Reason")


def test_old_ones_are_gone_at_the_verdict_and_new_ones_wait_for_the_end(instance):
    service = Service(instance).up()
    before = service.processes()
    heard = []

    def on_verdict(granted, reason):
        heard.append((bool(granted), [pid for pid, _ in before.values() if kantan.alive(pid)]))

    match = instance.client.on_signal(on_verdict, signal_name="Verdict",
                                      dbus_interface=f"{kantan.NAME}.Transaction")
    transaction = begin(service, "upgrade", "1.0", "2.0")
    assert verdict(transaction) == "granted"
    wait_for(lambda: heard)
    match.remove()
    assert heard == [(True, [])]
    update = update_of(transaction)
    assert (update.get("State"), update.get("Strategy")) == ("replacing", "full-stop")
    instance.events.wait("ReplicantStopped", "calc", confirmed=True, count=3)
    # Neither a crash restart nor a Start brings one up before the end.
    with pytest.raises(Refused) as refused:
        service.battery.Start()
    assert refused.value.name == "Busy"
    assert service.processes() == {} and service.links() == service.all("1.0")
    assert instance.client.names("org.example.Calc.r") == []
    assert finish(transaction)[0] == "done"
    service.expect("2.0")
    kinds = [e.kind for e in instance.events.all if e.battery == "calc"]
    last_stop = max(i for i, k in enumerate(kinds) if k == "ReplicantStopped")
    assert kinds.index("UpdateStarted", 3) > last_stop


def test_who_is_surplus_does_not_live_on_beside_the_new_version(instance):
    """The file wants fewer, the floor kept one of those too many up: a full stop takes it as well."""
    service = Service(instance).up()
    instance.replicant("calc", 1).Drain()
    service.sections["Battery"]["Replicants"] = 2
    service.write(MinActive="2")
    instance.manager.Reload()
    before = service.processes()
    assert set(before) == {1, 2, 3}  # 2 and 3 are active: the floor has no room for 3 to go
    transaction = begin(service, "upgrade", "1.0", "2.0")
    assert verdict(transaction) == "granted"
    assert [pid for pid, _ in before.values() if kantan.alive(pid)] == []
    assert finish(transaction)[0] == "done"
    assert service.versions() == {1: "2.0", 2: "2.0"}


def test_abort_brings_the_old_version_back(instance):
    service = Service(instance).up()
    transaction = begin(service, "upgrade", "1.0", "2.0")
    assert verdict(transaction) == "granted"
    state, reason = finish(transaction, False)
    assert state == "cancelled" and "package manager" in reason
    service.expect("1.0")
    transaction.Finish(True)  # said twice is said once
    service.expect("1.0")


def test_owner_that_disconnects_brings_the_old_version_back(instance):
    service = Service(instance).up()
    file = service.package("2.0")
    other = kantan.Client(instance.bus.address)
    path = other.object(kantan.ROOT, "Manager").BeginTransaction(
        "kantan", [("upgrade", "calc", "1.0", "2.0", file)])
    assert verdict(instance.transaction(path)) == "granted"
    other.close()
    instance.transaction(path).wait_property("State", "closed")
    service.expect("1.0")


def test_cancel_while_replacing(instance):
    service = Service(instance).up()
    transaction = begin(service, "upgrade", "1.0", "2.0")
    assert verdict(transaction) == "granted"
    update = update_of(transaction)
    update.Cancel()
    assert instance.wait_update(update.path)[0] == "cancelled"
    service.expect("1.0")
    transaction.Finish(False)
    transaction.wait_property("State", "closed")


def test_new_version_that_fails_goes_back_together(instance):
    service = Service(instance, check=True).up()
    assert service.update("2.0", "--fail-check")[0] == "rolled-back"
    service.expect("1.0")
    starts = instance.events.of("ReplicantStarted", "calc")
    stops = instance.events.of("ReplicantStopped", "calc")
    back = [e for e in starts if e.detail["version"] == "1.0"][3:]
    new = {e.detail["pid"] for e in starts if e.detail["version"] == "2.0"}
    assert len(back) == 3 and not any(kantan.alive(pid) for pid in new)
    assert max(e.sequence for e in stops) < min(e.sequence for e in back)  # never side by side


def test_ignored_sigterm_does_not_let_the_verdict_pass(instance):
    service = Service(instance, StopTimeoutSec="300ms").up("1.0", "--ignore-term")
    before = service.processes()
    transaction = begin(service, "upgrade", "1.0", "2.0")
    assert verdict(transaction) == "granted"
    assert not any(kantan.alive(pid) for pid, _ in before.values())
    instance.events.wait("ReplicantStopped", "calc", confirmed=True, signal=9, count=3)
    assert finish(transaction)[0] == "done"
    service.expect("2.0")


def test_first_install_on_a_stopped_battery(instance):
    service = Service(instance)
    instance.start()
    with pytest.raises(Refused) as refused:
        service.battery.Start()
    assert refused.value.name == "NoReplicant"
    transaction = begin(service, "install", "-", "1.0")
    assert verdict(transaction) == "granted"
    assert finish(transaction)[0] == "done"
    assert service.links() == service.all("1.0")
    assert service.processes() == {} and service.battery.get("State") == "stopped"
    service.battery.Start()
    service.expect("1.0")


def test_update_of_a_stopped_battery_leaves_it_stopped(instance):
    service = Service(instance).up()
    service.battery.Stop()
    assert service.update("2.0")[0] == "done"
    assert service.processes() == {} and service.links() == service.all("2.0")
    service.battery.Start()
    service.expect("2.0")


def test_downgrade(instance):
    service = Service(instance).up("2.1")
    transaction = begin(service, "downgrade", "2.1", "1.0")
    assert verdict(transaction) == "granted" and service.processes() == {}
    assert finish(transaction)[0] == "done"
    service.expect("1.0")


def test_reinstall_of_the_same_version(instance):
    service = Service(instance).up()
    transaction = begin(service, "reinstall", "1.0", "1.0")
    assert verdict(transaction) == "granted"
    assert finish(transaction)[0] == "done"
    service.expect("1.0")


def test_remove_stops_the_battery(instance):
    service = Service(instance).up()
    before = service.processes()
    transaction = begin(service, "remove", "1.0", "-")
    assert verdict(transaction) == "granted"
    assert not any(kantan.alive(pid) for pid, _ in before.values())
    assert finish(transaction)[0] == "done"
    assert service.battery.get("State") == "stopped" and service.battery.get("Version") == ""
    with pytest.raises(Refused) as refused:
        service.battery.Start()
    assert refused.value.name == "NoReplicant"
    assert service.update("1.1")[0] == "done"
    service.battery.Start()
    service.expect("1.1")


def test_remove_that_is_aborted(instance):
    service = Service(instance).up()
    transaction = begin(service, "remove", "1.0", "-")
    assert verdict(transaction) == "granted"
    assert finish(transaction, False)[0] == "cancelled"
    service.expect("1.0")


def test_floor_refusal_in_the_verdict_stops_nothing(instance):
    service = Service(instance, replicants=1, MinActive="1").up()
    before = service.processes()
    transaction = begin(service, "upgrade", "1.0", "1.1")
    assert verdict(transaction) == "refused"
    assert "must stay active" in transaction.get("Reason")
    assert service.processes() == before
    assert service.battery.get("CurrentUpdate") == "/"


def test_bad_archive_in_the_verdict_stops_nothing(instance):
    service = Service(instance).up()
    before = service.processes()
    path = service.package("2.0")
    with open(path, "r+b") as f:
        f.truncate(2000)
    transaction = begin(service, "upgrade", "1.0", "2.0")
    assert verdict(transaction) == "refused"
    assert service.processes() == before and service.links() == service.all("1.0")


def test_package_that_touches_no_battery_is_granted_at_once(instance):
    service = Service(instance).up()
    before = service.processes()
    path = instance.manager.BeginTransaction("apt", [("upgrade", "unrelated", "1", "2", "-")])
    transaction = instance.transaction(path)
    assert verdict(transaction) == "granted" and transaction.get("Updates") == []
    transaction.Finish(True)
    transaction.wait_property("State", "closed")
    assert service.processes() == before


def test_finish_before_the_verdict_is_busy(instance):
    service = Service(instance).up()
    service.write(WarnSec="1h")
    instance.manager.Reload()
    before = service.processes()
    transaction = begin(service, "upgrade", "1.0", "2.0")
    with pytest.raises(Refused) as refused:
        transaction.Finish(True)
    assert refused.value.name == "Busy"
    transaction.Finish(False)
    transaction.wait_property("State", "refused")
    assert service.processes() == before
