# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed after every single journal write of an update and started again: what was begun is
finished or taken back, nothing stays down, nothing runs twice, nothing is left behind. crash_matrix.py does
one run; here they are counted and shared out over processes, each run with a bus and a state of its own."""
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor

import crash_matrix
import pytest
from crash_matrix import SCENARIOS, Job

WORKERS = 3
# Turns of the loop fall together differently in each run, so a killed run may end with fewer writes than the
# counting one had, before its own point is reached. It is repeated then.
ATTEMPTS = 8


@pytest.fixture(scope="module")
def stage():
    with tempfile.TemporaryDirectory(prefix="kantan-stage-") as directory:
        crash_matrix.prepare(directory)
        yield directory


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as workers:
        yield workers


def run_all(pool, jobs):
    """Results of killed runs, one for each job; those that were not killed are repeated."""
    results, open_jobs = [], list(jobs)
    for _ in range(ATTEMPTS):
        done = list(pool.map(crash_matrix.run, open_jobs))
        results += [r for r in done if r.killed or r.problems]
        open_jobs = [r.job for r in done if not r.killed and not r.problems]
        if not open_jobs:
            break
    return results


def count(pool, stage, scenario):
    """The writes of runs that nobody kills: the least of as many as there are workers."""
    unkilled = list(pool.map(crash_matrix.run, [Job(scenario, 0, "after", 0, stage)] * WORKERS))
    for result in unkilled:
        assert not result.problems and not result.killed, describe(result)
        assert set(result.updates.values()) == {SCENARIOS[scenario].verdict}
    return min(r.writes for r in unkilled)


def describe(result):
    return f"{result.job._replace(stage='')}: {'; '.join(result.problems)}\n{result.log[-3000:]}"


def judge(results, wanted):
    bad = [r for r in results if r.problems]
    assert not bad, f"{len(bad)} of {wanted} do not converge:\n" + "\n".join(map(describe, bad))
    assert len(results) == wanted, f"{len(results)} killed runs, {wanted} points"


@pytest.mark.deadline(240)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_after_every_write(pool, stage, scenario, capsys):
    writes = count(pool, stage, scenario)
    assert writes >= 10, "the journal writes were not seen"
    results = run_all(pool, [Job(scenario, k, "after", 0, stage) for k in range(1, writes + 1)])
    judge(results, writes)
    assert sorted(r.job.at for r in results) == list(range(1, writes + 1))
    with capsys.disabled():
        print(f"\ncrash matrix, {scenario}: {writes} journal writes, {len(results)} killed runs, "
              "all converged")


@pytest.mark.deadline(240)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_before_a_write(pool, stage, scenario):
    """A sample: every third one is lost with the daemon."""
    points = range(1, count(pool, stage, scenario) + 1, 3)
    results = run_all(pool, [Job(scenario, k, "before", 0, stage) for k in points])
    judge(results, len(points))
    assert all(r.writes == r.job.at for r in results)


@pytest.mark.deadline(240)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_again_while_it_recovers(pool, stage, scenario, capsys):
    """A sample: from every fourth death on, the second daemon is killed at each of its first writes."""
    jobs = [Job(scenario, k, "after", again, stage)
            for k in range(2, count(pool, stage, scenario), 4) for again in range(1, 5)]
    results = run_all(pool, jobs)
    judge(results, len(jobs))
    twice = sum(r.twice for r in results)  # some recoveries have fewer writes than four
    assert twice >= len(jobs) / 2
    with capsys.disabled():
        print(f"\ncrash matrix, {scenario}: {twice} killed twice, all converged")
