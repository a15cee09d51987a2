"""When a silence holds: once, or again and again, by the clock of a time zone. No database, no clock of its own.

A recurrence is a part of RFC 5545: every so many days, weeks or months, on some days of the week or of the month, to
an end or a number of times. Each begins at the local time of the first start and lasts so many seconds. A local time
that a change of the clocks skips is taken with the offset before the change, one that comes twice the first time, as
RFC 5545 has it; a day that a month does not have is left out.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

LONGEST: Final = 366 * 24 * 3600  # seconds
LONGEST_RECURRING: Final = 31 * 24 * 3600
MOST_OCCURRENCES: Final = 1000
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_EVERY: Final = re.compile(r"([1-9][0-9]?)([dwM])", re.ASCII)
_WEEKDAY: Final = re.compile(r"([+-][1-5])?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_LOOKED_AHEAD: Final = timedelta(days=1)
_IDLE: Final = 100  # weeks or months in a row of which none falls on a day; then none ever does


def _in_calendar(time: datetime) -> datetime:
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(f"Use a time from the year {_FIRST_YEAR} to {_LAST_YEAR}.")
    return time.astimezone(UTC)


def known_zone(name: str) -> str:
    """Return the name of a time zone; raise ValueError where there is none of it."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("There is no such time zone. Use a name such as Europe/Berlin.") from None
    return name


def _every(text: str) -> str:
    if not _EVERY.fullmatch(text):
        raise ValueError("Use a number from 1 to 99 and d, w or M: 1d, 2w, 1M.")
    return text


def _weekday(text: str) -> str:
    if not _WEEKDAY.fullmatch(text):
        raise ValueError("Use MO, TU, WE, TH, FR, SA or SU; of a month also +1MO to +5MO and -1FR to -5FR.")
    return text


def _month_day(number: int) -> int:
    if not (1 <= number <= 31 or -31 <= number <= -1):
        raise ValueError("Use 1 to 31, or -1 to -31 from the end of the month.")
    return number


Time = Annotated[AwareDatetime, AfterValidator(_in_calendar)]


class Recurrence(BaseModel):
    """How often, on which days, and until when.

    Without days it is the weekday, or the day of the month, of the start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    every: Annotated[str, AfterValidator(_every)] = Field(description="`1d`, `2w`, `1M`: days, weeks or months.")
    on_week_day: tuple[Annotated[str, AfterValidator(_weekday)], ...] = Field(
        default=(), max_length=35, description="`MO` to `SU`; of a month also `+1MO`, the first, and `-1FR`, the last."
    )
    on_month_day: tuple[Annotated[int, AfterValidator(_month_day)], ...] = Field(
        default=(), max_length=62, description="1 to 31, or -1, the last, to -31."
    )
    end: Time | None = Field(default=None, description="None begins later than this.")
    occurrences: int | None = Field(default=None, ge=1, le=MOST_OCCURRENCES, description="How many there are.")

    @model_validator(mode="after")
    def _fits(self) -> "Recurrence":
        if self.end is not None and self.occurrences is not None:
            raise ValueError("Give an end or a number of occurrences, not both.")
        if self.on_month_day and self.unit != "M":
            raise ValueError("Only what recurs by months has days of the month.")
        if self.on_week_day and self.unit == "d":
            raise ValueError("What recurs by days has no weekdays: let it recur by weeks.")
        if self.unit == "w" and any(len(each) > 2 for each in self.on_week_day):
            raise ValueError("What recurs by weeks has weekdays without a number.")
        return self

    @property
    def unit(self) -> str:
        """``d``, ``w`` or ``M``."""
        return self.every[-1]

    @property
    def step(self) -> int:
        """Of how many units one is taken."""
        return int(self.every[:-1])

    def falls_on(self, day: date, first: date) -> bool:
        """Whether one begins on this day, if there is no end; ``first`` is the day of the start."""
        if day < first:
            return False
        if self.unit == "d":
            return (day - first).days % self.step == 0
        if self.unit == "w":
            weeks = (_monday(day) - _monday(first)).days // 7
            wanted = self.on_week_day or (_WEEKDAYS[first.weekday()],)
            return weeks % self.step == 0 and _WEEKDAYS[day.weekday()] in wanted
        months = (day.year - first.year) * 12 + day.month - first.month
        return months % self.step == 0 and self._falls_in_month(day, first)

    def _falls_in_month(self, day: date, first: date) -> bool:
        if not self.on_week_day and not self.on_month_day:
            return day.day == first.day
        days = calendar.monthrange(day.year, day.month)[1]
        name = _WEEKDAYS[day.weekday()]
        from_begin, from_end = (day.day - 1) // 7 + 1, (days - day.day) // 7 + 1
        names = (name, f"+{from_begin}{name}", f"-{from_end}{name}")
        by_weekday = not self.on_week_day or any(each in self.on_week_day for each in names)
        by_number = not self.on_month_day or day.day in self.on_month_day or day.day - days - 1 in self.on_month_day
        return by_weekday and by_number


class Schedule(BaseModel):
    """When a silence holds: from ``start`` on for ``duration`` seconds, once or as ``recurring`` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    start: Time = Field(description="When it begins first, with its offset from UTC.")
    duration: int = Field(ge=60, le=LONGEST, description="Seconds that it lasts, at most 31 days where it recurs.")
    timezone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)] = Field(
        default="UTC", description="By whose clock it recurs, such as `Europe/Berlin`."
    )
    recurring: Recurrence | None = Field(default=None, description="How it recurs; null: it does not.")

    @model_validator(mode="after")
    def _comes_about(self) -> "Schedule":
        if self.recurring is None:
            return self
        if self.duration > LONGEST_RECURRING:
            raise ValueError(f"What recurs lasts at most {LONGEST_RECURRING} seconds.")
        if self.recurring.end is not None and self.recurring.end < self.start:
            raise ValueError("It would end before it starts.")
        if next(self.days(), None) is None:
            raise ValueError("No such day comes: change the days, or how often.")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """By whose clock it recurs."""
        return ZoneInfo(self.timezone)

    @property
    def first(self) -> date:
        """The day of the start, there."""
        return self.start.astimezone(self.zone).date()

    def days(self) -> Iterator[date]:
        """Yield the days on which one begins, if there were no end, one after the other up to some year."""
        if self.recurring is None:
            yield self.first
            return
        first, idle = self.first, 0
        for begin, length in _units(self.recurring, first):
            found = [day for day in (begin + timedelta(days=n) for n in range(length)) if day >= first]
            found = [day for day in found if self.recurring.falls_on(day, first)]
            idle = 0 if found else idle + 1
            if idle > _IDLE or begin.year > _LAST_YEAR:
                return
            yield from found


def _units(recurring: Recurrence, first: date) -> Iterator[tuple[date, int]]:
    """Yield each day, week or month that counts: its first day, and how many it has."""
    begin = first if recurring.unit == "d" else _monday(first) if recurring.unit == "w" else first.replace(day=1)
    while True:
        yield begin, {"d": 1, "w": 7, "M": calendar.monthrange(begin.year, begin.month)[1]}[recurring.unit]
        if recurring.unit == "M":
            month = begin.month - 1 + recurring.step
            begin = date(begin.year + month // 12, month % 12 + 1, 1)
        else:
            begin += timedelta(days=recurring.step * (7 if recurring.unit == "w" else 1))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def begin_on(schedule: Schedule, day: date) -> datetime:
    """Return when the one of this day begins."""
    if day == schedule.first:
        return schedule.start
    local = schedule.start.astimezone(schedule.zone)
    return datetime.combine(day, local.time().replace(fold=0), schedule.zone).astimezone(UTC)


@lru_cache(maxsize=4096)
def times_of(schedule: Schedule) -> "Times":
    """Return the schedule, ready to be asked; the same for the same schedule."""
    recurring = schedule.recurring
    if recurring is None:
        return Times(schedule, schedule.start)
    if recurring.occurrences is None:
        return Times(schedule, recurring.end)
    *_, last = islice(schedule.days(), recurring.occurrences)
    return Times(schedule, begin_on(schedule, last))


@dataclass(frozen=True, slots=True)
class Span:
    """An answer and how long it holds: until when it is silent, or is not; ``until`` is None for ever."""

    is_open: bool
    until: datetime | None


@dataclass(slots=True)
class Times:
    """A schedule, ready to be asked. It keeps the last answer for as long as that holds, so asking costs nothing."""

    schedule: Schedule
    last: datetime | None
    _known: tuple[datetime, Span] | None = None  # since when the last answer holds, and the answer

    def open_at(self, now: datetime) -> bool:
        """Whether it is silent now."""
        return self.span_at(now).is_open

    def span_at(self, now: datetime) -> Span:
        """Return whether it is silent now, and until when that is known to hold."""
        if self._known is not None:
            since, span = self._known
            if since <= now and (span.until is None or now < span.until):
                return span
        span = self._looked_up(now)
        self._known = (now, span)
        return span

    def is_over(self, now: datetime) -> bool:
        """Whether it is silent never again."""
        return self.last is not None and now >= self.last + timedelta(seconds=self.schedule.duration)

    def begins_next(self, now: datetime) -> datetime | None:
        """Return when the next one begins, within a year or so; None where none does."""
        if self.schedule.recurring is None:
            return self.schedule.start if now < self.schedule.start else None
        day = max(self.schedule.first, now.astimezone(self.schedule.zone).date() - timedelta(days=1))
        for _ in range(400):
            if self.schedule.recurring.falls_on(day, self.schedule.first):
                begin = begin_on(self.schedule, day)
                if begin > now:
                    return begin if self.last is None or begin <= self.last else None
            day += timedelta(days=1)
        return None

    def _looked_up(self, now: datetime) -> Span:
        lasts = timedelta(seconds=self.schedule.duration)
        if self.is_over(now):
            return Span(False, None)
        horizon = now + _LOOKED_AHEAD
        open_until, next_begin = None, horizon
        for begin in self._around(now - lasts, horizon):
            if begin <= now < begin + lasts:
                open_until = max(open_until or now, begin + lasts)
            elif begin > now:
                next_begin = min(next_begin, begin)
        return Span(True, open_until) if open_until else Span(False, next_begin)

    def _around(self, low: datetime, high: datetime) -> Iterator[datetime]:
        """Yield when each begins that begins between the two."""
        recurring = self.schedule.recurring
        if recurring is None:
            yield self.schedule.start
            return
        day = max(low.astimezone(self.schedule.zone).date() - timedelta(days=1), self.schedule.first)
        until = high.astimezone(self.schedule.zone).date()
        while day <= until:
            if recurring.falls_on(day, self.schedule.first):
                begin = begin_on(self.schedule, day)
                if self.last is None or begin <= self.last:
                    yield begin
            day += timedelta(days=1)
