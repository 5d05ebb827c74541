# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages and paths that do harm, through every door: BadPackage each, in words that hold nothing of the
file, nothing stopped, nothing new on disk. What the reader itself refuses is in tests/unit/test-package.c."""
import os
import shutil
import zipfile

import dbus
import pytest
from kantan import BUILD, Refused

GOOD = os.path.join(BUILD, "examples", "calc", "calc_1.0.kantan")
SECRET = "root:secret:0:0"


def entries(changes):
    """GOOD with entries replaced or added; None leaves one out."""
    def make(path):
        with zipfile.ZipFile(GOOD) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for info in old.infolist():
                content = changes.get(info.filename, old.read(info))
                if content is not None:
                    new.writestr(info, content)
            for name in changes.keys() - set(old.namelist()):
                new.writestr(name, changes[name])
    return make


def text(content):
    def make(path):
        with open(path, "wb") as f:
            f.write(content)
    return make


def truncated(path):
    with open(GOOD, "rb") as f:
        text(f.read()[:-500])(path)


def with_info(change):
    with zipfile.ZipFile(GOOD) as z:
        xml = z.read("package-info.xml").decode()
    assert change(xml) != xml
    return entries({"package-info.xml": change(xml)})


HOSTILE = {
    "empty": text(b""),
    "garbage": text(SECRET.encode() * 100),
    "truncated": truncated,
    "no-description": entries({"package-info.xml": None}),
    "broken-description": with_info(lambda xml: xml[:-40]),
    "entity": with_info(lambda xml: xml.replace(
        "<package-info", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><package-info', 1)),
    "changed-program": entries({"bin/calcd": b"#!/bin/sh\n"}),
    "missing-file": entries({"bin/calcd": None}),
    "climbing-name": entries({"../../escaped": b"x"}),
    "absolute-name": entries({"/tmp/escaped": b"x"}),
    "other-name": with_info(lambda xml: xml.replace('name="calc"', 'name="../calc"')),
    "other-version": with_info(lambda xml: xml.replace("<version>1.0", "<version>9.9")),
}


def directory(path):
    os.mkdir(path)


PATHS = {  # things at a path that are no readable package
    "missing": lambda path: None,
    "directory": directory,
    "fifo": os.mkfifo,
    "link-to-fifo": lambda path: (os.mkfifo(path + ".fifo"), os.symlink(path + ".fifo", path)),
    "link-to-device": lambda path: os.symlink("/dev/zero", path),
    "link-to-terminal": lambda path: os.symlink("/dev/ptmx", path),
    "link-to-passwd": lambda path: os.symlink("/etc/passwd", path),
    "link-to-proc": lambda path: os.symlink("/proc/self/environ", path),
    "link-to-kmsg": lambda path: os.symlink("/proc/kmsg", path),
    "link-to-itself": lambda path: os.symlink(path, path),
    "dangling": lambda path: os.symlink("/nowhere/at/all", path),
}


def listing(instance):
    return sorted(os.path.join(d, name) for d, folders, files in os.walk(instance.state)
                  for name in folders + files if not name.startswith("journal.db"))


@pytest.fixture
def running(instance):
    """Two replicants of a battery that calc belongs to; in the end they must be the same processes."""
    path = instance.write_trivial("calc", 2, WarnSec="0s")
    with open(path, encoding="utf-8") as f:
        content = f.read().replace("[Battery]\n", "[Battery]\nPackages=other\n")
    instance.write_battery("calc", content)
    instance.start()
    shutil.copytree(os.path.dirname(GOOD), os.path.join(instance.directory, "good"),
                    ignore=lambda _, names: [n for n in names if n != "calc_1.0.kantan"])
    instance.manager.PlanUpdate([os.path.join(instance.directory, "good", "calc_1.0.kantan")])
    shutil.rmtree(os.path.join(instance.state, "packages", "calc"))  # the store is there, and empty
    before = listing(instance)
    yield instance
    assert listing(instance) == before
    assert instance.daemon.running
    assert not instance.events.of("UpdateWarning") and not instance.events.of("ReplicantStopped")


def refuses(instance, path, door, name="calc_1.0.kantan"):
    with pytest.raises(Refused) as error:
        if door == "fd":
            with open(path, "rb") as f:
                instance.manager.UpdateFds([(name, dbus.types.UnixFd(f))])
        elif door == "transaction":
            change = [("upgrade", "calc", "-", "1.0", path)]
            done = instance.manager.BeginTransaction("kantan", change)
            transaction = instance.transaction(done)
            transaction.wait_property("State", "refused", 20)
            raise_reason(transaction.get("Reason"))
        else:
            getattr(instance.manager, door)([path])
    assert error.value.name == "BadPackage", str(error.value)
    assert SECRET[:10] not in error.value.text and "root:" not in error.value.text
    assert len(error.value.text) < 600
    return error.value.text


def raise_reason(reason):
    class Said:
        get_dbus_name = staticmethod(lambda: "org.kantan.Error.BadPackage")
        get_dbus_message = staticmethod(lambda: reason)
    raise Refused(Said)


@pytest.mark.parametrize("door", ["Update", "PlanUpdate", "fd", "transaction"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_package_changes_nothing(running, kind, door):
    path = os.path.join(running.directory, "calc_1.0.kantan")
    HOSTILE[kind](path)
    assert refuses(running, path, door)
    assert not os.path.exists("/tmp/escaped")


@pytest.mark.parametrize("door", ["Update", "transaction"])
@pytest.mark.parametrize("kind", PATHS)
def test_a_path_that_is_no_package(running, kind, door):
    path = os.path.join(running.directory, "calc_1.0.kantan")
    PATHS[kind](path)
    assert refuses(running, path, door)


@pytest.mark.parametrize("path", ["calc_1.0.kantan", "", "./calc_1.0.kantan", "/" + "a" * 4096, "/a\nb"])
def test_a_path_that_is_none(running, path):
    with pytest.raises(Refused) as error:
        running.manager.Update([path])
    assert error.value.name == "InvalidArgument"


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "directory", "path", "write-only"])
def test_a_descriptor_that_is_no_package(running, kind):
    import socket
    near, far = socket.socketpair()
    read, write = os.pipe()
    fd = {"pipe": lambda: os.dup(read), "socket": lambda: os.dup(near.fileno()),
          "device": lambda: os.open("/dev/zero", os.O_RDONLY),
          "directory": lambda: os.open("/", os.O_RDONLY), "path": lambda: os.open(GOOD, os.O_PATH),
          "write-only": lambda: os.open(os.path.join(running.directory, "new"),
                                        os.O_WRONLY | os.O_CREAT)}[kind]()
    try:
        with pytest.raises(Refused) as error:
            running.manager.UpdateFds([("calc_1.0.kantan", dbus.types.UnixFd(fd))])
        assert error.value.name == "BadPackage", str(error.value)
    finally:
        for each in (fd, read, write):
            os.close(each)
        near.close()
        far.close()


def test_a_descriptor_used_twice_or_under_a_false_name(running):
    with open(GOOD, "rb") as f:
        fd = dbus.types.UnixFd(f)
        with pytest.raises(Refused) as error:
            running.manager.UpdateFds([("../calc_1.0.kantan\n", fd)])
        assert error.value.name == "InvalidArgument"
        refuses(running, GOOD, "fd", "calc_9.9.kantan")
        with pytest.raises(Refused) as error:
            running.manager.UpdateFds([])
        assert error.value.name == "InvalidArgument"


def test_a_file_that_shrinks_while_it_is_read(running):
    path = os.path.join(running.directory, "calc_1.0.kantan")
    for _ in range(10):
        shutil.copy(GOOD, path)
        with open(path, "rb") as f:
            call = running.manager.send("UpdateFds", [("calc_1.0.kantan", dbus.types.UnixFd(f))])
            os.truncate(path, 100)
        try:
            call.wait()  # it may have been quicker
        except Refused as error:
            assert error.name == "BadPackage", str(error)
    shutil.rmtree(os.path.join(running.state, "packages", "calc"), ignore_errors=True)


def test_more_packages_than_a_call_may_name(running):
    with pytest.raises(Refused) as error:
        running.manager.Update([f"/p{n}_1.kantan" for n in range(65)])
    assert error.value.name == "LimitsExceeded"
