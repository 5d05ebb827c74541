# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is there, says what it is, is alone on its state, and leaves its replicants alone."""
import signal

import kantan
import pytest
from kantan import NAME, ROOT, Refused


def test_service_appears(instance, daemon):
    assert instance.client.pid_of(NAME) == daemon.pid
    assert instance.manager.get("Version")
    assert instance.manager.ListBatteries() == []
    assert daemon.terminate() == 0
    instance.client.wait_name(NAME, owned=False)


def test_introspection(instance, daemon):
    xml = instance.manager.introspect()
    interfaces = {i.get("name"): i for i in xml.iter("interface")}
    assert {f"{NAME}.Manager", "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties",
            "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer"} <= set(interfaces)
    methods = {m.get("name"): "".join(a.get("type") for a in m.iter("arg") if a.get("direction") == "in")
               for m in interfaces[f"{NAME}.Manager"].iter("method")}
    assert methods["BeginTransaction"] == "sa(sssss)a{sv}"
    assert methods["Reload"] == "a{sv}"
    assert {"svc"} <= {n.get("name") for n in xml.findall("node")}


def test_wrong_calls_get_the_right_errors(instance, daemon):
    client = instance.client
    with pytest.raises(Refused) as refused:
        client.call(ROOT, f"{NAME}.Manager", "ListBatteries", "s", "too much")
    assert refused.value.name == "org.freedesktop.DBus.Error.InvalidArgs"
    with pytest.raises(Refused) as refused:
        client.call(ROOT, f"{NAME}.Manager", "NoSuchMethod")
    assert refused.value.name == "org.freedesktop.DBus.Error.UnknownMethod"
    with pytest.raises(Refused) as refused:
        client.call(ROOT + "/svc/nobody", f"{NAME}.Battery", "Start", "a{sv}", {})
    assert refused.value.name == "org.freedesktop.DBus.Error.UnknownObject"
    with pytest.raises(Refused) as refused:
        instance.manager.Reload({"colour": "blue"})
    assert refused.value.name == "InvalidArgument"


def test_batteries_are_listed(instance):
    instance.write_trivial("storage")
    instance.write_trivial("calc", 3)
    instance.start()
    assert [b[0] for b in instance.manager.ListBatteries()] == ["calc", "storage"]
    assert instance.battery("calc").get("Desired") == 3


def test_battery_starts_and_stops(instance):
    instance.write_trivial("calc", 2)
    instance.start()
    instance.battery("calc").Start()
    assert instance.battery("calc").wait_property("State", "running")
    instance.events.wait("ReplicantHealthy", "calc", count=2)
    processes = instance.processes("calc")
    assert sorted(processes) == [1, 2]
    for number, (pid, ticks) in processes.items():
        assert ticks
        environment = kantan.environment(pid)
        assert (environment["KANTAN_BATTERY"], environment["KANTAN_REPLICANT"]) == ("calc", str(number))
    instance.battery("calc").Stop()
    assert not any(kantan.alive(pid) for pid, _ in processes.values())
    assert len(instance.events.of("ReplicantStopped", "calc", confirmed=True)) == 2


def test_second_daemon_on_the_same_state_is_refused(instance, daemon):
    second = instance.launch()
    assert second.wait_exit() not in (0, -signal.SIGABRT, -signal.SIGSEGV)
    assert daemon.running
    assert instance.client.pid_of(NAME) == daemon.pid


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_replicants_survive_the_daemon(instance, how):
    instance.write_trivial("calc", 2)
    first = instance.start()
    instance.battery("calc").Start()
    before = instance.processes("calc")
    assert len(before) == 2
    status = getattr(first, how)()
    assert status == (0 if how == "terminate" else -signal.SIGKILL)
    assert all(kantan.start_ticks(pid) == ticks for pid, ticks in before.values())
    instance.start()
    instance.battery("calc").wait_property("State", "running")
    assert instance.processes("calc") == before
