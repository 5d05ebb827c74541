# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures and the deadline of every test on a bus. A test that needs longer says so:
@pytest.mark.deadline(120)."""
import faulthandler
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kantan  # noqa: E402

DEADLINE = 60  # seconds, set-up and end included
GRACE = 40     # beyond it: for a test that a C function keeps from being interrupted


def pytest_configure(config):
    config.addinivalue_line("markers", "deadline(seconds): how long the test may take, instead of "
                                       f"{DEADLINE} s")


def _too_late(signum, frame):
    raise TimeoutError("the test's deadline has passed")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    marker = item.get_closest_marker("deadline")
    seconds = (marker.args[0] if marker else DEADLINE) * kantan.SLOWNESS
    previous = signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows what the daemon logged and the events that were heard."""
    outcome = yield
    report = outcome.get_result()
    instance = getattr(item, "funcargs", {}).get("instance")
    if report.failed and report.when == "call" and instance:
        report.sections.append(("daemon log", instance.log))
        report.sections.append(("events", "\n".join(map(str, instance.events.all))))


@pytest.fixture
def instance():
    """A private bus with directories, no daemon yet: write batteries, then instance.start()."""
    made = kantan.Instance()
    complaints = None
    try:
        yield made
    finally:
        log_before = made.log
        complaints = made.close()
    assert not complaints, "in the daemon's log:\n" + "\n".join(complaints) + "\n" + log_before[-4000:]


@pytest.fixture
def daemon(instance):
    """The daemon of an instance without batteries."""
    return instance.start()
