"""When an action of a rule may be told: on days of the week, between two times of day, by the clock of a time zone.

A frame that passes midnight belongs to the day on which it begins. It is read off the wall clock: what a change of the
clocks skips is no time at all, and what comes twice is in the frame twice. No database, no clock of its own.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rules.silences.schedule import known_zone
from spaces.validation import parse_model, reject

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _time_of_day(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("Use a time of day from 00:00 to 24:00, such as 08:30.")
    return text


def _days(days: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(days)))


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]


class Hours(BaseModel):
    """From when until when; the end is outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    start: TimeOfDay
    end: TimeOfDay

    @model_validator(mode="after")
    def _is_some_time(self) -> "Hours":
        if self.start == "24:00":
            raise ValueError("The start is at 23:59 at the latest.")
        if self.start == self.end:
            raise ValueError("There is no time in between. The whole day is 00:00 to 24:00.")
        return self


class TimeFrame(BaseModel):
    """Days of the week, 1 (Monday) to 7, the hours on each, and whose clock that is."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    days: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], AfterValidator(_days)] = Field(
        min_length=1, max_length=7
    )
    hours: Hours
    timezone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)]

    def contains(self, now: datetime) -> bool:
        """Whether the time, one with an offset, is in the frame."""
        return _contains(self, now.replace(second=0, microsecond=0))


@lru_cache(maxsize=256)  # a round asks about the same minute for each event
def _contains(frame: TimeFrame, now: datetime) -> bool:
    local = now.astimezone(ZoneInfo(frame.timezone))
    minute = local.hour * 60 + local.minute
    start, end = _minutes(frame.hours.start), _minutes(frame.hours.end)
    today = local.isoweekday()
    if start < end:
        return today in frame.days and start <= minute < end
    yesterday = today - 1 or 7
    return (today in frame.days and minute >= start) or (yesterday in frame.days and minute < end)


def clean_time_frame(value: Any, pointer: str) -> dict[str, Any] | None:
    """Return a time frame as it is stored, None for none; raise InvalidInput."""
    if value is None:
        return None
    return parse_model(TimeFrame, value, pointer, is_strict=True).model_dump(mode="json")


def in_words(stored: dict[str, Any] | None) -> str:
    """Return a stored frame on one line, ``Mon-Fri 08:00-17:00 Europe/Berlin``; nothing for none."""
    if stored is None:
        return ""
    hours = stored["hours"]
    return f"{_days_in_words(stored['days'])} {hours['start']}-{hours['end']} {stored['timezone']}"


def from_words(text: str, pointer: str) -> dict[str, Any] | None:
    """Return the frame that a line means, None for an empty one; raise InvalidInput. The zone is UTC unless named."""
    if not text.strip():
        return None
    words = text.split()
    if len(words) not in (2, 3) or "-" not in words[1]:
        raise reject(pointer, "Write days, hours and a time zone, such as Mon-Fri 08:00-17:00 Europe/Berlin.")
    start, _, end = words[1].partition("-")
    zone = words[2] if len(words) == 3 else "UTC"
    days = list(dict.fromkeys(_days_meant(words[0], pointer)))
    return clean_time_frame({"days": days, "hours": {"start": start, "end": end}, "timezone": zone}, pointer)


def _days_in_words(days: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = (run[:1] if len(run) == 1 else [run[0], run[-1]] for run in runs)
    return ",".join("-".join(_DAYS[day - 1] for day in part) for part in parts)


def _days_meant(text: str, pointer: str) -> Iterable[int]:
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (last if dash else first) not in _DAYS:
            raise reject(pointer, f"Use days such as Mon-Fri or Sat,Sun, of {', '.join(_DAYS)}.")
        begin, end = _DAYS.index(first), _DAYS.index(last if dash else first)
        for step in range((end - begin) % 7 + 1):
            yield (begin + step) % 7 + 1


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
