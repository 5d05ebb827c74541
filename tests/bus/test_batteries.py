# SPDX-License-Identifier: LGPL-2.1-or-later
"""Batteries and their files: reload as docs/battery-files.md says; the channel, properties and objects."""
import os
import xml.etree.ElementTree as ET

import kantan
import pytest
from kantan import DBUS, NAME, ROOT, Events, Refused, wait_for
from service import Service, options


def wait_count(instance, name, count):
    wait_for(lambda: len(instance.processes(name)) == count and len(instance.replicants(name)) == count,
             10, f"{count} replicants of {name}")


# --- reload ---

def test_replicants_up_and_down(instance):
    instance.write_trivial("calc", 2)
    instance.start()
    battery = instance.battery("calc")
    battery.Start()
    before = instance.processes("calc")
    instance.write_trivial("calc", 4)
    instance.manager.Reload()
    battery.wait_property("Active", 4)
    after = instance.processes("calc")
    assert sorted(after) == [1, 2, 3, 4] and {n: after[n] for n in before} == before
    instance.write_trivial("calc", 2)
    instance.manager.Reload()
    instance.events.wait("ReplicantStopped", "calc", replicant=3)
    instance.events.wait("ReplicantStopped", "calc", replicant=4)
    wait_count(instance, "calc", 2)
    assert instance.processes("calc") == before
    assert battery.get("Desired") == 2
    assert not instance.events.of("FloorBroken")


def test_replicants_down_keeps_the_old_floor(instance):
    """Of four with at most one away three stay up, though the new file wants fewer."""
    service = Service(instance, replicants=4).up()
    service.sections["Battery"]["Replicants"] = 3
    service.write()
    with service.sampler() as sampler:
        instance.manager.Reload()
        instance.events.wait("ReplicantStopped", "calc", replicant=4)
        sampler.wait_rounds()
    assert sampler.least == 3


def test_replicants_change_after_the_update(instance):
    service = Service(instance, SoakSec="300ms").up()
    update = service.begin("1.1")
    instance.events.wait("UpdateStarted", to="1.1")
    service.sections["Battery"]["Replicants"] = 5
    service.write()
    instance.manager.Reload()
    assert sorted(instance.replicants("calc")) == [1, 2, 3]
    assert instance.wait_update(update.path)[0] == "done"
    service.battery.wait_property("Active", 5)
    service.replicants = 5
    service.expect("1.1")


def test_running_update_keeps_its_configuration(instance):
    service = Service(instance, SoakSec="200ms").up()
    update = service.begin("1.1")
    instance.events.wait("UpdateStarted", to="1.1")
    service.write(SoakSec="1h", MaxUnavailable="3", MinActive="0")
    instance.manager.Reload()
    with service.sampler() as sampler:
        assert instance.wait_update(update.path)[0] == "done"
    assert sampler.least >= 2
    service.expect("1.1")


def test_program_waits_for_the_next_start(instance):
    fast = {"WarnSec": "0", "SoakSec": "0"}
    instance.write_trivial("calc", 2, **fast)
    instance.start()
    instance.battery("calc").Start()
    before = instance.processes("calc")
    instance.write_trivial("calc", 2, "extra", **fast)
    instance.manager.Reload()
    assert instance.processes("calc") == before
    instance.battery("calc").Restart()
    after = instance.processes("calc")
    assert all("extra" in kantan.arguments(pid) for pid, _ in after.values()) and len(after) == 2


def test_new_file_is_a_stopped_battery(instance, daemon):
    heard = []
    instance.client.on_signal(lambda path, interfaces: heard.append(str(path)), signal_name="InterfacesAdded",
                              dbus_interface=f"{DBUS}.ObjectManager", path=ROOT)
    instance.write_trivial("calc", 1)
    instance.manager.Reload()
    assert [b[:2] for b in instance.manager.ListBatteries()] == [("calc", "stopped")]
    wait_for(lambda: f"{ROOT}/svc/calc" in heard and f"{ROOT}/svc/calc/1" in heard)


def test_bad_file_keeps_the_old_one(instance):
    instance.write_trivial("calc", 2)
    instance.write_trivial("other", 1)
    instance.start()
    instance.battery("calc").Start()
    before = instance.processes("calc")
    path = instance.write_battery("calc", "[Battery]\nProgram=/bin/true\nReplicants=three\n")
    instance.write_trivial("other", 3)
    with pytest.raises(Refused) as refused:
        instance.manager.Reload()
    assert refused.value.name == "InvalidArgument"
    assert f"{path}:3: error: Replicants=: expected a whole number" in refused.value.text
    assert instance.battery("calc").get("Desired") == 2 and instance.processes("calc") == before
    assert instance.battery("other").get("Desired") == 3


def test_vanished_file(instance):
    path = instance.write_trivial("calc", 2)
    instance.start()
    battery = instance.battery("calc")
    battery.Start()
    before = instance.processes("calc")
    os.unlink(path)
    instance.manager.Reload()
    assert instance.processes("calc") == before and "gone" in battery.get("Reason")
    battery.Stop()
    wait_for(lambda: instance.manager.ListBatteries() == [])
    with pytest.raises(Refused) as refused:
        battery.Start()
    assert refused.value.full_name == f"{DBUS}.Error.UnknownObject"


def test_vanished_file_of_a_stopped_battery(instance):
    path = instance.write_trivial("calc", 2)
    instance.start()
    os.unlink(path)
    instance.manager.Reload()
    assert instance.manager.ListBatteries() == []
    assert not [p for p in instance.client.call(ROOT, f"{DBUS}.ObjectManager", "GetManagedObjects")
                if "/calc" in p]


def test_file_that_vanished_while_the_daemon_was_away(instance):
    """What runs is not forgotten: a battery without a file is told, and comes back with its file."""
    path = instance.write_trivial("calc", 2)
    instance.start()
    instance.battery("calc").Start()
    before = instance.processes("calc")
    instance.daemon.kill()
    os.rename(path, path + ".away")
    instance.start()
    os.rename(path + ".away", path)
    instance.restart()
    assert instance.processes("calc") == before
    assert instance.battery("calc").get("State") == "running"


# --- the channel ---

def test_since_returns_what_was_emitted(instance):
    calc, shop = Service(instance), Service(instance, "shop")
    instance.start()
    of_calc = Events(instance.client, f"{ROOT}/svc/calc")
    calc.up()
    shop.up()
    calc.battery.Stop()
    sequence = instance.channel.get("Sequence")
    wait_for(lambda: instance.events.all and instance.events.all[-1].sequence == sequence)
    heard = [tuple(e) for e in instance.events.all]
    assert [e[0] for e in heard] == list(range(1, sequence + 1))
    assert instance.channel.Since(0, 0) == heard
    assert instance.channel.Since(5, 3) == heard[5:8]
    only_calc = [e for e in heard if e[3] == "calc"]
    channel = instance.client.object(f"{ROOT}/svc/calc", "Channel")
    assert channel.Since(0, 0) == only_calc == [tuple(e) for e in of_calc.all]
    assert channel.get("Sequence") == sequence
    instance.restart()
    assert instance.channel.Since(0, 0)[:len(heard)] == heard
    assert instance.channel.get("Sequence") >= sequence


def test_send(instance):
    instance.write_trivial("calc", 1)
    instance.start()
    channel = instance.client.object(f"{ROOT}/svc/calc", "Channel")
    channel.Send("x-note", options(text="hello", number=kantan.dbus.UInt32(7)))
    assert instance.events.wait("x-note", "calc").detail == {"text": "hello", "number": 7}
    instance.channel.Send("x-all", options())
    assert instance.events.wait("x-all", "").detail == {}
    for kind, detail in (("note", {}), ("UpdateStarted", {}), ("x-" + "y" * 63, {}),
                         ("x-big", {"t": "z" * 5000})):
        with pytest.raises(Refused) as refused:
            channel.Send(kind, options(**detail))
        assert refused.value.name == "InvalidArgument"


# --- what the bus shows ---

def test_properties_changed_tells_states(instance):
    service = Service(instance).up()
    seen = []

    def changed(interface, values, invalidated, path):
        seen.extend((str(path).removeprefix(ROOT), str(k), kantan.plain(v)) for k, v in values.items())

    instance.client.on_signal(changed, signal_name="PropertiesChanged", dbus_interface=kantan.PROPERTIES,
                              path_keyword="path")
    assert service.update("1.1")[0] == "done"
    service.battery.wait_property("State", "running")
    for wanted in (("/svc/calc", "State", "updating"), ("/svc/calc", "State", "running"),
                   ("/svc/calc", "Version", "1.1"), ("/svc/calc", "Active", 2),
                   ("/svc/calc/1", "Version", "1.1"), ("/svc/calc/1", "State", "starting"),
                   ("/svc/calc/1", "State", "active"),
                   ("/update/2", "State", "done"), ("/transaction/2", "State", "closed")):
        wait_for(lambda wanted=wanted: wanted in seen, 5, f"{wanted}")


def test_managed_objects_and_their_interfaces(instance):
    Service(instance).up()
    managed = instance.client.call(ROOT, f"{DBUS}.ObjectManager", "GetManagedObjects")
    short = {p.removeprefix(ROOT): {i.removeprefix(NAME + ".") for i in v if i.startswith(NAME)}
             for p, v in managed.items()}
    expected = {"/svc": {"Channel"}, "/svc/calc": {"Battery", "Channel"}, "/update/1": {"Update"},
                "/transaction/1": {"Transaction"}, **{f"/svc/calc/{n}": {"Replicant"} for n in (1, 2, 3)}}
    assert {p: i for p, i in short.items() if p in expected} == expected
    assert set(short) - set(expected) <= {"", "/transaction", "/update"}


def test_introspection_equals_the_installed_xml(instance):
    Service(instance).up()
    file = next(os.path.join(d, f) for d, _, files in os.walk(kantan.BUILD) for f in files
                if f == f"{NAME}.xml")
    written = {i.get("name"): canonical(i) for i in ET.parse(file).getroot().iter("interface")}
    shown = {}
    for path in ("", "/svc", "/svc/calc", "/svc/calc/1", "/update/1", "/transaction/1"):
        for interface in instance.client.object(ROOT + path, "Manager").introspect().findall("interface"):
            if interface.get("name").startswith(NAME):
                shown[interface.get("name")] = canonical(interface)
    assert shown == written and len(shown) == 6


def canonical(element):
    return (element.tag, sorted(element.attrib.items()), [canonical(child) for child in element])


def test_history(instance):
    service = Service(instance).up()
    assert service.update("1.2", "--exit-at-once")[0] == "rolled-back"
    newest, first = instance.manager.History("calc", 0)
    assert [newest[k] for k in ("from", "to", "state", "least_active")] == ["1.0", "1.2", "rolled-back", 2]
    assert first["to"] == "1.0" and newest["started"] <= newest["finished"]
    assert [h["id"] for h in instance.manager.History("", 1)] == [newest["id"]]
