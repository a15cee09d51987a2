"""When an action may be told is read off the clock of a place, and what is no time frame is refused when saved."""

from datetime import datetime
from typing import Any

import pytest

from rules.time_frames import TimeFrame, clean_time_frame, from_words, in_words
from spaces.errors import InvalidInput

OFFICE = "Mon-Fri 08:00-17:00 Europe/Berlin"
NIGHT = "Fri 22:00-06:00 Europe/Berlin"


def frame(words: str) -> TimeFrame:
    return TimeFrame.model_validate(from_words(words, ""))


@pytest.mark.parametrize(
    ("words", "time", "inside"),
    [
        # 2026-01-05 is a Monday.
        (OFFICE, "2026-01-05T08:00:00+01:00", True),
        (OFFICE, "2026-01-05T07:59:59+01:00", False),
        (OFFICE, "2026-01-05T16:59:59+01:00", True),
        (OFFICE, "2026-01-05T17:00:00+01:00", False),
        (OFFICE, "2026-01-05T07:30:00+00:00", True),
        (OFFICE, "2026-01-10T12:00:00+01:00", False),
        (OFFICE, "2026-07-06T06:00:00+00:00", True),  # by the clock of summer
        (OFFICE, "2026-07-06T15:30:00+00:00", False),
        # Past midnight it is the night of the day on which it begins.
        (NIGHT, "2026-01-09T22:00:00+01:00", True),
        (NIGHT, "2026-01-10T05:59:00+01:00", True),
        (NIGHT, "2026-01-10T06:00:00+01:00", False),
        (NIGHT, "2026-01-09T05:00:00+01:00", False),
        (NIGHT, "2026-01-10T22:30:00+01:00", False),
        ("Sun 22:00-06:00", "2026-01-05T05:00:00+00:00", True),
        ("Mon 22:00-00:00", "2026-01-05T23:59:59+00:00", True),
        ("Mon 22:00-00:00", "2026-01-06T00:00:00+00:00", False),
        ("Mon 00:00-24:00", "2026-01-05T23:59:59+00:00", True),
        ("Mon 00:00-24:00", "2026-01-06T00:00:00+00:00", False),
        # The clocks go from 02:00 to 03:00 on 2026-03-29: half past two is no time of that day.
        ("Sun 02:15-02:45 Europe/Berlin", "2026-03-29T00:59:59+00:00", False),
        ("Sun 02:15-02:45 Europe/Berlin", "2026-03-29T01:00:00+00:00", False),
        ("Sun 01:30-03:30 Europe/Berlin", "2026-03-29T00:59:59+00:00", True),
        ("Sun 01:30-03:30 Europe/Berlin", "2026-03-29T01:29:59+00:00", True),
        ("Sun 01:30-03:30 Europe/Berlin", "2026-03-29T01:30:00+00:00", False),
        # And from 03:00 to 02:00 on 2026-10-25: half past two comes twice.
        ("Sun 02:15-02:45 Europe/Berlin", "2026-10-25T00:30:00+00:00", True),
        ("Sun 02:15-02:45 Europe/Berlin", "2026-10-25T01:00:00+00:00", False),
        ("Sun 02:15-02:45 Europe/Berlin", "2026-10-25T01:30:00+00:00", True),
        ("Mon 09:00-10:00 Asia/Kathmandu", "2026-01-05T03:15:00+00:00", True),
        ("Mon 09:00-10:00 Asia/Kathmandu", "2026-01-05T03:14:59+00:00", False),
    ],
)
def test_it_is_inside_or_outside_by_the_clock_of_the_place(words: str, time: str, inside: bool) -> None:
    assert frame(words).contains(datetime.fromisoformat(time)) is inside


GOOD: dict[str, Any] = {"days": [5, 1, 5], "hours": {"start": "08:00", "end": "17:00"}, "timezone": "UTC"}


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"days": []}, "/days"),
        ({"days": [0]}, "/days/0"),
        ({"days": [1, 8]}, "/days/1"),
        ({"days": ["1"]}, "/days/0"),
        ({"days": [True]}, "/days/0"),
        ({"hours": {"start": "08:00"}}, "/hours/end"),
        ({"hours": {"start": "8:00", "end": "17:00"}}, "/hours/start"),
        ({"hours": {"start": "08:00", "end": "24:01"}}, "/hours/end"),
        ({"hours": {"start": "08:00", "end": "٠٩:00"}}, "/hours/end"),
        ({"hours": {"start": "08:00", "end": "08:00"}}, "/hours"),
        ({"hours": {"start": "24:00", "end": "08:00"}}, "/hours"),
        ({"timezone": "Etc/Bogus"}, "/timezone"),
        ({"timezone": "../UTC"}, "/timezone"),
        ({"timezone": "Europe"}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"timezone": "x" * 65}, "/timezone"),
        ({"zone": "UTC"}, "/zone"),
    ],
)
def test_what_is_no_time_frame_is_refused_with_its_place(wrong: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        clean_time_frame(GOOD | wrong, "")
    assert [error.pointer for error in refusal.value.errors] == [pointer]


def test_it_is_stored_with_its_days_in_order_and_none_is_none() -> None:
    assert clean_time_frame(GOOD, "") == GOOD | {"days": [1, 5]}
    assert clean_time_frame(None, "") is None


@pytest.mark.parametrize("words", [OFFICE, NIGHT, "Mon,Wed,Fri-Sun 22:00-06:00 UTC", ""])
def test_a_line_says_what_is_stored(words: str) -> None:
    assert in_words(from_words(words, "")) == words


def test_a_week_may_be_written_around_its_end() -> None:
    assert in_words(from_words("Fri-Mon 01:00-02:00", "")) == "Mon,Fri-Sun 01:00-02:00 UTC"


@pytest.mark.parametrize("line", ["x", "Mon", "Mon 08:00", "Mo 08:00-09:00", "Mon- 08:00-09:00", "Mon 8-9 UTC x"])
def test_a_line_that_means_nothing_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        from_words(line, "")
