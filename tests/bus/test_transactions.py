# SPDX-License-Identifier: LGPL-2.1-or-later
"""A package manager's transactions, from outside: the fake one calls the real hook, fails, dies, or is
refused; several batteries in one transaction; the daemon dies while a hook waits."""
import os
import signal
import subprocess

import kantan
import pytest
from kantan import Refused, wait_for
from service import PackageManager, Service, options, registry


TRANSACTION = f"{kantan.NAME}.Transaction"


def open_transactions(instance):
    managed = instance.client.call(kantan.ROOT, kantan.DBUS + ".ObjectManager", "GetManagedObjects")
    return [path for path, interfaces in managed.items()
            if interfaces.get(TRANSACTION, {}).get("State", "closed") not in ("closed", "refused")]


def wait_quiet(instance, *services):
    """Until nothing is under way any more."""
    for service in services:
        service.battery.wait_property("CurrentUpdate", "/", 30)
    managed = instance.client.call(kantan.ROOT, kantan.DBUS + ".ObjectManager", "GetManagedObjects")
    for path, interfaces in managed.items():
        if TRANSACTION in interfaces:
            instance.transaction(path).wait_property("State", {"closed", "refused"}, 30)


def install(instance, *packages, switches=(), **how):
    return PackageManager(instance, *packages, switches=switches, **how)


def installed(instance, *services):
    """A registry that says 1.0 of each, as after an installation through the hooks."""
    instance.start()
    for service in services:
        assert install(instance, service.package("1.0")).wait() == 0
    wait_quiet(instance, *services)
    for service in services:
        service.battery.Start()
        service.expect("1.0")


@pytest.mark.parametrize("version, strategy", [("1.1", "rolling"), ("2.0", "full-stop")])
def test_granted(instance, version, strategy):
    service = Service(instance)
    installed(instance, service)
    manager = install(instance, service.package(version))
    assert manager.wait() == 0, manager.errors
    done = instance.events.wait("UpdateFinished", "calc", to=version, timeout=20)
    assert (done.detail["state"], done.detail["strategy"]) == ("done", strategy)
    service.expect(version)
    assert registry(instance) == {"calc": version}


def test_refused_leaves_the_registry_unchanged(instance):
    service = Service(instance)
    installed(instance, service)
    before = service.processes()
    lock = instance.manager.fd("Inhibit", "calc", "auditor", "the books are open", "block")
    manager = install(instance, service.package("2.0"))
    assert manager.wait() == 1
    assert "auditor" in manager.errors and "the books are open" in manager.errors
    assert registry(instance) == {"calc": "1.0"}
    assert service.processes() == before and service.links() == service.all("1.0")
    os.close(lock)


DEATHS = ["start", "pre", "pre-done", "installing", "before-post", "after-post"]


@pytest.mark.parametrize("version", ["1.1", "2.0"])
@pytest.mark.parametrize("moment", DEATHS)
def test_package_manager_dies(instance, version, moment):
    service = Service(instance)
    installed(instance, service)
    manager = install(instance, service.package(version), switches=[f"--die-at={moment}"])
    assert manager.wait() == -signal.SIGKILL
    if moment == "after-post":
        instance.events.wait("UpdateFinished", "calc", to=version, timeout=20)
        service.expect(version)
    wait_dead(instance, manager)
    wait_quiet(instance, service)
    service.expect(version if moment == "after-post" else "1.0")
    assert open_transactions(instance) == []
    assert service.update("1.3")[0] == "done"  # nothing stands in the way of the next one


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a pid namespace")
def test_init_is_no_package_manager(instance, daemon):
    """It is whom orphans are left to, in a container within the same session; and it never dies."""
    hook = [kantan.program("kantan-hook"), f"--bus={instance.bus.address}", "--manager=kantan", "pre"]
    done = subprocess.run(["unshare", "--fork", "--pid", "sh", "-c", '"$@"; exit $?', "sh", *hook], text=True,
                          input="upgrade\tcalc\t1.0\t1.1\t-\n", capture_output=True, timeout=20, check=False)
    assert done.returncode == 1 and "is gone" in done.stderr
    assert open_transactions(instance) == []


def wait_dead(instance, manager):
    """Until the dead one owns no open transaction (its hook may still have been on its way)."""
    def gone():
        try:
            instance.manager.FindTransaction(manager.pid)
        except Refused as refused:
            return refused.name == "NotFound"
        return False
    wait_for(gone, 20, "the dead package manager's transaction to end")


@pytest.mark.parametrize("version", ["1.1", "2.0"])
@pytest.mark.parametrize("moment", ["pre-done", "installing", "before-post"])
def test_package_manager_fails(instance, version, moment):
    service = Service(instance)
    installed(instance, service)
    before = service.processes()
    assert install(instance, service.package(version), switches=[f"--fail-at={moment}"]).wait() == 1
    wait_quiet(instance, service)
    service.expect("1.0")
    assert version == "2.0" or service.processes() == before  # a roll had not begun
    assert registry(instance) == {"calc": "1.0"}


def test_cancelled_while_the_hook_waits(instance):
    service = Service(instance)
    installed(instance, service)
    service.write(WarnSec="1h")
    instance.manager.Reload()
    before = service.processes()
    manager = install(instance, service.package("2.0"))
    instance.events.wait("UpdateWarning", to="2.0")
    instance.update(service.battery.get("CurrentUpdate")).Cancel()
    assert manager.wait() == 1 and "cancelled by a person" in manager.errors
    assert registry(instance) == {"calc": "1.0"} and service.processes() == before
    service.battery.wait_property("CurrentUpdate", "/")


def test_two_calls_join(instance):
    calc, shop = Service(instance), Service(instance, "shop")
    installed(instance, calc, shop)
    instance.events.all.clear()
    manager = install(instance, calc.package("2.0"), shop.package("2.0"), switches=["--two-calls"])
    assert manager.wait() == 0, manager.errors
    wait_quiet(instance, calc, shop)
    calc.expect("2.0")
    shop.expect("2.0")
    assert sorted(e.battery for e in instance.events.of("UpdateStarted")) == ["calc", "shop"]


def test_remove_through_the_hooks(instance):
    service = Service(instance)
    installed(instance, service)
    before = service.processes()
    assert install(instance, "calc", verb="remove").wait() == 0
    wait_quiet(instance, service)
    assert service.battery.get("State") == "stopped"
    assert not any(kantan.alive(pid) for pid, _ in before.values())
    assert registry(instance) == {}


def test_hook_waits_for_a_busy_battery(instance):
    service = Service(instance, SoakSec="100ms")
    installed(instance, service)
    update = service.begin("1.1")
    manager = install(instance, service.package("1.2"))
    assert manager.wait() == 0, manager.errors
    assert instance.wait_update(update.path)[0] == "done"
    wait_quiet(instance, service)
    service.expect("1.2")


def test_two_batteries_side_by_side(instance):
    calc, shop = Service(instance, SoakSec="200ms"), Service(instance, "shop", SoakSec="200ms")
    installed(instance, calc, shop)
    with calc.sampler() as a, shop.sampler() as b:
        first, second = calc.begin("1.1"), shop.begin("1.1")
        assert instance.wait_update(first.path)[0] == instance.wait_update(second.path)[0] == "done"
    assert a.least >= 2 and b.least >= 2
    started = [e.battery for e in instance.events.of("ReplicantStarted", version="1.1")]
    assert "shop" in started[:3] and "calc" in started[:3]
    calc.expect("1.1")
    shop.expect("1.1")


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_after_orders(instance, version):
    base = Service(instance, "base")
    shop = Service(instance, "shop", battery={"After": "base"})
    installed(instance, base, shop)
    instance.events.all.clear()
    assert install(instance, shop.package(version), base.package(version)).wait() == 0
    wait_quiet(instance, base, shop)
    base.expect(version)
    shop.expect(version)

    def span(kind, battery, **detail):
        found = [e.sequence for e in instance.events.of(kind, battery, **detail)]
        return min(found), max(found)

    based = span("ReplicantHealthy", "base", version=version)[1]
    assert based < span("ReplicantStarted", "shop", version=version)[0]
    if version == "2.0":  # those who depend stop first
        assert span("ReplicantStopped", "shop")[1] < span("ReplicantStopped", "base")[0]


def test_after_fails_cancels_the_rest(instance):
    base = Service(instance, "base")
    shop = Service(instance, "shop", battery={"After": "base"})
    installed(instance, base, shop)
    before = shop.processes()
    assert install(instance, shop.package("1.1"), base.package("1.1", "--exit-at-once")).wait() == 0
    wait_quiet(instance, base, shop)
    states = {e.battery: e.detail["state"] for e in instance.events.of("UpdateFinished", to="1.1")}
    assert states == {"base": "rolled-back", "shop": "cancelled"}
    base.expect("1.0")
    shop.expect("1.0")
    assert shop.processes() == before


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_required_one_fails_takes_back_the_done(instance, version):
    base = Service(instance, "base", battery={"After": "shop"})
    shop = Service(instance, "shop", battery={"Requires": "base"})
    installed(instance, base, shop)
    assert install(instance, shop.package(version), base.package(version, "--exit-at-once")).wait() == 0
    instance.events.wait("UpdateFinished", "base", state="rolled-back", timeout=20)
    wait_quiet(instance, base, shop)
    base.expect("1.0")
    shop.expect("1.0")


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_hook_outlives_the_daemon(instance, version):
    service = Service(instance)
    installed(instance, service)
    service.write(InhibitDelayMaxSec="1h")
    instance.manager.Reload()
    lock = instance.manager.fd("Inhibit", "calc", "tester", "wait", "delay")
    manager = install(instance, service.package(version))
    instance.events.wait("UpdateWarning", to=version)
    instance.restart()
    assert service.battery.get("State") == "updating"
    os.close(lock)
    assert manager.wait() == 0, manager.errors
    instance.events.wait("UpdateFinished", "calc", to=version, state="done", timeout=20)
    wait_quiet(instance, service)
    service.expect(version)


def test_package_manager_dies_while_the_daemon_is_away(instance):
    service = Service(instance)
    installed(instance, service)
    service.write(InhibitDelayMaxSec="1h")
    instance.manager.Reload()
    lock = instance.manager.fd("Inhibit", "calc", "tester", "wait", "delay")
    manager = install(instance, service.package("2.0"))
    instance.events.wait("UpdateWarning", to="2.0")
    before = service.processes()
    instance.daemon.kill()
    manager.process.kill()
    manager.wait()
    instance.start()
    os.close(lock)
    wait_quiet(instance, service)
    service.expect("1.0")
    assert service.processes() == before


def test_find_transaction(instance):
    service = Service(instance)
    installed(instance, service)
    lock = instance.manager.fd("Inhibit", "calc", "tester", "wait", "delay")
    with pytest.raises(Refused) as refused:
        instance.manager.FindTransaction(os.getpid())
    assert refused.value.name == "NotFound"
    manager = install(instance, service.package("1.1"))
    instance.events.wait("UpdateWarning", to="1.1")
    path = instance.manager.FindTransaction(manager.pid)
    changes = instance.transaction(path).get("Changes")
    assert [c[:4] for c in changes] == [("upgrade", "calc", "1.0", "1.1")]
    os.close(lock)
    assert manager.wait() == 0
    wait_quiet(instance, service)
    with pytest.raises(Refused) as refused:
        instance.manager.FindTransaction(manager.pid)
    assert refused.value.name == "NotFound"


def test_owner_must_be_an_ancestor(instance, daemon):
    stranger = instance.bus.process.pid
    with pytest.raises(Refused) as refused:
        instance.manager.BeginTransaction("kantan", [("remove", "calc", "1", "-", "-")],
                                          options(owner=kantan.dbus.UInt32(stranger)))
    assert refused.value.name == "InvalidArgument" and "ancestor" in refused.value.text
    path = instance.manager.BeginTransaction("kantan", [("remove", "calc", "1", "-", "-")],
                                             options(owner=kantan.dbus.UInt32(os.getppid())))
    assert instance.manager.FindTransaction(os.getppid()) == path


def test_changes_that_make_no_sense(instance, daemon):
    for change in (("eat", "calc", "1", "2", "-"), ("upgrade", "", "1", "2", "-"),
                   ("upgrade", "-", "1", "2", "-"), ("upgrade", "calc", "1\n", "2", "-"),
                   ("upgrade", "calc", "1", "2", "relative.kantan"), ("upgrade", "x" * 5000, "1", "2", "-")):
        with pytest.raises(Refused) as refused:
            instance.manager.BeginTransaction("kantan", [change])
        assert refused.value.name == "InvalidArgument"
