"""A silence holds exactly when its schedule says, by the clock of its zone, whatever the calendar does."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.silences.schedule import Schedule, Times, times_of

HOUR = 3600


def times(start: str, duration: int = HOUR, timezone: str = "UTC", **recurring: Any) -> Times:
    given_ = {"start": start, "duration": duration, "timezone": timezone, "recurring": recurring or None}
    return times_of(Schedule.model_validate(given_))


def begins(asked: Times, since: str, count: int) -> list[str]:
    """Return when the next ones begin, in UTC to the minute."""
    now = datetime.fromisoformat(since)
    found: list[str] = []
    while len(found) < count and (begin := asked.begins_next(now)) is not None:
        found.append(begin.strftime("%Y-%m-%dT%H:%M"))
        now = begin
    return found


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize(
    ("start", "zone", "recurring", "since", "wanted"),
    [
        # By days, weeks and weekdays.
        ("2026-01-30T10:00Z", "UTC", {"every": "1d"}, "2026-01-30T09:00Z", ["2026-01-30T10:00", "2026-01-31T10:00"]),
        ("2026-01-01T10:00Z", "UTC", {"every": "3d"}, "2026-01-02T00:00Z", ["2026-01-04T10:00", "2026-01-07T10:00"]),
        ("2026-01-01T10:00Z", "UTC", {"every": "1w"}, "2026-01-01T10:00Z", ["2026-01-08T10:00", "2026-01-15T10:00"]),
        (
            "2026-01-01T10:00Z",  # a Thursday
            "UTC",
            {"every": "2w", "on_week_day": ["MO", "FR"]},
            "2026-01-01T10:00Z",
            ["2026-01-02T10:00", "2026-01-12T10:00", "2026-01-16T10:00", "2026-01-26T10:00"],
        ),
        # The weekday is that of the zone: Tuesday, 01:00 there, is Monday in UTC.
        (
            "2026-01-05T16:00Z",
            "Asia/Tokyo",
            {"every": "1w", "on_week_day": ["TU"]},
            "2026-01-01T00:00Z",
            ["2026-01-05T16:00", "2026-01-12T16:00"],
        ),
        # The end of the month, leap days, and the last and the second of a weekday.
        (
            "2026-01-31T00:00Z",
            "UTC",
            {"every": "1M"},
            "2026-01-31T00:00Z",
            ["2026-03-31T00:00", "2026-05-31T00:00", "2026-07-31T00:00"],
        ),
        (
            "2026-01-31T00:00Z",
            "UTC",
            {"every": "1M", "on_month_day": [-1]},
            "2026-01-31T00:00Z",
            ["2026-02-28T00:00", "2026-03-31T00:00", "2026-04-30T00:00"],
        ),
        ("2028-02-29T00:00Z", "UTC", {"every": "12M"}, "2031-06-01T00:00Z", ["2032-02-29T00:00"]),
        (
            "2026-01-01T00:00Z",
            "UTC",
            {"every": "1M", "on_week_day": ["+2TU", "-1FR"]},
            "2026-01-01T00:00Z",
            ["2026-01-13T00:00", "2026-01-30T00:00", "2026-02-10T00:00", "2026-02-27T00:00"],
        ),
        (
            "2026-01-01T00:00Z",
            "UTC",
            {"every": "1M", "on_week_day": ["FR"], "on_month_day": [13]},
            "2026-01-01T00:00Z",
            ["2026-02-13T00:00", "2026-03-13T00:00", "2026-11-13T00:00"],
        ),
        # Clocks go on from 02:00 to 03:00 on 29 March: 02:30 is 03:30 that day. They go back on 25 October.
        (
            "2026-03-28T02:30+01:00",
            BERLIN,
            {"every": "1d"},
            "2026-03-28T00:00Z",
            ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"],
        ),
        (
            "2026-10-24T02:30+02:00",
            BERLIN,
            {"every": "1d"},
            "2026-10-24T00:00Z",
            ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
        ),
        # One that starts at the second 01:30 of a night goes on at the first of another.
        (
            "2026-11-01T01:30-05:00",
            NEW_YORK,
            {"every": "1d"},
            "2026-11-01T06:00Z",
            ["2026-11-01T06:30", "2026-11-02T06:30"],
        ),
        # An end, and a number, the start being one of them where it falls on such a day.
        (
            "2026-01-01T10:00Z",
            "UTC",
            {"every": "1d", "end": "2026-01-02T10:00Z"},
            "2026-01-01T10:00Z",
            ["2026-01-02T10:00"],
        ),
        ("2026-01-01T10:00Z", "UTC", {"every": "1d", "end": "2026-01-02T09:59Z"}, "2026-01-01T10:00Z", []),
        (
            "2026-01-01T10:00Z",
            "UTC",
            {"every": "1d", "occurrences": 2},
            "2026-01-01T00:00Z",
            ["2026-01-01T10:00", "2026-01-02T10:00"],
        ),
        (
            "2026-01-31T10:00Z",
            "UTC",
            {"every": "1M", "occurrences": 2},
            "2026-01-01T00:00Z",
            ["2026-01-31T10:00", "2026-03-31T10:00"],
        ),
        ("2026-01-01T10:00Z", "UTC", {}, "2026-01-01T00:00Z", ["2026-01-01T10:00"]),
    ],
)
def test_it_begins_when_it_should(
    start: str, zone: str, recurring: dict[str, Any], since: str, wanted: list[str]
) -> None:
    ends = {"end", "occurrences"} & set(recurring) or not recurring
    assert begins(times(start, timezone=zone, **recurring), since, len(wanted) + bool(ends)) == wanted


@pytest.mark.parametrize(
    ("asked", "now", "is_open"),
    [
        (times("2026-01-01T10:00Z"), "2026-01-01T09:59:59.999Z", False),
        (times("2026-01-01T10:00Z"), "2026-01-01T10:00Z", True),
        (times("2026-01-01T10:00Z"), "2026-01-01T10:59:59.999Z", True),
        (times("2026-01-01T10:00Z"), "2026-01-01T11:00Z", False),
        # It lasts as long as it says, also over the night in which the clocks change.
        (times("2026-03-28T23:00+01:00", 8 * HOUR, BERLIN, every="1d"), "2026-03-29T05:59Z", True),
        (times("2026-03-28T23:00+01:00", 8 * HOUR, BERLIN, every="1d"), "2026-03-29T06:00Z", False),
        # One that lasts longer than until the next goes on without a gap, and the last one to its end.
        (times("2026-01-01T10:00Z", 30 * HOUR, every="1d"), "2027-06-03T10:00Z", True),
        (times("2026-01-01T10:00Z", 30 * HOUR, every="1d", occurrences=2), "2026-01-03T15:59Z", True),
        (times("2026-01-01T10:00Z", 30 * HOUR, every="1d", occurrences=2), "2026-01-03T16:00Z", False),
    ],
)
def test_it_holds_from_its_begin_to_before_its_end(asked: Times, now: str, is_open: bool) -> None:
    assert asked.open_at(datetime.fromisoformat(now)) is is_open


def test_it_is_over_once_the_last_has_ended() -> None:
    asked = times("2026-01-01T10:00Z", every="1d", occurrences=2)
    assert [asked.is_over(datetime(2026, 1, 2, hour, tzinfo=UTC)) for hour in (10, 11)] == [False, True]
    assert not times("2026-01-01T10:00Z", every="1d").is_over(datetime(2190, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"start": "2026-01-01T10:00:00"}, "timezone"),
        ({"start": "1999-01-01T10:00Z"}, "from the year"),
        ({"start": "9999-12-31T23:59:59-12:00"}, "from the year"),
        ({"duration": 59}, "60"),
        ({"duration": 367 * 24 * HOUR}, "equal to"),
        ({"timezone": "Mars/Olympus"}, "no such time zone"),
        ({"timezone": "../../etc/passwd"}, "no such time zone"),
        ({"timezone": ""}, "no such time zone"),
        ({"recurring": {"every": "1y"}}, "1d, 2w, 1M"),
        ({"recurring": {"every": "0d"}}, "1d, 2w, 1M"),
        ({"recurring": {"every": "1d", "on_week_day": ["MO"]}}, "recur by weeks"),
        ({"recurring": {"every": "1w", "on_week_day": ["+1MO"]}}, "without a number"),
        ({"recurring": {"every": "1w", "on_week_day": ["XX"]}}, "MO, TU"),
        ({"recurring": {"every": "1w", "on_month_day": [1]}}, "by months"),
        ({"recurring": {"every": "1M", "on_month_day": [0]}}, "1 to 31"),
        ({"recurring": {"every": "12M", "on_month_day": [31]}, "start": "2026-02-01T00:00Z"}, "No such day comes"),
        ({"recurring": {"every": "1d", "end": "2027-01-01T00:00Z", "occurrences": 3}}, "not both"),
        ({"recurring": {"every": "1d", "end": "2025-01-01T00:00Z"}}, "before it starts"),
        ({"recurring": {"every": "1d", "occurrences": 0}}, "greater than"),
        ({"recurring": {"every": "1d"}, "duration": 32 * 24 * HOUR}, "at most"),
    ],
)
def test_what_no_calendar_has_is_refused(said: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Schedule.model_validate({"start": "2026-01-01T10:00Z", "duration": HOUR} | said)


UNITS = st.sampled_from(["1d", "2d", "5d", "1w", "3w", "1M", "5M"])
MOMENTS = st.integers(0, 5 * 366 * 24 * 60).map(lambda each: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=each))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    start=MOMENTS,
    every=UNITS,
    hours=st.integers(1, 60),
    zone=st.sampled_from(["UTC", BERLIN, NEW_YORK, "Australia/Lord_Howe", "Asia/Kathmandu"]),
    occurrences=st.none() | st.integers(1, 12),
    asked_at=st.lists(MOMENTS, min_size=1, max_size=8),
)
def test_each_moment_is_told_as_one_by_one_counting_tells_it(
    start: datetime, every: str, hours: int, zone: str, occurrences: int | None, asked_at: list[datetime]
) -> None:
    recurring = {"every": every, "occurrences": occurrences}
    schedule = Schedule.model_validate(
        {"start": start, "duration": hours * HOUR, "timezone": zone, "recurring": recurring}
    )
    begun = []
    for count, day in enumerate(schedule.days()):
        if count == occurrences or day > date(2030, 2, 1):
            break
        local = datetime.combine(day, start.astimezone(schedule.zone).time().replace(fold=0), schedule.zone)
        begun.append(start if count == 0 and day == schedule.first else local.astimezone(UTC))
    known = times_of(schedule)
    for now in [*asked_at, start, *(each + timedelta(hours=hours) for each in begun[:2])]:
        counted = any(each <= now < each + timedelta(hours=hours) for each in begun)
        # The same whatever was asked before.
        assert known.open_at(now) is Times(schedule, known.last).open_at(now) is counted
        until = known.span_at(now).until
        if until is not None and until - now > timedelta(seconds=1):
            assert known.open_at(until - timedelta(microseconds=1)) is counted
