#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures side by side: what the orchestrator does, and the least that anybody would have to do for it.

    ./dev bench [--quick] [--json] [--only=roll,full-stop,unpack,bus,hook]

A ratio is the median of the ratios of pairs: both sides of a pair are measured one right after the other, in
turn, in this run, so that whatever else the machine does meets both. docs/performance.md keeps a run.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "bus"))
import kantan  # noqa: E402

MIB = 1024 * 1024
INFO = """<?xml version="1.0" encoding="UTF-8"?>
<package-info xmlns="urn:kantan:package-info:1" name="{name}" uuid="820178bb-af90-4dda-8bf6-589631315418">
  <title>{name}</title>
  <version>{version}</version>
  <compatibility>{version}</compatibility>
  <batteries>{batteries}</batteries>
</package-info>
"""


# --- figures -----------------------------------------------------------------------------------------

def median(values):
    return statistics.median(values)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def paired(ours, plain, **more):
    """A row: both medians in milliseconds, and the median, least and greatest ratio of the pairs."""
    ratios = [a / b for a, b in zip(ours, plain)]
    return {"ours_ms": round(median(ours) * 1e3, 2), "plain_ms": round(median(plain) * 1e3, 2),
            "ratio": round(median(ratios), 2), "least": round(min(ratios), 2),
            "most": round(max(ratios), 2), "pairs": len(ratios), **more}


def spread(values_us):
    return {"p50_ms": round(median(values_us) / 1e3, 2), "p99_ms": round(percentile(values_us, 99) / 1e3, 2),
            "rounds": len(values_us)}


def timed(function):
    begin = time.monotonic()
    function()
    return time.monotonic() - begin


# --- both sides --------------------------------------------------------------------------------------

class Plain:
    """plain-loop with its copies up."""

    def __init__(self, count, *command):
        self.process = subprocess.Popen([kantan.program("plain-loop"), str(count), *command], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        self._answer("ready")

    def _answer(self, expected=None):
        line = self.process.stdout.readline().strip()
        if not line or line == "what?" or expected not in (None, line):
            raise SystemExit(f"plain-loop said {line!r}")
        return line

    def ask(self, words):
        """Its answer as seconds."""
        print(words, file=self.process.stdin)
        return [int(word) / 1e6 for word in self._answer().split()]

    def roll(self, width=1):
        return self.ask(f"roll {width}")[0]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Side:
    """An instance without a listener of its own on the bus, so that only the product works."""

    def __enter__(self):
        self.instance = kantan.Instance()
        self.instance.events.close()
        return self.instance

    def __exit__(self, kind, *_):
        if kind:
            print(self.instance.log[-2000:], file=sys.stderr)
        self.instance.close()


def write_battery(instance, name, count, program, arguments=(), **update):
    battery = {"Program": program, "Runner": "direct", "Stateless": "yes", "Replicants": count}
    if arguments:
        battery["Arguments"] = ";".join(arguments)
    if not os.path.isabs(program):
        battery["Packages"] = name
    instance.write_battery(name, {"Battery": battery, "Update": {
        "WarnSec": "0", "SoakSec": "0", **update}})


def start(instance):
    return instance.start("--log-level=warning", timeout=30)


def memory(pid):
    """Resident and proportional KiB of a process."""
    found = {}
    for name in ("status", "smaps_rollup"):
        with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as f:
            found.update(line.split()[:2] for line in f if line.startswith(("VmRSS", "VmHWM", "Pss:")))
    return {word: round(int(found[key]) / 1024, 1)
            for word, key in (("rss_mib", "VmRSS:"), ("peak_mib", "VmHWM:"), ("pss_mib", "Pss:"))}


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- 1: rolling --------------------------------------------------------------------------------------

def roll(count, width, pairs, ready_ms):
    """One configuration: the roll, the plain loop one at a time, the plain loop at the same width."""
    program = kantan.program("fake-replicant")
    habits = [f"--ready-after={ready_ms}"] if ready_ms else []
    with Side() as instance:
        write_battery(instance, "bench", count, program, habits, MaxUnavailable=width)
        daemon = start(instance)
        instance.battery("bench").Start(timeout=120)
        plain = Plain(count, program, *habits)
        ours, same, used = [], [], []
        for _ in range(pairs):
            before = processor_seconds(daemon.pid)
            ours.append(timed(lambda: instance.battery("bench").Restart(timeout=240)))
            used.append(processor_seconds(daemon.pid) - before)
            same.append(plain.roll(width))
        row = paired(ours, same, replicants=count, width=width, ready_after_ms=ready_ms,
                     ours_per_replicant_ms=round(median(ours) / count * 1e3, 2),
                     daemon_processor_per_replicant_ms=round(median(used) / count * 1e3, 2),
                     **memory(daemon.pid))
        plain.close()
        return row


def bench_roll(quick):
    shapes = [(3, 1, 15, 0), (30, 1, 7, 0), (300, 1, 5, 0), (300, 10, 5, 0),
              (3, 1, 9, 50), (30, 1, 5, 50), (300, 10, 5, 50)]
    if quick:
        shapes = [(3, 1, 5, 0), (30, 1, 3, 0), (300, 1, 1, 0), (3, 1, 3, 50), (300, 10, 1, 50)]
    return [roll(*shape) for shape in shapes]


# --- 2: full stop ------------------------------------------------------------------------------------

def make_package(instance, name, version, batteries, fill):
    """FILL(directory) puts the files there; returns the package's path."""
    directory = os.path.join(instance.directory, f"{name}-{version}")
    os.makedirs(directory)
    with open(os.path.join(directory, "package-info.xml"), "w", encoding="utf-8") as f:
        f.write(INFO.format(name=name, version=version,
                            batteries="".join(f'<battery name="{b}"/>' for b in batteries)))
    fill(directory)
    path = os.path.join(instance.directory, f"{name}_{version}.kantan")
    made = instance.nyota("package", "make", directory, "-o", path, timeout=120)
    if made.returncode:
        raise SystemExit(made.stderr)
    shutil.rmtree(directory)
    return path


def fill_program(directory):
    os.makedirs(os.path.join(directory, "bin"))
    shutil.copy(kantan.program("fake-replicant"), os.path.join(directory, "bin", "replicant"))


def downtime(stamps):
    """From the first SIGTERM that reached a program to the last READY=1, as the programs saw it, seconds."""
    with open(stamps, encoding="ascii") as f:
        lines = [(word, int(at)) for word, at in map(str.split, f)]
    os.unlink(stamps)
    return (max(at for word, at in lines if word == "ready")
            - min(at for word, at in lines if word == "term")) / 1e6


def full_stop(count, pairs, ready_ms, stop_ms):
    program = kantan.program("fake-replicant")
    with Side() as instance:
        ours_stamps, plain_stamps = (os.path.join(instance.directory, n) for n in ("ours", "plain"))
        habits = [f"--ready-after={ready_ms}", f"--stop-after={stop_ms}"]
        write_battery(instance, "bench", count, "bin/replicant", [*habits, f"--stamp={ours_stamps}"],
                      Strategy="full-stop")
        packages = [make_package(instance, "bench", f"{n}.0", ["bench"], fill_program)
                    for n in range(1, pairs + 2)]
        start(instance)
        plain = Plain(count, program, *habits, f"--stamp={plain_stamps}")

        def update(package):
            for path in instance.manager.Update([package]):
                state, reason = instance.wait_update(path)
                if state != "done":
                    raise SystemExit(f"{path}: {state}: {reason}")
        update(packages[0])
        instance.battery("bench").Start()
        os.unlink(ours_stamps)
        links = [os.path.join(instance.directory, n) for n in ("link", "link.new")]
        ours, alone, together = [], [], []
        for package in packages[1:]:
            update(package)
            ours.append(downtime(ours_stamps))
            begin = time.monotonic()
            os.symlink("target", links[1])
            os.rename(links[1], links[0])
            rename = time.monotonic() - begin
            alone.append(sum(plain.ask("alone")) + rename)
            os.unlink(plain_stamps)
            os.symlink("target", links[1])
            plain.ask(f"full {links[1]} {links[0]}")
            together.append(downtime(plain_stamps))
        plain.close()
        return paired(ours, alone, replicants=count, ready_after_ms=ready_ms, stop_after_ms=stop_ms,
                      together_ms=round(median(together) * 1e3, 2),
                      ratio_together=round(median([a / b for a, b in zip(ours, together)]), 2))


def bench_full_stop(quick):
    shapes = [(3, 9, 0, 0), (3, 9, 50, 20), (30, 7, 50, 20)]
    return [full_stop(count, 3 if quick else pairs, *ms) for count, pairs, *ms in shapes]


# --- 3: unpacking ------------------------------------------------------------------------------------

def fill_files(size_mib, kind):
    """As many files of 1 MiB: noise that does not compress, or numbers as text."""
    def fill(directory):
        for n in range(size_mib):
            noise = os.urandom(MIB)
            with open(os.path.join(directory, f"file-{n}"), "wb") as f:
                f.write(noise if kind == "noise" else noise[:MIB // 2].hex().encode())
    return fill


def unpack_ours(instance, package):
    """From the package manager's call to the verdict; then as if it never was."""
    begin = time.monotonic()
    path = instance.manager.BeginTransaction("kantan", [("install", "big", "-", "1.0", package)])
    transaction = instance.transaction(path)
    state = transaction.wait_property("State", {"granted", "refused"}, timeout=120)
    took = time.monotonic() - begin
    if state != "granted":
        raise SystemExit(transaction.get("Reason"))
    transaction.Finish(False)
    shutil.rmtree(os.path.join(instance.state, "packages", "big"))
    return took


def unpack_plain(instance, package, then=()):
    directory = os.path.join(instance.directory, "plain-unpacked")
    os.mkdir(directory)
    took = timed(lambda: subprocess.run(["bsdtar", "-x", "-f", package, "-C", directory], check=True))
    if then:
        took += timed(lambda: subprocess.run([*then, directory], check=True))
    shutil.rmtree(directory)
    return took


def unpack(kind, size_mib, pairs):
    with Side() as instance:
        package = make_package(instance, "big", "1.0", [], fill_files(size_mib, kind))
        start(instance)
        ours, bare, synced = [], [], []
        os.sync()
        for _ in range(pairs):
            ours.append(unpack_ours(instance, package))
            bare.append(unpack_plain(instance, package))
            synced.append(unpack_plain(instance, package, ("sync", "-f")))
        return paired(ours, bare, content=kind, unpacked_mib=size_mib,
                      package_mib=round(os.path.getsize(package) / MIB, 1),
                      synced_ms=round(median(synced) * 1e3, 2),
                      ratio_synced=round(median([a / b for a, b in zip(ours, synced)]), 2))


def bench_unpack(quick):
    return [unpack(kind, 200, 3 if quick else 7) for kind in ("noise", "text")]


# --- 4: the bus --------------------------------------------------------------------------------------

def run_bus(instance, what, rounds):
    out = instance.run(kantan.program("bench-bus"), what, instance.bus.address, str(rounds), check=True,
                       timeout=240).stdout
    return [[int(word) for word in line.split()] for line in out.splitlines()]


def run_journal(instance):
    out = instance.run(kantan.program("bench-journal"), instance.directory, check=True).stdout
    words = {line.split()[1]: int(line.split()[2]) for line in out.splitlines() if " us" in line}
    return {"p50_ms": round(words["p50"] / 1e3, 2), "p99_ms": round(words["p99"] / 1e3, 2), "rounds": 2000}


def bench_bus(quick):
    rounds = 200 if quick else 2000
    with Side() as instance:
        start(instance)
        begin = run_bus(instance, "begin", rounds)
        event = run_bus(instance, "event", rounds)
        return [{"what": "BeginTransaction, reply", **spread([b[0] for b in begin])},
                {"what": "BeginTransaction, verdict", **spread([b[1] for b in begin])},
                {"what": "event, Send until heard", **spread([e[0] for e in event])},
                {"what": "journal alone, one durable batch", **run_journal(instance)}]


# --- 5: the hook -------------------------------------------------------------------------------------

def bench_hook(quick):
    changes = "install\tbench-touches-nothing\t-\t1.0\t-\n"
    with Side() as instance:
        start(instance)
        hook = [kantan.program("kantan-hook"), f"--bus={instance.bus.address}", f"--config={instance.config}",
                f"--state={instance.state}", "--manager=kantan"]
        took = {"pre": [], "post": [], "--help": []}
        for _ in range(20 if quick else 200):
            for verb, all_of_it in took.items():
                all_of_it.append(1e6 * timed(lambda v=verb: subprocess.run(
                    [*hook, v], input=changes, text=True, check=True, stdout=subprocess.DEVNULL)))
        return [{"what": f"kantan-hook {verb}", **spread(values)} for verb, values in took.items()]


# --- the whole ---------------------------------------------------------------------------------------

BENCHES = {"roll": ("Rolling, against a plain loop at the same width", bench_roll),
           "full-stop": ("Full-stop downtime, against slowest stop, rename, slowest start", bench_full_stop),
           "unpack": ("Unpack and verify, against bsdtar -x", bench_unpack),
           "bus": ("On the bus", bench_bus),
           "hook": ("The hook, no battery touched", bench_hook)}


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.partition(":")[2].strip() for line in f if line.startswith("model name")), "?")
    return {"processors": os.cpu_count(), "processor": model, "kernel": platform.release(),
            "load": round(os.getloadavg()[0], 1), "date": time.strftime("%Y-%m-%d")}


def table(rows):
    """Markdown, so that a run can be put into docs/performance.md as it is."""
    keys = list(rows[0])
    cells = [[k.replace("_", " ") for k in keys]] + [[str(row[k]) for k in keys] for row in rows]
    width = [max(len(line[i]) for line in cells) for i in range(len(keys))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, width)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *lines[1:]])


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--only", default=",".join(BENCHES), help="some of: " + ",".join(BENCHES))
    options = parser.parse_args()
    names = options.only.split(",")
    if not set(names) <= set(BENCHES):
        parser.error(f"--only knows {', '.join(BENCHES)}")
    result = {"machine": machine()}
    if not options.json:
        print(", ".join(f"{k} {v}" for k, v in result["machine"].items()), flush=True)
    for name in names:
        title, bench = BENCHES[name]
        result[name] = bench(options.quick)
        if not options.json:
            print(f"\n{title}\n\n{table(result[name])}", flush=True)
    if options.json:
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
