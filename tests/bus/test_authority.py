# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may act on a private instance: root and the daemon's own user. Anybody else may look at everything and
change nothing. What is called is read from the service's introspection, so that a method added later is
tried too: it is either named here as one that only looks, or it must refuse."""
import os
import subprocess

import dbus
import pytest
from kantan import DBUS, NAME, PROPERTIES, ROOT, Refused

NOBODY = 65534
LOOKING = {"ListBatteries", "ListUpdates", "ListInhibitors", "FindTransaction", "History", "Since"}
EMPTY = {"s": "x", "u": 0, "t": 0, "b": True, "as": [], "a(sh)": [], "a(sssss)": []}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


def argument(signature):
    return dbus.Dictionary({}, signature="sv") if signature == "a{sv}" else EMPTY[signature]


def objects_of(client, path=ROOT):
    """Every path below PATH with its introspection."""
    node = client.object(path, "Manager").introspect()
    yield path, node
    for child in node.findall("node"):
        yield from objects_of(client, f"{path}/{child.get('name')}")


def methods_of(client):
    for path, node in objects_of(client):
        for interface in node.iter("interface"):
            if interface.get("name").startswith(NAME):
                for method in interface.iter("method"):
                    types = [a.get("type") for a in method.iter("arg") if a.get("direction", "in") == "in"]
                    yield path, interface.get("name"), method.get("name"), types


@pytest.fixture
def world(instance):
    """A daemon with an object of every kind."""
    instance.write_trivial("calc", 1, MinActive=0, WarnSec="0s")
    instance.start()
    instance.battery("calc").Start()
    instance.battery("calc").Restart()
    instance.manager.BeginTransaction("kantan", [("upgrade", "other", "1", "2", "-")])
    return instance


@needs_root
def test_another_user_changes_nothing(world):
    before = world.processes("calc")
    refused, looked = set(), set()
    with world.client_of_uid(NOBODY) as stranger:
        for path, interface, method, types in methods_of(world.client):
            call = lambda: stranger.call(path, interface, method, "".join(types), *map(argument, types))
            if method in LOOKING:
                looked.add(method)
                try:
                    call()
                except Refused as error:
                    assert error.name in ("NotFound", "InvalidArgument"), (path, method, error)
                continue
            with pytest.raises(Refused) as error:
                call()
            assert error.value.name == "NotAuthorized", (path, interface, method, str(error.value))
            assert str(NOBODY) in error.value.text
            refused.add((interface.rpartition(".")[2], method))
    assert looked == LOOKING
    assert {i for i, _ in refused} == {"Manager", "Battery", "Replicant", "Update", "Transaction", "Channel"}
    assert world.processes("calc") == before
    assert world.manager.ListInhibitors() == []
    assert world.battery("calc").get("State") == "running"


@needs_root
def test_another_user_sees_everything(world):
    with world.client_of_uid(NOBODY) as stranger:
        managed = stranger.call(ROOT, DBUS + ".ObjectManager", "GetManagedObjects")
        assert {f"{ROOT}/svc/calc", f"{ROOT}/svc/calc/1"} <= set(managed)
        seen = 0
        for path, node in objects_of(stranger):
            for interface in node.iter("interface"):
                names = [p.get("name") for p in interface.iter("property")]
                if not names:
                    continue
                everything = stranger.call(path, PROPERTIES, "GetAll", "s", interface.get("name"))
                assert sorted(everything) == sorted(names)
                for name in names:
                    assert stranger.call(path, PROPERTIES, "Get", "ss", interface.get("name"),
                                         name) == everything[name]
                    with pytest.raises(Refused) as error:
                        stranger.call(path, PROPERTIES, "Set", "ssv", interface.get("name"), name, "x")
                    assert error.value.full_name == DBUS + ".Error.PropertyReadOnly"
                    seen += 1
        assert seen > 30


@needs_root
def test_another_user_hears_events(world):
    heard = []
    with world.client_of_uid(NOBODY) as stranger:
        stranger.on_signal(lambda *args: heard.append(args), signal_name="Event", path=ROOT + "/svc")
        stranger.owner(NAME)  # the match is in place
        world.battery("calc").Stop()
        world.events.wait("ReplicantStopped", "calc")
        stranger.owner(NAME)
    assert heard


@pytest.mark.parametrize("who", ["stranger", "nobody", "child"])
def test_an_owner_is_an_ancestor(instance, daemon, who):
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    owner = {"stranger": daemon.pid, "nobody": 4194304, "child": other.pid}[who]
    try:
        with pytest.raises(Refused) as error:
            instance.manager.BeginTransaction("kantan", [("upgrade", "x", "1", "2", "-")],
                                              {"owner": dbus.UInt32(owner)})
        assert error.value.name == "InvalidArgument"
        assert "ancestor" in error.value.text
        path = instance.manager.BeginTransaction("kantan", [("upgrade", "x", "1", "2", "-")],
                                                 {"owner": dbus.UInt32(os.getppid())})
        assert instance.manager.FindTransaction(os.getppid()) == path
    finally:
        other.kill()
        other.wait()
        other.stdin.close()


def test_what_lies_on_disk_is_not_for_everybody(instance):
    instance.write_trivial("calc", 1)
    instance.start()
    instance.battery("calc").Start()
    lock = instance.manager.fd("Inhibit", "*", "somebody", "tests", "delay")
    os.close(lock)
    mode = lambda *names: os.stat(os.path.join(instance.state, *names)).st_mode & 0o7777
    assert mode("journal.db") == 0o600
    assert mode("run") == 0o755
    assert mode("run", "holds") == 0o700
    assert mode("run", "notify") == 0o666  # who may say what is decided by the sender's pid
    for directory, _, files in os.walk(instance.state):
        assert os.stat(directory).st_mode & 0o022 == 0, directory
        for name in files:
            path = os.path.join(directory, name)
            assert name == "notify" or os.lstat(path).st_mode & 0o022 == 0, path
            assert not name.startswith("journal.db") or os.stat(path).st_mode & 0o077 == 0, path
