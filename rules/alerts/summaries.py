"""One message that tells of many alerts: what became of each since the last one. No database, no clock.

An alert that opened since then is new, also where it has recovered meanwhile: then it is both. One that was told of as
new before and that the present run finds active is ongoing. The lists are bounded, the counts are not.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rules.alerts.cycle import Change
from rules.alerts.hearing import has_passed

MOST_LISTED: Final = 100


@dataclass(slots=True)
class Listed:
    """Alerts, as templates see them, and how many there are; of many, the first are listed."""

    count: int = 0
    data: list[dict[str, Any]] = field(default_factory=list)

    def add(self, shown: dict[str, Any]) -> None:
        """Count an alert, and list it where there is room."""
        self.count += 1
        if len(self.data) < MOST_LISTED:
            self.data.append(shown)


@dataclass(slots=True)
class Gathered:
    """What happened since the last summary, which was at ``told_at``, in seconds; None before the first."""

    told_at: float | None = None
    new: Listed = field(default_factory=Listed)
    recovered: Listed = field(default_factory=Listed)
    new_and_open: set[str] = field(default_factory=set)  # UUIDs
    new_and_recovered: int = 0
    ongoing: Listed = field(default_factory=Listed)  # of the present run alone, and not stored

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Gathered":
        """Return what ``stored`` returned once."""
        if not stored:
            return cls()
        return cls(
            told_at=stored["told_at"],
            new=Listed(**stored["new"]),
            recovered=Listed(**stored["recovered"]),
            new_and_open=set(stored["new_and_open"]),
            new_and_recovered=stored["new_and_recovered"],
        )

    def stored(self) -> dict[str, Any]:
        """Return what is to be remembered until the next run, as JSON."""
        return {
            "told_at": self.told_at,
            "new": asdict(self.new),
            "recovered": asdict(self.recovered),
            "new_and_open": sorted(self.new_and_open),
            "new_and_recovered": self.new_and_recovered,
        }

    def add(self, change: Change, shown: dict[str, Any]) -> None:
        """Take in what a run did to an alert."""
        uuid = shown["uuid"]
        if change is Change.RECOVERED:
            self.recovered.add(shown)
            if uuid in self.new_and_open:
                self.new_and_open.remove(uuid)
                self.new_and_recovered += 1
        elif uuid in self.new_and_open:
            return
        elif change is Change.OPENED:
            self.new.add(shown)
            self.new_and_open.add(uuid)
        else:
            self.ongoing.add(shown)

    def is_due(self, now: float, throttle: int | None) -> bool:
        """Whether there is something to tell, and time to tell it."""
        if not (self.new.count or self.ongoing.count or self.recovered.count):
            return False
        return throttle is None or self.told_at is None or has_passed(self.told_at, now, throttle)

    def alerts(self) -> dict[str, Any]:
        """Return ``alerts`` as templates see them."""
        groups = {"new": self.new, "ongoing": self.ongoing, "recovered": self.recovered}
        # Of one that is new and recovered, how it ended.
        latest = {shown["uuid"]: shown for group in groups.values() for shown in group.data}
        count = sum(group.count for group in groups.values()) - self.new_and_recovered
        everything = Listed(count, list(latest.values())[:MOST_LISTED])
        return {name: asdict(group) for name, group in (*groups.items(), ("all", everything))}
