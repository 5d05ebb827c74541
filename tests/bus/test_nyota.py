# SPDX-License-Identifier: LGPL-2.1-or-later
"""nyota from outside: what it prints on a terminal and into a pipe, its JSON, and its exit codes, against
the real daemon."""
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET
import zipfile

import kantan
import pytest
from kantan import BUILD, ROOT, SOURCE, program, wait_for

DONE, FAILED, USAGE, REFUSED, NOT_AUTHORIZED, UNREACHABLE = range(6)
BUS_NAME = "org.example.Calc"


def package(version):
    return os.path.join(BUILD, "examples", "calc", f"calc_{version}.kantan")


def write_calc(instance, replicants=3, **update):
    data = os.path.join(instance.directory, "data")
    os.makedirs(data, exist_ok=True)
    bus = instance.bus.address
    return instance.write_battery("calc", {
        "Battery": {"Description": "Calculator", "Packages": "calc", "Program": "bin/calcd",
                    "Runner": "direct", "Replicants": replicants, "BusName": BUS_NAME,
                    "Arguments": f"--bus={bus};--bus-name={BUS_NAME};--state-dir={data}"},
        "Update": {"WarnSec": "200ms", "SoakSec": "100ms", "StopTimeoutSec": "5s", **update},
        "Health": {"Check": f"exec:%r/bin/calc-check --bus={bus} --bus-name={BUS_NAME} %i"}})


@pytest.fixture
def calc(instance):
    """Three replicants of calc 1.0, running."""
    write_calc(instance)
    instance.start()
    done = instance.nyota("update", "--yes", package("1.0"))
    assert done.returncode == DONE, done.stderr + done.stdout
    if instance.battery("calc").get("State") != "running":
        assert instance.nyota("start", "calc").returncode == DONE
    return instance


def command(instance, *arguments):
    return [program("nyota"), f"--bus={instance.bus.address}", f"--config={instance.config}",
            f"--state={instance.state}", *arguments]


def begin(instance, *arguments):
    """nyota on its way, with pipes."""
    return subprocess.Popen(command(instance, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def on_terminal(instance, *arguments, answer=None, environment=None):
    """Runs nyota on a terminal, types ANSWER when asked; returns (exit status, all that was written)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command(instance, *arguments), stdin=slave, stdout=slave, stderr=slave,
                               env={**os.environ, "TERM": "xterm", **(environment or {})})
    os.close(slave)
    written = b""
    while True:
        try:
            written += os.read(master, 65536)
        except OSError:  # the last one to hold the terminal is gone
            break
        if answer and written.rstrip().endswith(b"[y/N]"):
            os.write(master, answer.encode())
            answer = None
    os.close(master)
    return process.wait(), written.decode()


def wait_object(instance, path):
    """Objects come to the bus while the daemon, its name already there, still recovers."""
    match = instance.client.on_signal(lambda *_: None, signal_name="InterfacesAdded")
    try:
        wait_for(lambda: path in instance.client.call(ROOT, kantan.DBUS + ".ObjectManager",
                                                      "GetManagedObjects"))
    finally:
        match.remove()


def parsed(done):
    assert done.returncode == DONE, done.stderr
    return json.loads(done.stdout)


# --- without the service -----------------------------------------------------------------------------

def test_unreachable_service_says_what_to_do(instance):
    for words in (["list"], ["status"], ["watch"], ["start", "calc"], ["update", "--yes", package("1.0")]):
        done = instance.nyota(*words)
        assert done.returncode == UNREACHABLE, words
        assert "systemctl start kantan-orchestratord" in done.stderr and done.stdout == ""


def test_unreachable_bus_names_the_option(instance):
    done = instance.run(program("nyota"), "--bus=unix:path=/nonexistent/bus", "list")
    assert done.returncode == UNREACHABLE
    assert "/nonexistent/bus" in done.stderr and "--bus=" in done.stderr


@pytest.mark.parametrize("words, told", [
    (["lst"], "did you mean 'list'"),
    (["xyzzy"], "nyota --help"),
    (["list", "--jsn"], "did you mean --json"),
    (["start"], "usage: nyota start BATTERY"),
    (["start", "Not A Name"], "no battery name"),
    (["pause", "seven"], "no update's number"),
    (["inhibit", "--why=x", "true"], "--battery=NAME"),
    (["inhibit", "--battery=calc", "--mode=maybe", "--why=x", "true"], "'delay'"),
    (["watch", "--since=soon"], "--since"),
    (["plan", "--strategy"], "needs a value"),
    (["--log-level=loud", "list"], "--log-level"),
    (["package"], "make|show|verify"),
    ([], ""),
])
def test_wrong_usage(instance, words, told):
    done = instance.nyota(*words)
    assert done.returncode == USAGE
    assert told in done.stderr
    assert done.stdout == "" or not words


def commands_of_help(instance):
    done = instance.nyota("--help")
    assert done.returncode == DONE
    section = done.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    return [re.match(r"  ((?:package )?\S+)", line).group(1) for line in section.splitlines()]


def test_every_command_has_help(instance):
    commands = commands_of_help(instance)
    assert {"list", "status", "why", "update", "watch", "package make", "gc"} <= set(commands)
    for words in commands:
        done = instance.nyota(*words.split(), "--help")
        assert done.returncode == DONE and done.stdout.startswith(f"Usage: nyota {words}"), words
    assert instance.nyota("package", "--help").stdout.startswith("Usage: nyota package COMMAND")
    assert re.fullmatch(r"nyota \d+\.\d+\.\d+\n", instance.nyota("--version").stdout)


# --- check -------------------------------------------------------------------------------------------

def test_check_of_good_files(instance):
    write_calc(instance)
    done = instance.nyota("check")
    assert (done.returncode, done.stdout) == (DONE, "1 battery checked, no problems\n")
    done = instance.nyota("check", "calc")
    policy = ET.fromstring(done.stdout[done.stdout.index("<busconfig>"):])
    assert policy.find("policy/allow[@own_prefix]").get("own_prefix") == BUS_NAME
    assert parsed(instance.nyota("--json", "check"))["problems"] == []


def test_check_names_file_and_line(instance):
    path = instance.write_battery("calc", "[Battery]\nProgram=/bin/true\nReplicants=many\n")
    done = instance.nyota("check")
    assert done.returncode == FAILED
    assert done.stdout.startswith(f"{path}:3: error: ")
    done = instance.nyota("--json", "check", "calc")
    problem, = json.loads(done.stdout)["problems"]
    assert done.returncode == FAILED
    assert (problem["level"], problem["file"], problem["line"]) == ("error", path, 3)


def test_check_of_a_battery_that_is_not_there(instance):
    done = instance.nyota("check", "nobody")
    assert done.returncode == FAILED and "no nobody.battery" in done.stdout


def test_check_warns_of_unknown_neighbours(instance):
    instance.write_battery("calc", {
        "Battery": {"Program": "/bin/true", "Stateless": "yes", "After": "storage"}})
    done = instance.nyota("check")
    assert done.returncode == DONE and "After= names battery 'storage'" in done.stdout


# --- packages ----------------------------------------------------------------------------------------

PACKAGE_INFO = """<package-info xmlns="urn:kantan:package-info:1" name="toy"
    uuid="820178bb-af90-4dda-8bf6-589631315418">
  <title>Toy</title>
  <version>1.2</version>
</package-info>
"""


@pytest.fixture
def toy(instance):
    source = os.path.join(instance.directory, "toy")
    os.makedirs(os.path.join(source, "share"))
    with open(os.path.join(source, "package-info.xml"), "w", encoding="utf-8") as f:
        f.write(PACKAGE_INFO)
    with open(os.path.join(source, "share", "data"), "w", encoding="utf-8") as f:
        f.write("hello")
    made = os.path.join(instance.directory, "toy_1.2.kantan")
    done = instance.nyota("package", "make", source, "-o", made)
    assert (done.returncode, done.stdout) == (DONE, made + "\n"), done.stderr
    return made


def test_package_made_shown_verified(instance, toy):
    shown = instance.nyota("package", "show", toy)
    assert shown.returncode == DONE and "toy 1.2" in shown.stdout and "share/data" in shown.stdout
    info = parsed(instance.nyota("--json", "package", "show", toy))
    assert (info["name"], info["version"], info["compatibility"]) == ("toy", "1.2", "1")
    assert [(f["name"], f["size"]) for f in info["files"]] == [("share/data", 5)]
    verified = instance.nyota("package", "verify", toy)
    assert verified.returncode == DONE and "is whole" in verified.stdout


def with_other_data(path):
    """The package's bytes with the same entries, one of which holds something else."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, b"jello" if entry.filename == "share/data" else old.read(entry))
    return out.getvalue()


def test_broken_packages_are_told(instance, toy):
    with open(toy, "rb") as f:
        content = f.read()
    for broken in (content[:len(content) // 2], b"", with_other_data(toy)):
        with open(toy, "wb") as f:
            f.write(broken)
        done = instance.nyota("package", "verify", toy)
        assert done.returncode == FAILED and done.stderr.startswith("nyota: ") and done.stdout == ""


def test_wrong_name_fails_verify(instance, toy):
    other = os.path.join(instance.directory, "toy_9.9.kantan")
    shutil.copy(toy, other)
    assert instance.nyota("package", "verify", other).returncode == FAILED
    assert instance.nyota("package", "show", other).returncode == DONE


# --- seeing ------------------------------------------------------------------------------------------

def test_list_without_batteries(instance, daemon):
    assert "No batteries" in instance.nyota("list").stdout
    assert parsed(instance.nyota("--json", "list")) == []


def test_list_and_status_plain_and_json(calc):
    listed = calc.nyota("list")
    heading, row = listed.stdout.splitlines()
    assert heading.split()[:2] == ["BATTERY", "STATE"] and row.split()[:3] == ["calc", "running", "1.0"]
    assert row.index("running") == heading.index("STATE") and "\033" not in listed.stdout
    one, = parsed(calc.nyota("--json", "list"))
    properties = calc.battery("calc").all()
    assert one.pop("path") == ROOT + "/svc/calc"
    assert one == properties
    status = parsed(calc.nyota("--json", "status", "calc"))
    assert [r["Id"] for r in status["Replicants"]] == [1, 2, 3]
    assert status["Replicants"][1] == {**calc.replicant("calc", 2).all(), "path": ROOT + "/svc/calc/2"}
    text = calc.nyota("status", "calc").stdout
    assert text.startswith("calc: running, version 1.0, 3 of 3 active, floor 2")
    assert len(text.splitlines()) == 5
    assert calc.nyota("status", "nobody").returncode == FAILED


def test_terminal_has_colours_unless_unwanted(calc):
    status, text = on_terminal(calc, "list")
    assert status == DONE and "\033[32mrunning\033[0m" in text
    for how in ({"environment": {"NO_COLOR": "1"}}, {"environment": {"TERM": "dumb"}}):
        assert "\033" not in on_terminal(calc, "list", **how)[1]
    assert "\033" not in on_terminal(calc, "list", "--no-color")[1]


def test_why(calc):
    text = calc.nyota("why", "calc").stdout
    assert text.startswith("calc is running: ")
    calc.nyota("stop", "calc")
    text = calc.nyota("why", "calc").stdout
    assert text.startswith("calc is stopped") and "What would change that: `nyota start calc`" in text
    why = parsed(calc.nyota("--json", "why", "calc"))
    assert (why["State"], why["Update"], why["Inhibitors"]) == ("stopped", None, [])
    assert calc.nyota("why", "nobody").returncode == FAILED


def test_hostile_words_do_not_drive_the_terminal(calc):
    lock = calc.manager.fd("Inhibit", "calc", "joe", "red \x1b[31malert", "delay")
    assert "red ?[31malert" in calc.nyota("why", "calc").stdout
    os.close(lock)


# --- acting ------------------------------------------------------------------------------------------

def test_start_stop_restart(calc):
    before = calc.processes("calc")
    assert calc.nyota("restart", "calc").returncode == DONE
    after = calc.processes("calc")
    assert sorted(after) == [1, 2, 3] and not set(before.values()) & set(after.values())
    done = calc.nyota("stop", "calc")
    assert done.returncode == DONE and "every stop confirmed" in done.stdout
    assert not any(kantan.alive(pid) for pid, _ in after.values())
    assert calc.nyota("start", "calc").returncode == DONE
    assert calc.battery("calc").get("State") == "running"


def test_acts_on_what_is_not_there(instance, daemon):
    done = instance.nyota("start", "nobody")
    assert done.returncode == FAILED and "'nobody'" in done.stderr and "nyota list" in done.stderr
    assert instance.nyota("pause", "77").returncode == FAILED
    assert instance.nyota("log", "77").returncode == FAILED


def test_reload_reads_new_files(instance, daemon):
    instance.write_trivial("storage", 1)
    assert parsed(instance.nyota("--json", "list")) == []
    assert instance.nyota("reload").returncode == DONE
    assert [b["Name"] for b in parsed(instance.nyota("--json", "list"))] == ["storage"]


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_another_user_may_look_and_not_act(instance, daemon):
    instance.write_trivial("storage", 1)
    assert instance.nyota("reload").returncode == DONE
    copy = shutil.copy(program("nyota"), instance.directory)  # the build may lie where others cannot look
    os.chmod(copy, 0o755)
    for words, code in ((["list"], DONE), (["start", "storage"], NOT_AUTHORIZED),
                        (["reload"], NOT_AUTHORIZED)):
        done = instance.run(copy, f"--bus={instance.bus.address}", *words, user=65534, group=65534,
                            extra_groups=[], cwd="/")
        assert done.returncode == code, (words, done.stderr)


# --- updating ----------------------------------------------------------------------------------------

def test_plan(calc):
    done = calc.nyota("plan", package("1.1"))
    assert done.returncode == DONE
    assert done.stdout.startswith("calc: 1.0 -> 1.1, rolling\n")
    assert "at least 2 of 3 stay active" in done.stdout
    update, = parsed(calc.nyota("--json", "plan", package("1.1")))["updates"]
    assert sorted(s["replicant"] for s in update["steps"]) == [1, 2, 3]
    assert calc.battery("calc").get("Version") == "1.0"


def test_plan_that_breaks_the_floor_is_refused(instance):
    write_calc(instance, replicants=1, MinActive=1)
    instance.start()
    assert instance.nyota("update", "--yes", package("1.0")).returncode == DONE
    instance.nyota("start", "calc")
    plan = instance.nyota("plan", "--strategy=rolling", package("1.1"))
    assert plan.returncode == REFUSED and "refused" in plan.stdout + plan.stderr
    before = instance.processes("calc")
    update = instance.nyota("update", "--yes", "--strategy=rolling", package("1.1"))
    assert update.returncode == REFUSED
    assert instance.processes("calc") == before


def test_update_in_a_pipe(calc):
    done = calc.nyota("update", "--yes", package("1.1"))
    assert done.returncode == DONE, done.stderr
    assert "\033" not in done.stdout
    lines = done.stdout.splitlines()
    assert any("update started" in line for line in lines)
    assert sum("replicant" in line and "healthy" in line for line in lines) == 3
    assert re.match(r"calc: done, 1\.0 -> 1\.1 \(rolling\) in .* s, at least 2 active", lines[-1])
    assert {r["Version"] for r in calc.replicants("calc").values()} == {"1.1"}


def test_update_that_rolls_back_exits_with_1(calc):
    done = calc.nyota("--json", "update", "--yes", package("1.2"))
    assert done.returncode == FAILED
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["kind"] == "UpdateFinished" and events[-1]["detail"]["state"] == "rolled-back"
    assert [e["sequence"] for e in events] == sorted({e["sequence"] for e in events})
    assert {r["Version"] for r in calc.replicants("calc").values()} == {"1.0"}


def test_update_asks_nobody_without_a_terminal(calc):
    done = calc.nyota("update", package("1.1"))
    assert done.returncode == USAGE and "--yes" in done.stderr
    assert calc.nyota("--json", "update", package("1.1")).returncode == USAGE
    assert calc.events.of("UpdateWarning", to="1.1") == []


def test_update_of_a_file_that_is_not_there(calc):
    done = calc.nyota("update", "--yes", "/nonexistent/calc_9.kantan")
    assert done.returncode == FAILED and "/nonexistent/calc_9.kantan" in done.stderr


def test_update_on_a_terminal(calc):
    status, text = on_terminal(calc, "update", package("1.1"), answer="n\n")
    assert status == REFUSED and "calc: 1.0 -> 1.1, rolling" in text and "Nothing was done" in text
    assert calc.battery("calc").get("Version") == "1.0"
    status, text = on_terminal(calc, "update", package("1.1"), answer="y\n")
    assert status == DONE, text
    assert re.search(r"\033\[\d+A", text), "the display was never redrawn"
    assert "draining" in text or "stopping" in text or "starting" in text
    assert "\033[32mcalc: done, 1.0 -> 1.1" in text.rstrip().splitlines()[-1]


def test_veto_exits_with_3(calc):
    before = calc.processes("calc")
    lock = calc.manager.fd("Inhibit", "calc", "joe", "books open", "block")
    plan = calc.nyota("plan", package("1.1"))
    assert "joe may veto it: books open" in plan.stdout
    done = calc.nyota("update", "--yes", package("1.1"))
    os.close(lock)
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert "books open" in done.stdout + done.stderr
    assert calc.processes("calc") == before


def test_busy_exits_with_3_and_no_wait_returns(calc):
    lock = calc.manager.fd("Inhibit", "calc", "joe", "a moment", "delay")  # the first update waits for it
    path = parsed(calc.nyota("--json", "update", "--yes", "--no-wait", package("1.1")))[0]["path"]
    done = calc.nyota("update", "--yes", package("2.0"))
    assert done.returncode == REFUSED, done.stdout + done.stderr
    assert "nyota cancel" in done.stderr
    assert calc.nyota("cancel", path.rpartition("/")[2]).returncode == DONE
    assert calc.wait_update(path)[0] == "cancelled"
    os.close(lock)


@pytest.mark.deadline(90)
def test_update_is_followed_over_a_restart_of_the_service(calc):
    tool = begin(calc, "--json", "update", "--yes", package("1.1"))
    calc.events.wait("ReplicantStopped", "calc")
    calc.restart()
    out, err = tool.communicate(timeout=60)
    assert tool.returncode == DONE, err
    numbers = [json.loads(line)["sequence"] for line in out.splitlines()]
    assert numbers == sorted(set(numbers))
    assert json.loads(out.splitlines()[-1])["detail"]["state"] == "done"
    assert {r["Version"] for r in calc.replicants("calc").values()} == {"1.1"}


def test_interrupt_ends_the_display_alone(calc):
    tool = begin(calc, "update", "--yes", package("1.1"))
    path = calc.events.wait("UpdateWarning", to="1.1").detail["update"]
    tool.stdout.readline()
    tool.send_signal(signal.SIGINT)
    out, err = tool.communicate(timeout=30)
    assert tool.returncode == FAILED and "the update goes on" in err
    assert calc.wait_update(path)[0] == "done"


def test_history_of_an_update_that_never_began(calc):
    """It took no time; and nobody is told that a battery without updates is there."""
    assert calc.nyota("inhibit", "--battery=calc", "--mode=block", "--why=no", "--",
                      program("nyota"), f"--bus={calc.bus.address}", "update", "--yes",
                      package("1.1")).returncode == REFUSED
    row = calc.nyota("history", "calc").stdout.splitlines()[1].split()
    assert row[1:7] == ["-", "rolling", "1.0", "1.1", "vetoed", "-"]
    assert "'nosuch'" in calc.nyota("history", "nosuch").stdout


def test_history_and_log(calc):
    assert calc.nyota("update", "--yes", package("1.1")).returncode == DONE
    newest, first = parsed(calc.nyota("--json", "history", "calc"))
    assert (newest["from"], newest["to"], newest["state"]) == ("1.0", "1.1", "done")
    assert first["to"] == "1.0"
    assert len(parsed(calc.nyota("--json", "history", "--most=1", "calc"))) == 1
    row = calc.nyota("history", "calc").stdout.splitlines()[1].split()
    assert row[0] == str(newest["id"]) and "done" in row
    log = calc.nyota("log", str(newest["id"])).stdout
    assert "update started" in log and log.count("stopped") == 3 and "done" in log
    kinds = [json.loads(line)["kind"] for line in
             calc.nyota("--json", "log", str(newest["id"])).stdout.splitlines()]
    assert kinds[0] == "UpdateWarning" and kinds[-1] == "UpdateFinished"


def test_gc(calc):
    for version in ("1.1", "2.0", "2.1"):
        assert calc.nyota("update", "--yes", package(version)).returncode == DONE
    dry = parsed(calc.nyota("--json", "gc", "--dry-run"))
    assert "calc/1.0" in dry["removed"] and dry["bytes"] > 0
    assert os.path.isdir(os.path.join(calc.state, "packages", "calc", "1.0"))
    assert parsed(calc.nyota("--json", "gc"))["removed"] == dry["removed"]
    assert not os.path.exists(os.path.join(calc.state, "packages", "calc", "1.0"))
    assert calc.nyota("gc").stdout == "Nothing to remove.\n"


# --- watching and holding ----------------------------------------------------------------------------

def test_watch_misses_nothing_over_a_restart(instance):
    instance.write_trivial("calc", 2)
    instance.start()
    tool = begin(instance, "--json", "watch", "--since=0", "calc")
    instance.battery("calc").Start()
    heard = [json.loads(tool.stdout.readline())]  # it listens
    pid, _ = instance.processes("calc")[1]
    instance.daemon.kill()
    os.kill(pid, signal.SIGKILL)  # found out, and told, before the service is on the bus again
    kantan.wait_gone(pid)
    instance.start()
    instance.events.wait("ReplicantStopped", "calc", replicant=1)
    instance.battery("calc").Stop()
    last = instance.channel.get("Sequence")
    while heard[-1]["sequence"] < last:
        heard.append(json.loads(tool.stdout.readline()))
    tool.terminate()
    out, err = tool.communicate(timeout=30)
    assert tool.returncode == DONE and out == "", err
    stored = instance.client.call(ROOT + "/svc/calc", kantan.NAME + ".Channel", "Since", "tu", 0, 500)
    assert [e["sequence"] for e in heard] == [e[0] for e in stored]
    assert heard[0].keys() == {"sequence", "kind", "time_us", "battery", "detail"}


# Before: its own start, the greeting. Then both processes, then who is ready, together or one by one.
@pytest.mark.parametrize("write", (4, 5))
def test_watch_shows_what_was_stored_and_never_told(instance, write):
    """The daemon dies right after a journal write: what that write holds is only told by the next one."""
    instance.write_trivial("calc", 2)
    instance.start(environment=kantan.crash_at_write(os.path.join(instance.directory, "count"), write))
    instance.client.call(ROOT + "/svc/calc", kantan.NAME + ".Channel", "Send", "sa{sv}a{sv}", "x-hello",
                         {}, {})
    tool = begin(instance, "--json", "watch", "--since=0", "calc")
    heard = [json.loads(tool.stdout.readline())]  # it listens
    instance.battery("calc").send("Start")
    instance.daemon.wait_exit()
    instance.start()
    wait_object(instance, ROOT + "/svc/calc")
    instance.battery("calc").wait_property("State", "running")
    last = instance.client.call(ROOT + "/svc/calc", kantan.NAME + ".Channel", "Since", "tu", 0, 500)
    heard += [json.loads(tool.stdout.readline()) for _ in last[1:]]
    tool.terminate()
    out, err = tool.communicate(timeout=30)
    assert tool.returncode == DONE and out == "", err
    assert [e["sequence"] for e in heard] == [e[0] for e in last]


def test_watch_plain(instance):
    instance.write_trivial("calc", 1)
    instance.start()
    tool = begin(instance, "watch", "--since=0")
    instance.battery("calc").Start()
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  calc  replicant 1: started", tool.stdout.readline())
    tool.send_signal(signal.SIGINT)
    tool.communicate(timeout=30)
    assert tool.returncode == DONE


def test_inhibit_holds_while_the_command_runs(calc):
    listing = ("import sys, subprocess; r = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
               "print(r.stdout); sys.exit(7)")
    done = calc.nyota("inhibit", "--battery=calc", "--mode=block", "--why=backup", "--who=joe", "--",
                      kantan.PYTHON, "-c", listing, *command(calc, "--json", "why", "calc"))
    assert done.returncode == 7, done.stderr
    held, = json.loads(done.stdout)["Inhibitors"]
    assert (held["battery"], held["who"], held["why"], held["mode"]) == ("calc", "joe", "backup", "block")
    wait_for(lambda: calc.events.of("InhibitorReleased"), what="the lock to go with its holder")
    assert calc.manager.ListInhibitors() == []


def test_inhibit_status_of_the_command(instance, daemon):
    def inhibit(*words):
        return instance.nyota("inhibit", "--battery=*", "--why=x", "--", *words).returncode
    assert inhibit("true") == 0
    assert inhibit("sh", "-c", "kill -9 $$") == 128 + 9
    assert inhibit("/nonexistent/program") == 127


# --- completion --------------------------------------------------------------------------------------

def complete(instance, *words):
    script = (f"source {SOURCE}/data/completions/nyota; compopt() {{ :; }}; "
              "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _nyota; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = instance.run("bash", "-c", script, "bash", program("nyota"), "--bus", "=", instance.bus.address,
                        *words)
    return done.stdout.split()


def test_completion(instance):
    instance.write_trivial("storage", 1)
    instance.write_trivial("calc", 1)
    instance.start()
    assert complete(instance, "sta") == ["status", "start"]
    assert set(commands_of_help(instance)) - {"package make", "package show", "package verify"} <= \
        set(complete(instance, ""))
    assert complete(instance, "stop", "") == ["calc", "storage"]
    assert complete(instance, "stop", "s") == ["storage"]
    assert complete(instance, "update", "--str") == ["--strategy="]
    assert complete(instance, "update", "--strategy", "=", "r") == ["rolling"]
    assert complete(instance, "package", "") == ["make", "show", "verify"]
