#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs test suites and counts what ran.

    run.py --build=DIR SUITE... [-- PYTEST-ARGUMENT...]

unit, golden, fuzz are Meson's tests of that suite; bus and lint are pytest's in the folder of that name.
Every test point counts (a TAP line, a pytest item). Ends with `N passed, N failed[, N skipped]`, or, where
KANTAN_COUNTS names a file, leaves that line to whoever sums up and appends "passed failed skipped" there.
Exit status 0 only if something ran and nothing failed.
"""
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"
DAEMON = "orchestrator/main/kantan-orchestratord"
MESON_SUITES, PYTEST_SUITES = ("unit", "golden", "fuzz"), ("bus", "lint")


def count_tap(test):
    """The counts of one test in Meson's log. A program that fails apart from its test points (a crash, a
    leak at its end, too few points) is one failure more."""
    counts = Counter()
    points = re.findall(r"^\s*(not )?ok\b([^\n]*)", test.get("stdout", ""), re.M)
    for bad, rest in points:
        skipped = re.search(r"#\s*(skip|todo)\b", rest, re.I)
        counts["skipped" if skipped else "failed" if bad else "passed"] += 1
    if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not counts["failed"]:
        counts["failed"] += 1
    if not points and not counts:
        counts["passed" if test["result"] == "OK" else "skipped"] += 1
    return counts


def run_meson(build, suite):
    known = json.loads(subprocess.run(["meson", "introspect", "--tests", build], check=True,
                                      capture_output=True, text=True).stdout)
    if not any(suite in s for test in known for s in test["suite"]):
        return Counter()
    log = f"{build}/meson-logs/{suite}.json"
    if os.path.exists(log):
        os.unlink(log)
    done = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs",
                           "--suite", suite, "--logbase", suite, "--timeout-multiplier", "4"])
    counts = Counter()
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as f:
            for line in f:
                counts += count_tap(json.loads(line))
    if done.returncode != 0 and not counts["failed"]:
        counts["failed"] += 1
    return counts


def count_junit(path):
    counts = Counter()
    for suite in ET.parse(path).getroot().iter("testsuite"):
        total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        # An error at a fixture's end is counted besides the test that passed.
        counts.update(failed=failed, skipped=skipped, passed=max(total - failed - skipped, 0))
    return counts


def run_pytest(build, suite, arguments):
    report = f"{build}/meson-logs/{suite}.pytest.xml"
    if os.path.exists(report):
        os.unlink(report)
    done = subprocess.run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
                           *arguments, os.path.join(ROOT, "tests", suite)],
                          env={**os.environ, "KANTAN_BUILD": build}, cwd=ROOT)
    counts = count_junit(report) if os.path.exists(report) else Counter()
    nothing_collected = done.returncode == 5
    if done.returncode != 0 and not nothing_collected and not counts["failed"]:
        counts["failed"] += 1
    return counts


def run_suite(build, suite, arguments):
    if suite in MESON_SUITES:
        return run_meson(build, suite)
    if suite == "bus" and not os.path.exists(os.path.join(build, DAEMON)):
        print(f"bus: left out, there is no {DAEMON} in {build}")
        return Counter()
    return run_pytest(build, suite, arguments)


def in_words(counts):
    words = f"{counts['passed']} passed, {counts['failed']} failed"
    return words + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def main(argv):
    build, suites = None, []
    split = argv.index("--") if "--" in argv else len(argv)
    for word in argv[1:split]:
        if word.startswith("--build="):
            build = os.path.abspath(word.partition("=")[2])
        elif word in MESON_SUITES + PYTEST_SUITES:
            suites.append(word)
        else:
            print(f"run.py: no suite '{word}'", file=sys.stderr)
            return 2
    if not build or not suites:
        print(__doc__, file=sys.stderr)
        return 2

    results = {}
    for suite in dict.fromkeys(suites):
        print(f"== {suite}", flush=True)
        results[suite] = run_suite(build, suite, argv[split + 1:])
    total = sum(results.values(), Counter())
    print("==")
    for suite, counts in results.items():
        print(f"{suite + ':':8}{in_words(counts)}")
    if os.environ.get("KANTAN_COUNTS"):
        with open(os.environ["KANTAN_COUNTS"], "a", encoding="utf-8") as f:
            f.write(f"{total['passed']} {total['failed']} {total['skipped']}\n")
    else:
        print(in_words(total))
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
