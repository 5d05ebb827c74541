# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers that lie, flood, or vanish: the right error each, and a daemon that works afterwards with the
memory it had before."""
import os
import socket

import dbus
import kantan
import pytest
from gi.repository import Gio, GLib
from kantan import DBUS, NAME, PROPERTIES, ROOT, Refused, resident_kib, settle, wait_for

MANAGER = f"{NAME}.Manager"
FLOOD = 10000
CALLS_PER_SENDER = 64  # default of [Limits]
MEMORY_MARGIN_KIB = 24 * 1024  # what a flood may leave behind: buffers of libdbus and malloc, not objects


@pytest.fixture
def works(instance):
    """A battery on a daemon that must still be the same one, and able to stop and start, in the end."""
    instance.write_trivial("calc", 2, WarnSec="0s")
    daemon = instance.start()
    instance.battery("calc").Start()
    yield instance
    assert daemon.running, f"the daemon ended with {daemon.status}:\n{instance.log[-3000:]}"
    instance.battery("calc").Stop()
    instance.battery("calc").Start()
    assert instance.battery("calc").get("Active") == 2


def error_of(call, *args, **kwargs):
    with pytest.raises(Refused) as error:
        call(*args, **kwargs)
    return error.value


@pytest.mark.parametrize("path,interface,method,signature,args,error", [
    (ROOT, MANAGER, "ListBatteries", "s", ["x"], DBUS + ".Error.InvalidArgs"),
    (ROOT, MANAGER, "BeginTransaction", "sa(ssss)a{sv}", ["x", [], {}], DBUS + ".Error.InvalidArgs"),
    (ROOT, MANAGER, "Nonsense", "", [], DBUS + ".Error.UnknownMethod"),
    (ROOT, NAME + ".Nonsense", "ListBatteries", "", [], DBUS + ".Error.UnknownInterface"),
    ("/", MANAGER, "ListBatteries", "", [], DBUS + ".Error.UnknownInterface"),
    ("/nowhere", MANAGER, "ListBatteries", "", [], DBUS + ".Error.UnknownObject"),
    (ROOT + "/svc/nobody", NAME + ".Battery", "Start", "a{sv}", [{}], DBUS + ".Error.UnknownObject"),
    (ROOT + "/svc/calc/3", NAME + ".Replicant", "Drain", "a{sv}", [{}], DBUS + ".Error.UnknownObject"),
    (ROOT + "/svc/calc/99999999999999999999", NAME + ".Replicant", "Drain", "a{sv}", [{}],
     DBUS + ".Error.UnknownObject"),
    (ROOT + "/svc/calc/01", NAME + ".Replicant", "Drain", "a{sv}", [{}], DBUS + ".Error.UnknownObject"),
    (ROOT + "/update/18446744073709551617", NAME + ".Update", "Cancel", "a{sv}", [{}],
     DBUS + ".Error.UnknownObject"),
    ("/" + "a/" * 5000 + "a", MANAGER, "ListBatteries", "", [], DBUS + ".Error.UnknownObject"),
    (ROOT, PROPERTIES, "Set", "ssv", [MANAGER, "Version", "2"], DBUS + ".Error.PropertyReadOnly"),
    (ROOT, PROPERTIES, "Set", "ssv", [MANAGER, "Nonsense", "2"], DBUS + ".Error.UnknownProperty"),
    (ROOT, PROPERTIES, "Get", "ss", [NAME + ".Nonsense", "Version"], DBUS + ".Error.UnknownInterface"),
    (ROOT, MANAGER, "Reload", "a{sv}", [{"colour": "blue"}], "InvalidArgument"),
    (ROOT, MANAGER, "CollectGarbage", "a{sv}", [{"dry-run": "yes"}], "InvalidArgument"),
    (ROOT, MANAGER, "BeginTransaction", "sa(sssss)a{sv}", ["../x", [], {}], "InvalidArgument"),
    (ROOT, MANAGER, "BeginTransaction", "sa(sssss)a{sv}", ["k", [("eat", "a", "-", "1", "-")], {}],
     "InvalidArgument"),
    (ROOT, MANAGER, "BeginTransaction", "sa(sssss)a{sv}", ["k", [("install", "a\tb", "-", "1", "-")], {}],
     "InvalidArgument"),
    (ROOT, MANAGER, "BeginTransaction", "sa(sssss)a{sv}", ["k", [("install", "a" * 5000, "-", "1", "-")], {}],
     "InvalidArgument"),
    (ROOT, MANAGER, "Inhibit", "ssssa{sv}", ["nobody", "who", "why", "delay", {}], "NotFound"),
    (ROOT, MANAGER, "Inhibit", "ssssa{sv}", ["calc", "w" * 513, "why", "delay", {}], "InvalidArgument"),
    (ROOT, MANAGER, "Inhibit", "ssssa{sv}", ["calc", "who", "why", "forever", {}], "InvalidArgument"),
    (ROOT, MANAGER, "History", "su", ["../calc", 1], "InvalidArgument"),
    (ROOT + "/svc", NAME + ".Channel", "Send", "sa{sv}a{sv}", ["mine", {}, {}], "InvalidArgument"),
    (ROOT + "/svc", NAME + ".Channel", "Send", "sa{sv}a{sv}", ["x-\x1b[2J", {}, {}], "InvalidArgument"),
    (ROOT + "/svc", NAME + ".Channel", "Send", "sa{sv}a{sv}", ["x-a", {"a": "b" * 5000}, {}],
     "InvalidArgument"),
    (ROOT + "/svc/calc/1", NAME + ".Replicant", "SetRole", "sa{sv}", ["king", {}], "InvalidArgument"),
])
def test_each_lie_has_its_error(works, path, interface, method, signature, args, error):
    args = [dbus.Dictionary(a, signature="sv") if isinstance(a, dict) else a for a in args]
    refused = error_of(works.client.call, path, interface, method, signature, *args)
    assert refused.name == error or refused.full_name == error
    assert refused.text and len(refused.text) < 1000


def test_many_changes_fit_and_too_many_do_not(works):
    ordinary = [("upgrade", f"package-number-{i}-of-many", "1.0.0-1ubuntu2", "1.0.1-1ubuntu3",
                 f"/var/cache/apt/archives/package-number-{i}-of-many_1.0.1-1ubuntu3_amd64.deb")
                for i in range(10000)]
    path = works.manager.BeginTransaction("apt", ordinary)
    works.transaction(path).wait_property("State", "granted")
    works.manager.BeginTransaction("apt", ordinary)  # said again, it is the same transaction
    refused = error_of(works.manager.BeginTransaction, "apt", [("install", "one-more", "-", "1", "-")])
    assert refused.name == "LimitsExceeded" and "10000" in refused.text
    works.transaction(path).Finish(False)
    long = [("install", f"{i:04}" + "\x01'\\" * 1300, "-", "1", "-") for i in range(1000)]
    refused = error_of(works.manager.BeginTransaction, "apt", long)
    assert refused.name == "LimitsExceeded" and "bytes" in refused.text


def test_deep_and_strange_details_are_told_as_they_are(works):
    deep = dbus.String("bottom", variant_level=50)
    detail = dbus.Dictionary({"deep": deep, "bytes": dbus.ByteArray(b"\0\xff" * 1000),
                              "quotes": "'\"\\\n\x01", "number": float("inf")}, signature="sv")
    works.channel.Send("x-strange", detail)
    event = works.events.wait("x-strange")
    assert event.detail["deep"] == "bottom" and event.detail["quotes"] == "'\"\\\n\x01"
    assert any(e[1] == "x-strange" for e in works.channel.Since(0, 0))
    assert works.channel.Since(2 ** 64 - 1, 0) == []
    handle = dbus.Dictionary({"fd": dbus.types.UnixFd(0)}, signature="sv")
    assert error_of(works.channel.Send, "x-handle", handle).name == "InvalidArgument"


def memory_stays(instance, act):
    """Runs ACT twice: the first fills what is kept (so many updates, events in a cache), the second must not
    add to it."""
    act()
    before = resident_kib(instance.daemon.pid)
    act()
    after = resident_kib(instance.daemon.pid)
    if kantan.SLOWNESS == 1:  # sanitizers keep what is freed, to find its use
        assert after - before < MEMORY_MARGIN_KIB, f"{before} KiB, then {after} KiB"


@pytest.mark.deadline(180)
def test_ten_thousand_calls_at_once(works):
    names = []

    def flood():
        calls = [works.client.send(ROOT, MANAGER, "History", "su", "", 0) for _ in range(FLOOD)]
        names.append([])
        for call in calls:
            wait_for(lambda: call.done, 60, "a reply")
            names[-1].append(call.error.name if call.error else "")
    memory_stays(works, flood)
    for said in names:
        assert set(said) <= {"", "LimitsExceeded"}
        assert len(said) == FLOOD and said.count("") >= CALLS_PER_SENDER


def test_calls_without_reply_count_and_are_not_answered(works):
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    quiet = Gio.DBusConnection.new_for_address_sync(works.bus.address, flags, None, None)
    for n in range(500):
        quiet.call(NAME, ROOT + "/svc", NAME + ".Channel", "Send",
                   GLib.Variant("(sa{sv}a{sv})", (f"x-quiet{n}", {}, {})), None, 0, -1, None, None)
    quiet.flush_sync(None)
    works.events.wait("x-quiet0")
    works.channel.Send("x-after", {})  # the limit was the other connection's
    works.events.wait("x-after")
    quiet.close_sync(None)


def error_or_none(call, *args):
    try:
        call(*args)
    except Refused as error:
        return error
    return None


def test_inhibitors_have_a_limit_and_go_with_their_holder(works):
    held = []
    refused = None
    while not refused and len(held) < 1000:
        try:
            held.append(works.manager.fd("Inhibit", "calc", "flood", str(len(held)), "delay"))
        except Refused as error:
            refused = error
    assert refused.name == "LimitsExceeded" and "Inhibitors=" in refused.text
    assert len(works.manager.ListInhibitors()) == len(held) == 128  # half of [Limits] Inhibitors=
    for fd in held:
        os.close(fd)
    works.events.wait("InhibitorReleased", count=len(held))
    assert works.manager.ListInhibitors() == []
    assert os.listdir(os.path.join(works.state, "run", "holds")) == []


@pytest.mark.deadline(120)
def test_transactions_have_a_limit_and_go_with_their_owner(works):
    clients = [works.new_client() for _ in range(64)]
    for n, client in enumerate(clients):
        client.object(ROOT, "Manager").BeginTransaction("kantan", [("upgrade", f"p{n}", "1", "2", "-")])
    refused = error_of(works.manager.BeginTransaction, "kantan", [("upgrade", "more", "1", "2", "-")])
    assert refused.name == "LimitsExceeded" and "Transactions=" in refused.text
    for client in clients:
        client.close()
    wait_for(lambda: not error_or_none(works.manager.BeginTransaction, "kantan",
                                       [("upgrade", "more", "1", "2", "-")]), 20, "room for a transaction")


@pytest.mark.deadline(120)
def test_what_is_over_does_not_pile_up(works):
    def restarts():
        for _ in range(150):
            assert error_of(works.battery("calc").Rollback).name == "NotFound"
            path = works.manager.BeginTransaction("kantan", [("upgrade", "x", "1", "2", "-")])
            works.transaction(path).Finish(False)
    memory_stays(works, restarts)
    managed = works.client.call(ROOT, DBUS + ".ObjectManager", "GetManagedObjects")
    assert len([p for p in managed if "/transaction/" in p]) <= 33


@pytest.mark.parametrize("method,signature,args", [
    ("BeginTransaction", "sa(sssss)a{sv}", ["kantan", [("upgrade", "x", "1", "2", "-")], {}]),
    ("Inhibit", "ssssa{sv}", ["calc", "who", "why", "block", {}]),
    ("History", "su", ["", 0]), ("Reload", "a{sv}", [{}]), ("CollectGarbage", "a{sv}", [{}]),
    ("Update", "asa{sv}", [["/nowhere"], {}]),
])
def test_callers_that_vanish(works, method, signature, args):
    args = [dbus.Dictionary(a, signature="sv") if isinstance(a, dict) else a for a in args]
    for _ in range(20):
        client = works.new_client()
        client.send(ROOT, MANAGER, method, signature, *args)
        client.connection.flush()
        client.close()
    settle()
    wait_for(lambda: works.manager.ListInhibitors() == [], 10, "the inhibitors' end")
    path = works.manager.BeginTransaction("kantan", [("upgrade", "mine", "1", "2", "-")])
    works.transaction(path).wait_property("State", "granted")
    works.transaction(path).Finish(False)


def test_a_stranger_on_the_notify_socket_is_not_heard(instance):
    instance.write_battery("calc", {
        "Battery": {"Program": "/bin/sleep", "Arguments": "1000", "Runner": "direct", "Stateless": "yes",
                    "Replicants": 1},
        "Update": {"StopTimeoutSec": "5s", "ReadyTimeoutSec": "3s"}})
    instance.start()
    start = instance.battery("calc").send("Start", timeout=40)
    instance.events.wait("ReplicantStarted", "calc")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.path.join(instance.state, "run", "notify"))
        for text in (b"READY=1", b"READY=1\nMAINPID=1", b"\0" * 100, b"\xff" * 5000, b"", b"=" * 4096,
                     b"STATUS=" + b"\x1b[2J" * 900, b"STOPPING=1\nFDSTORE=1"):
            s.send(text)
        read, write = os.pipe()
        for _ in range(64):
            socket.send_fds(s, [b"FDSTORE=1"], [read, write])
        os.close(read)
        os.close(write)
    with pytest.raises(Refused) as error:
        start.wait(40)
    assert error.value.name == "NoReplicant" and "ReadyTimeoutSec=" in error.value.text
    replicant = instance.replicant("calc", 1)
    assert replicant.get("Status") == ""
    assert not instance.events.of("ReplicantHealthy")
    assert instance.daemon.running
    instance.battery("calc").Stop()
