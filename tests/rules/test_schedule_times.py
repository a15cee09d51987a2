"""When schedules fire: as Debian's cron does where clocks change, and never at a time that is none."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from rules.types.base import Run
from rules.types.registry import get_type
from rules.types.schedule.schedule import ScheduleParams
from rules.types.schedule.times import Times

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TYPE = get_type("schedule")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        # 2026-03-29: from 02:00 to 03:00 in Berlin, at 01:00 UTC
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00", ["2026-03-29T01:00", "2026-03-29T01:30"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29", ["2026-03-29T00:30", "2026-03-29T01:00"]),
        # 2026-10-25: from 03:00 back to 02:00, at 01:00 UTC
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["2026-10-26T01:30"]),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:29",
            ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"],
        ),
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00", ["2104-02-29T00:00"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("59 23 31 12 *", "UTC", "9999-01-01T00:00", ["9999-12-31T23:59"]),
        ("0 12 * * *", "Pacific/Kiritimati", "9999-12-31T23:00", []),
    ],
)
def test_cron_fires_at_these_times(cron: str, zone: str, after: str, expected: list[str]) -> None:
    times = list(islice(Times(cron, zone).after(utc(after)), max(len(expected), 1)))
    assert times[: len(expected)] == [utc(each) for each in expected]
    assert bool(times) is bool(expected)


def test_an_interval_stands_at_its_place_and_ends_with_time() -> None:
    assert Times("", "UTC", 3600).next(NOON + timedelta(seconds=1)) == NOON + timedelta(hours=1)
    assert Times("", "UTC", 3600).next(utc("9999-12-31T23:30")) is None


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"cron": "0 0 30 2 *"}, "/cron"),
        ({"cron": "0 0 31 4,6 *"}, "/cron"),
        ({"cron": "0 0 * 2 MON#6"}, "/cron"),
        ({"cron": "* * * * * *"}, "/cron"),
        ({"cron": "MON#1/2 * * * MON#1/2"}, "/cron"),
        ({"cron": "* * * * MON#1/2"}, "/cron"),
        ({"cron": "* * LW,L/0 * *"}, "/cron"),
        ({"cron": "٣ * * * *"}, "/cron"),
        ({}, "/cron"),
        ({"cron": "* * * * *", "every": 60}, "/cron"),
        ({"cron": "* * * * *", "zone": "Europe/Nowhere"}, "/zone"),
        ({"cron": "* * * * *", "zone": "../etc/passwd"}, "/zone"),
        ({"cron": "* * * * *", "data": {"x": "y" * 20_000}}, "/data"),
    ],
)
def test_what_never_fires_is_refused_in_its_place(params: dict[str, object], pointer: str) -> None:
    assert [each.pointer for each in TYPE.check(ScheduleParams.model_validate(params))] == [pointer]


def fired(catch_up: str, now: datetime, since: datetime, every: int = 3600) -> list[datetime]:
    params = ScheduleParams.model_validate({"every": every, "catch_up": catch_up})
    run = Run(1, 1, now, 1, 86400, {"until": since.timestamp()}, frozenset())
    return [each.scheduled_at for each in TYPE.run(params, run).firings]  # type: ignore[attr-defined]


def test_what_was_missed_is_caught_up_as_asked() -> None:
    now, since = NOON + timedelta(minutes=30), NOON - timedelta(hours=5)
    assert fired("none", now, since) == []
    assert fired("last", now, since) == [NOON]
    assert fired("all", now, since) == [NOON - timedelta(hours=hours) for hours in (4, 3, 2, 1, 0)]
    assert fired("none", NOON + timedelta(seconds=90), since) == [NOON]
    assert len(fired("all", now, NOON - timedelta(days=3650), every=10)) == 100


def test_a_clock_that_goes_back_fires_nothing_twice() -> None:
    params = ScheduleParams.model_validate({"every": 600})
    memory = {"until": NOON.timestamp()}
    for minutes in (-60, -30, 0):
        run = Run(1, 1, NOON + timedelta(minutes=minutes), 1, 86400, memory, frozenset())
        report = TYPE.run(params, run)  # type: ignore[attr-defined]
        assert (report.firings, report.memory) == ([], memory)
        assert report.next_at == NOON + timedelta(minutes=10)
