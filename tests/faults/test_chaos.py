"""A short run of chaos with a fixed seed; ``make chaos`` is the long one."""

import sys

import pytest

from tests.faults.chaos import run_chaos


@pytest.mark.timeout(600)
def test_in_chaos_every_accepted_event_is_delivered_or_dead_and_doubled_only_by_a_fault() -> None:
    report = run_chaos(seed=7, seconds=30, rate=100)
    sys.stdout.write(report.text())
    assert report.problems == []
    assert report.accepted >= 30 * 100 * 0.9
    assert len(report.faults) >= 2  # on a slow machine a fault takes long
