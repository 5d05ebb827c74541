# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/run.py counts: every test point, and every way of failing apart from one."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import run  # noqa: E402


@pytest.mark.parametrize("stdout,result,counts", [
    ("1..2\nok 1 /a\nok 2 /b\n", "OK", (2, 0, 0)),
    ("ok 1 /a\nnot ok 2 /b\n", "FAIL", (1, 1, 0)),
    ("ok 1 /a # SKIP no root\nok 2 /b\n", "OK", (1, 0, 1)),
    ("ok 1 /a\n", "ERROR", (1, 1, 0)),  # died after its first point, or leaked at its end
    ("", "TIMEOUT", (0, 1, 0)),
    ("", "OK", (1, 0, 0)),              # not TAP: the program is the test
    ("", "SKIP", (0, 0, 1)),
])
def test_count_tap(stdout, result, counts):
    found = run.count_tap({"stdout": stdout, "result": result})
    assert (found["passed"], found["failed"], found["skipped"]) == counts


def test_count_junit(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1"/></testsuites>')
    assert dict(run.count_junit(report)) == {"passed": 2, "failed": 2, "skipped": 1}
