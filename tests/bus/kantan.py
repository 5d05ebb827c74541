# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests on a bus are written with: a private dbus-daemon, the real orchestrator on it, a thin
client, a recorder of events, a sampler of the floor, and words about processes.

Nothing here sleeps to wait: wait_for() runs the main loop and looks again after every signal, process end or
call that came in, until a deadline at which the test fails.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections import namedtuple
from contextlib import contextmanager

import dbus
import dbus.bus
import dbus.lowlevel
from dbus.mainloop.glib import DBusGMainLoop, threads_init
from gi.repository import GLib

threads_init()

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("KANTAN_BUILD", os.path.join(SOURCE, "build")))
PYTHON = "/usr/bin/python3"
# Sanitizers make everything two to five times slower.
SLOWNESS = 4 if BUILD.endswith("-asan") else 1

NAME = "org.kantan.Orchestrator1"
ROOT = "/org/kantan/Orchestrator1"
DBUS = "org.freedesktop.DBus"
PROPERTIES = DBUS + ".Properties"
FINAL = {"done", "rolled-back", "failed", "cancelled", "vetoed"}  # states of an update that has ended

Event = namedtuple("Event", "sequence kind time_us battery detail")


def crash_at_write(counter, at, when="after"):
    """The environment of a daemon that kills itself at its AT-th journal write; COUNTER: a file."""
    # Ours is loaded before ASan. Leaks are looked for where daemons end at rest: these end in mid-act.
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0:detect_leaks=0"
    return {"LD_PRELOAD": os.path.join(BUILD, "tests", "fake", "crash-at-write.so"), "ASAN_OPTIONS": options,
            "CRASH_COUNT_FILE": counter, "CRASH_AT": str(at), "CRASH_WHEN": when}


# --- waiting -----------------------------------------------------------------------------------------

def wait_for(predicate, timeout=10, what=None):
    """Runs the main loop until PREDICATE() is true and returns what it gave; AssertionError after TIMEOUT
    seconds. It is asked again after each turn of the loop: whatever changes it must wake the loop."""
    late = []
    source = GLib.timeout_add(int(timeout * SLOWNESS * 1000), lambda: late.append(1) or GLib.SOURCE_CONTINUE)
    try:
        while True:
            value = predicate()
            if value:
                return value
            if late:
                raise AssertionError(f"not within {timeout} s: {what or getattr(predicate, '__doc__', None)}")
            GLib.MainContext.default().iteration(True)
    finally:
        GLib.source_remove(source)


def settle():
    """Handles what has already arrived."""
    while GLib.MainContext.default().iteration(False):
        pass


# --- processes ---------------------------------------------------------------------------------------

def start_ticks(pid):
    """When PID was started, in clock ticks since boot; None if there is no such process (or only its
    zombie). With the pid it names one process until the next boot."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(pid):
    return start_ticks(pid) is not None


def exe(pid):
    return os.readlink(f"/proc/{pid}/exe")


def arguments(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return [a.decode("utf-8", "replace") for a in f.read().split(b"\0")[:-1]]


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as f:
        pairs = (e.decode("utf-8", "replace").partition("=") for e in f.read().split(b"\0") if e)
        return {k: v for k, _, v in pairs}


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def wait_gone(pid, timeout=10):
    """Waits until PID has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    woken = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, fd, GLib.IOCondition.IN,
                                  lambda *_: GLib.SOURCE_REMOVE, None)
    try:
        wait_for(lambda: not alive(pid), timeout, f"end of process {pid}")
    finally:
        if GLib.MainContext.default().find_source_by_id(woken):
            GLib.source_remove(woken)
        os.close(fd)


# --- the bus and its clients -------------------------------------------------------------------------

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
  <limit name="max_connections_per_user">20000</limit>
  <limit name="max_completed_connections">20000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""


class PrivateBus:
    """A dbus-daemon of our own, open to every uid of this machine."""

    def __init__(self, directory):
        config = os.path.join(directory, "bus.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(BUS_CONFIG.format(socket=os.path.join(directory, "bus")))
        read, write = os.pipe()
        self.process = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile",
                                         f"--print-address={write}"], pass_fds=[write],
                                        stdin=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as f:
            self.address = f.readline().strip()  # written once it listens
        assert self.address, "dbus-daemon did not start"

    def stop(self):
        self.process.kill()
        self.process.wait()


def plain(value):
    """dbus-python's types as Python's own."""
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, dbus.Array)):
        return [plain(v) for v in value]
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value) if isinstance(value, str) else value


class Refused(Exception):
    """An error reply: name (of org.kantan.Error.* only the last part) and text."""

    def __init__(self, error):
        self.full_name = error.get_dbus_name()
        self.name = self.full_name.removeprefix("org.kantan.Error.")
        self.text = error.get_dbus_message()
        super().__init__(f"{self.name}: {self.text}")


class Pending:
    """A call on its way; wait() gives its result or raises Refused."""

    def __init__(self):
        self.done, self.result, self.error = False, None, None

    def wait(self, timeout=30):
        wait_for(lambda: self.done, timeout, "a reply")
        if self.error:
            raise self.error
        return self.result


class Client:
    """One connection to the private bus."""

    def __init__(self, address):
        self.connection = dbus.bus.BusConnection(address, mainloop=DBusGMainLoop())
        self.connection.set_exit_on_disconnect(False)
        self.signatures = {}  # (interface, method) -> list of complete types

    def close(self):
        self.connection.close()

    def call(self, path, interface, method, signature="", *args, dest=NAME, timeout=25):
        """Exactly this call, also one that is wrong; waits for the reply. Raises Refused."""
        pending = self.send(path, interface, method, signature, *args, dest=dest, timeout=timeout)
        return pending.wait(timeout + 5)

    def send(self, path, interface, method, signature="", *args, dest=NAME, timeout=25):
        """The same without waiting: a Pending."""
        pending = Pending()

        def replied(*values):
            values = [plain(v) for v in values]
            pending.result = values[0] if len(values) == 1 else tuple(values) or None
            pending.done = True

        def failed(error):
            pending.error = Refused(error)
            pending.done = True

        self.connection.call_async(dest, path, interface, method, signature, args, replied, failed,
                                   timeout=timeout * SLOWNESS)
        return pending

    def fds(self, path, interface, method, signature="", *args, dest=NAME, timeout=25):
        """Calls a method that returns one descriptor, which is the caller's to close."""
        try:
            return self.connection.call_blocking(dest, path, interface, method, signature, args,
                                                 timeout=timeout * SLOWNESS).take()
        except dbus.DBusException as error:
            raise Refused(error) from None

    def object(self, path, interface):
        return Object(self, path, interface)

    def owner(self, name):
        """The unique name behind NAME, None if nobody owns it."""
        try:
            return self.call("/org/freedesktop/DBus", DBUS, "GetNameOwner", "s", name, dest=DBUS)
        except Refused:
            return None

    def names(self, prefix):
        names = self.call("/org/freedesktop/DBus", DBUS, "ListNames", dest=DBUS)
        return sorted(n for n in names if n.startswith(prefix))

    def pid_of(self, name):
        return self.call("/org/freedesktop/DBus", DBUS, "GetConnectionUnixProcessID", "s", name, dest=DBUS)

    def on_signal(self, function, **match):
        """FUNCTION(*arguments) on every such signal; keywords as in dbus-python's add_signal_receiver."""
        return self.connection.add_signal_receiver(function, **match)

    def wait_name(self, name, timeout=10, owned=True):
        """Waits until NAME is owned (or, OWNED false, is not)."""
        state = {}
        match = self.on_signal(lambda n, old, new: state.update(owner=new), signal_name="NameOwnerChanged",
                               dbus_interface=DBUS, arg0=name)
        try:
            state.setdefault("owner", self.owner(name))
            wait_for(lambda: bool(state["owner"]) == owned, timeout,
                     f"{name} to {'appear' if owned else 'go'}")
        finally:
            match.remove()


class Object:
    """An object seen through one interface: battery.Start() calls, battery.get("State") reads. Signatures
    come from the service's own introspection; a trailing a{sv} that is not given is empty."""

    def __init__(self, client, path, interface):
        self.client, self.path = client, path
        self.interface = interface if "." in interface else f"{NAME}.{interface}"

    def __getattr__(self, method):
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *args, timeout=25: self.send(method, *args, timeout=timeout).wait(timeout + 5)

    def send(self, method, *args, timeout=25):
        """The call without waiting: a Pending."""
        types = self._types(method)
        if len(args) == len(types) - 1 and types[-1] == "a{sv}":
            args += (dbus.Dictionary({}, signature="sv"),)
        return self.client.send(self.path, self.interface, method, "".join(types), *args, timeout=timeout)

    def fd(self, method, *args):
        """Calls a method that returns one descriptor."""
        types = self._types(method)
        if len(args) == len(types) - 1:
            args += (dbus.Dictionary({}, signature="sv"),)
        return self.client.fds(self.path, self.interface, method, "".join(types), *args)

    def get(self, name):
        return self.client.call(self.path, PROPERTIES, "Get", "ss", self.interface, name)

    def all(self):
        return self.client.call(self.path, PROPERTIES, "GetAll", "s", self.interface)

    def introspect(self):
        return ET.fromstring(self.client.call(self.path, DBUS + ".Introspectable", "Introspect"))

    def on(self, signal_name, function):
        return self.client.on_signal(function, signal_name=signal_name, dbus_interface=self.interface,
                                     path=self.path)

    def wait_property(self, name, wanted, timeout=10):
        """Waits until the property is WANTED (a value, a set of values, or a function of the value) by
        PropertiesChanged alone; returns the value."""
        seen = {}

        def changed(interface, values, invalidated):
            if interface == self.interface and name in values:
                seen["value"] = plain(values[name])
            if interface == self.interface and name in invalidated:
                seen["to_read"] = True

        def good(value):
            if seen.pop("to_read", False):
                value = seen["value"] = self.get(name)
            if callable(wanted):
                return wanted(value)
            return value in wanted if isinstance(wanted, set) else value == wanted

        match = self.client.on_signal(changed, signal_name="PropertiesChanged", dbus_interface=PROPERTIES,
                                      path=self.path)
        try:
            first = self.get(name)
            seen.setdefault("value", first)
            wait_for(lambda: good(seen["value"]), timeout)
        except AssertionError:
            raise AssertionError(f"{self.path} {name}: {seen.get('value')!r}, not {wanted!r} "
                                 f"within {timeout} s") from None
        finally:
            match.remove()
        return seen["value"]

    def _types(self, method):
        known = self.client.signatures
        if (self.interface, method) not in known:
            for interface in self.introspect().iter("interface"):
                for m in interface.iter("method"):
                    known[interface.get("name"), m.get("name")] = [
                        a.get("type") for a in m.iter("arg") if a.get("direction", "in") == "in"]
        if (self.interface, method) not in known:
            raise AttributeError(f"{self.interface} at {self.path} has no method {method}")
        return known[self.interface, method]


class Events:
    """Every Channel.Event since it was made, in order of arrival."""

    def __init__(self, client, path=ROOT + "/svc"):
        self.all = []
        self.match = client.on_signal(self._heard, signal_name="Event", path=path,
                                      dbus_interface=NAME + ".Channel")

    def _heard(self, *values):
        self.all.append(Event(*(plain(v) for v in values)))

    def of(self, kind, battery=None, **detail):
        """Those of KIND (and battery, and with these details) so far."""
        return [e for e in self.all if e.kind == kind and battery in (None, e.battery)
                and all(e.detail.get(k) == v for k, v in detail.items())]

    def kinds(self):
        return [e.kind for e in self.all]

    def wait(self, kind, battery=None, timeout=10, count=1, **detail):
        """Waits until COUNT such events were heard in all; returns the COUNT-th."""
        try:
            wait_for(lambda: len(self.of(kind, battery, **detail)) >= count, timeout)
        except AssertionError:
            raise AssertionError(f"event {kind} {battery or ''} {detail or ''} not heard within {timeout} s; "
                                 f"heard: {' '.join(self.kinds())}") from None
        return self.of(kind, battery, **detail)[count - 1]

    def close(self):
        self.match.remove()


class FloorSampler:
    """Asks the replicants themselves, from outside and without pause, who answers: BUSNAME.r1 … rN. What
    counts as active is an answer, nothing that the orchestrator says of itself. A round of calls is no
    snapshot: one may be back before the next is asked, so a new low counts only if a second look finds it."""

    def __init__(self, address, bus_name, count, method=(DBUS + ".Peer", "Ping"), path="/"):
        self.names = [f"{bus_name}.r{n}" for n in range(1, count + 1)]
        self.address, self.method, self.path = address, method, path
        self.least, self.rounds = count, 0
        self.lows = []  # (monotonic seconds, who answered) whenever the least so far was reached
        self.ending, self.looked = threading.Event(), threading.Condition()
        self.failure = None
        self.thread = threading.Thread(target=self._guarded, daemon=True)

    def _answers(self, connection, name):
        try:
            connection.call_blocking(name, self.path, *self.method, "", (), timeout=1 * SLOWNESS)
        except dbus.DBusException:
            return False
        return True

    def _sample(self):
        connection = dbus.bus.BusConnection(self.address)
        connection.set_exit_on_disconnect(False)
        while not self.ending.is_set():
            active = [n for n in self.names if self._answers(connection, n)]
            if len(active) < self.least:
                active = [n for n in self.names if n in active or self._answers(connection, n)]
            if len(active) <= self.least:
                self.least = len(active)
                self.lows.append((time.monotonic(), [n.rpartition(".")[2] for n in active]))
            with self.looked:
                self.rounds += 1
                self.looked.notify_all()
            self.ending.wait(0.001)  # lint: the distance between samples, not a wait for something
        connection.close()

    def _guarded(self):
        try:
            self._sample()
        except Exception as error:  # told by __exit__, in the test's own thread
            self.failure = error

    def wait_rounds(self, count=2, timeout=10):
        """Waits for COUNT more rounds; with two, one lies wholly after the call."""
        with self.looked:
            wanted = self.rounds + count
            assert self.looked.wait_for(lambda: self.rounds >= wanted, timeout), "the sampler stands still"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join(10)
        if self.failure:
            raise self.failure
        assert self.rounds > 0, "the sampler never looked"


# --- an instance -------------------------------------------------------------------------------------

def program(name):
    """A built program, found by its name."""
    for directory, folders, files in os.walk(BUILD):
        folders[:] = [f for f in folders if not f.endswith(".p")]
        path = os.path.join(directory, name)
        if name in files and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"no program {name} in {BUILD}")


class Daemon:
    """One run of kantan-orchestratord, under a reaper."""

    def __init__(self, instance, *options, environment=None):
        command = [program("kantan-orchestratord"), f"--bus={instance.bus.address}",
                   f"--config={instance.config}", f"--state={instance.state}", "--log-level=debug", *options]
        self.status = None  # exit status; negative: the signal
        self.reaper = subprocess.Popen([PYTHON, "-IS", os.path.join(HERE, "reaper.py"), instance.log_path,
                                        *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       env={**os.environ, **(environment or {})})
        word, self.pid = self.reaper.stdout.readline().split()
        assert word == b"pid"
        self.pid = int(self.pid)
        self.source = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, self.reaper.stdout.fileno(),
                                            GLib.IOCondition.IN | GLib.IOCondition.HUP, self._told, None)

    def _told(self, *_):
        line = self.reaper.stdout.readline().split()
        if line and line[0] == b"exit":
            self.status = int(line[1])
        self.source = None
        return GLib.SOURCE_REMOVE

    @property
    def running(self):
        settle()
        return self.status is None

    def wait_exit(self, timeout=10):
        wait_for(lambda: self.status is not None, timeout, "the daemon's end")
        return self.status

    def kill(self):
        """SIGKILL, and the end of it."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait_exit()

    def terminate(self, timeout=10):
        """SIGTERM; returns the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait_exit(timeout)

    def close(self):
        """Kills what still lives: the daemon and its orphans."""
        self.reaper.stdin.close()
        self.reaper.wait()
        if self.source:
            GLib.source_remove(self.source)
        self.reaper.stdout.close()


class Instance:
    """A private instance: bus, directories, and (once started) the daemon."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="kantan-")  # short: sockets' paths end at 107 bytes
        os.chmod(self.directory, 0o755)
        self.config, self.state = (os.path.join(self.directory, d) for d in ("config", "state"))
        os.makedirs(os.path.join(self.config, "batteries"))
        self.log_path = os.path.join(self.directory, "log")
        self.bus = PrivateBus(self.directory)
        self.client = Client(self.bus.address)
        self.events = Events(self.client)
        self.clients, self.daemons = [self.client], []

    # -- files --
    def write_battery(self, name, sections, where="batteries", file_name=None):
        """SECTIONS: {"Battery": {"Replicants": 3}, …}, or the text itself. Not read before reload/start."""
        path = os.path.join(self.config, where, file_name or f"{name}.battery")
        if not isinstance(sections, str):
            sections = "\n".join(f"[{s}]\n" + "".join(f"{k}={v}\n" for k, v in keys.items())
                                 for s, keys in sections.items())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(sections)
        return path

    def write_trivial(self, name, count=2, arguments="", **update):
        """A battery of programs that do nothing but say READY=1 (trivial.py); UPDATE: keys of [Update]."""
        words = ";".join(filter(None, [os.path.join(HERE, "trivial.py"), arguments]))
        return self.write_battery(name, {
            "Battery": {"Program": PYTHON, "Arguments": words, "Runner": "direct", "Stateless": "yes",
                        "Replicants": count},
            "Update": {"StopTimeoutSec": "5s", **update}})

    @property
    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    # -- the daemon --
    def launch(self, *options, environment=None):
        """Starts a daemon without waiting for anything."""
        daemon = Daemon(self, *options, environment=environment)
        self.daemons.append(daemon)
        return daemon

    def start(self, *options, environment=None, timeout=10):
        """Starts the daemon and waits until its name is on the bus (an earlier one must be gone)."""
        self.client.wait_name(NAME, timeout, owned=False)
        owner = {}
        match = self.client.on_signal(lambda n, old, new: owner.update(new=new), arg0=NAME,
                                      signal_name="NameOwnerChanged", dbus_interface=DBUS)
        daemon = self.launch(*options, environment=environment)
        try:
            wait_for(lambda: owner.get("new") or daemon.status is not None, timeout, f"{NAME} on the bus")
        finally:
            match.remove()
        assert daemon.status is None, f"the daemon ended with {daemon.status}:\n{self.log}"
        return daemon

    @property
    def daemon(self):
        return self.daemons[-1]

    def restart(self, *options, environment=None):
        """SIGKILL and a new one."""
        self.daemon.kill()
        return self.start(*options, environment=environment)

    # -- clients --
    def new_client(self):
        client = Client(self.bus.address)
        self.clients.append(client)
        return client

    @contextmanager
    def client_of_uid(self, uid):
        """A connection that the bus knows as UID's; needs root."""
        os.seteuid(uid)
        try:
            client = Client(self.bus.address)
        finally:
            os.seteuid(0)
        try:
            yield client
        finally:
            client.close()

    @property
    def manager(self):
        return self.client.object(ROOT, "Manager")

    @property
    def channel(self):
        return self.client.object(ROOT + "/svc", "Channel")

    def battery(self, name):
        return self.client.object(f"{ROOT}/svc/{name}", "Battery")

    def replicant(self, name, number):
        return self.client.object(f"{ROOT}/svc/{name}/{number}", "Replicant")

    def replicants(self, name):
        """All of them, as {number: properties}."""
        managed = self.client.call(ROOT, DBUS + ".ObjectManager", "GetManagedObjects")
        prefix = f"{ROOT}/svc/{name}/"
        return {int(path.removeprefix(prefix)): interfaces[NAME + ".Replicant"]
                for path, interfaces in managed.items() if path.startswith(prefix)}

    def processes(self, name):
        """{number: (pid, start ticks)} of those that run."""
        pids = {n: r["MainPID"] for n, r in self.replicants(name).items() if r["MainPID"]}
        return {n: (pid, start_ticks(pid)) for n, pid in pids.items()}

    def update(self, path):
        return self.client.object(path, "Update")

    def transaction(self, path):
        return self.client.object(path, "Transaction")

    def wait_update(self, path, timeout=30):
        """Waits for the verdict; returns (state, reason)."""
        update = self.update(path)
        state = update.wait_property("State", FINAL, timeout)
        return state, update.get("Reason")

    def sampler(self, bus_name, count, **how):
        return FloorSampler(self.bus.address, bus_name, count, **how)

    def run(self, *command, check=False, timeout=60, **how):
        """Runs a program with the instance's options in its environment; returns CompletedProcess."""
        return subprocess.run(command, check=check, timeout=timeout * SLOWNESS, text=True,
                              stdin=how.pop("stdin", subprocess.DEVNULL), capture_output=True, **how)

    def nyota(self, *arguments, **how):
        return self.run(program("nyota"), f"--bus={self.bus.address}", f"--config={self.config}",
                        f"--state={self.state}", *arguments, **how)

    def close(self):
        """Ends everything; then says what the sanitizers or GLib had to complain about."""
        for daemon in self.daemons:
            if daemon.running and SLOWNESS > 1:
                daemon.terminate()  # by its own hand: else the leak check has no say
        for daemon in self.daemons:
            daemon.close()
        for client in self.clients:
            client.close()
        settle()
        self.bus.stop()
        complaints = [line for line in self.log.splitlines() if any(
            word in line for word in ("Sanitizer", "runtime error:", "CRITICAL", "critical:", "Assertion"))]
        shutil.rmtree(self.directory, ignore_errors=True)
        return complaints
