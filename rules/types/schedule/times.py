"""When a schedule fires: by a cron expression in a time zone, or every so many seconds."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WIDER: Final = 8


class NoTimes(ValueError):
    """This is no cron expression, or none that ever fires; the reason is for a person."""


@dataclass(frozen=True, slots=True)
class Times:
    """The times, in UTC, at which a schedule fires: of ``cron`` in ``zone``, or each multiple of ``every`` seconds.

    Cron is Debian's, also where clocks change: a job at a given hour fires once a day, right after a gap that takes
    its time away, and at the first of two equal times; one whose minutes or hours begin with * goes by real time.
    """

    cron: str
    zone: str
    every: int | None = None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after ``moment``, ascending; they end in the year 9999."""
        try:
            yield from self._by_interval(moment) if self.every else self._by_cron(moment)
        except (OverflowError, ValueError):
            return

    def next(self, moment: datetime) -> datetime | None:
        """Return the first time after ``moment``."""
        return next(self.after(moment), None)

    def latest(self, since: datetime, until: datetime, most: int) -> tuple[list[datetime], bool]:
        """Return the latest times after ``since`` and up to ``until``, ascending, and whether there are older ones.

        It looks back further and further, so that years of minutes are not gone through.
        """
        width = timedelta(hours=4)
        while True:
            begin = max(since, until - width)
            found: deque[datetime] = deque(maxlen=most)
            count = 0
            for time in self.after(begin):
                if time > until:
                    break
                found.append(time)
                count += 1
            if count >= most or begin == since:
                oldest = self.next(since)
                return list(found), bool(found) and oldest is not None and oldest < found[0]
            width *= _WIDER

    def _by_interval(self, moment: datetime) -> Iterator[datetime]:
        length = timedelta(seconds=self.every or 0)
        time = _EPOCH + ((moment - _EPOCH) // length + 1) * length
        while True:
            yield time
            time += length

    def _by_cron(self, moment: datetime) -> Iterator[datetime]:
        zone = UTC if self.zone == "UTC" else ZoneInfo(self.zone)
        last = moment
        for found in CronSim(self.cron, moment.astimezone(zone)):
            time = found.astimezone(UTC)
            # Around a change of clocks cronsim may name a time twice, or one that has been.
            if time > last:
                last = time
                yield time


def check_cron(text: str) -> None:
    """Raise NoTimes unless the expression has five fields and fires at some time."""
    if len(text.split()) != 5:
        raise NoTimes("Give five fields: minute, hour, day of the month, month and day of the week.")
    try:
        found = next(CronSim(text, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        raise NoTimes(f"This is no cron expression that fires: {error}.") from None
    except (ValueError, TypeError, AssertionError):
        raise NoTimes("This is no cron expression.") from None
    if found is None:
        raise NoTimes("This never fires.")
