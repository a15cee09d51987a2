"""Runs a rule that runs by itself over a time that is over: the alerts that its runs would have opened.

Silences, and the conditions of single actions, are not asked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from rules.alerts.cycle import Change, Settings, Standing, advance
from rules.alerts.keeping import MOST, fit
from rules.evaluation.terms import terms_of
from rules.links import RECOVERED, Link
from rules.models import Frequency
from rules.services.rules import Draft
from rules.types.base import Report

MOST_ALERTS: Final = 20


@dataclass(slots=True)
class ReplayedAlert:
    """An alert that would have been; ``ended_at`` is None while it is open."""

    key: str
    group: str
    opened_at: datetime
    ended_at: datetime | None = None


@dataclass(slots=True)
class Runs:
    """What the runs came to. ``alerts`` are the newest; ``failure`` says what ended the runs before their time."""

    count: int = 0
    opened: int = 0
    recovered: int = 0
    alerts: list[ReplayedAlert] = field(default_factory=list)
    failure: str = ""


class Replayer:
    """Keeps the alerts of a draft while its runs are gone through, in memory alone."""

    def __init__(self, draft: Draft) -> None:
        rule = draft.rule
        self.runs = Runs()
        self.deliveries: Counter[str] = Counter({link.action.public_id: 0 for link in draft.links})
        self._settings = Settings(rule.delay, rule.flapping_look_back, rule.flapping_threshold)
        self._links = [(link, terms_of("", link.time_frame)) for link in draft.links if link.action.enabled]
        self._standing: dict[str, Standing] = {}
        self._open: dict[str, ReplayedAlert] = {}
        self._told: dict[tuple[int, str], datetime] = {}
        self._changes: list[tuple[str, str, Change]] = []  # of one run: key, group and what happened

    def take_in(self, report: Report, moment: datetime) -> None:
        """Let each alert go the step that this run makes of it."""
        self.runs.count += 1
        found = dict([(fit(each.key), each.group) for each in report.findings][:MOST])
        unjudged = {fit(key) for key in report.unjudged}
        self._changes = []
        for key in (*self._standing, *(key for key in found if key not in self._standing)):
            if key in unjudged and key not in found:
                continue
            step = advance(self._standing.get(key), found.get(key), self.runs.count, self._settings)
            if step.standing is None:
                self._standing.pop(key, None)
                continue
            self._standing[key] = step.standing
            if step.change is not None:
                self._changes.append((key, step.standing.group, step.change))
                self._note(key, step.standing.group, step.change, moment)
        self._tell(moment)

    def _note(self, key: str, group: str, change: Change, moment: datetime) -> None:
        if change is Change.OPENED:
            self.runs.opened += 1
            self._open[key] = ReplayedAlert(key, group, moment)
            self.runs.alerts = [self._open[key], *self.runs.alerts[: MOST_ALERTS - 1]]
        elif change is Change.RECOVERED:
            self.runs.recovered += 1
            self._open.pop(key).ended_at = moment

    def _tell(self, moment: datetime) -> None:
        """Count what the actions would hear of this run: one message for each change, or a summary of all."""
        links = [(at, link) for at, (link, terms) in enumerate(self._links) if terms.is_open(moment)]
        for key, group, change in self._changes:
            hearing = [
                link.action.public_id
                for at, link in links
                if link.frequency != Frequency.SUMMARY
                and _is_for(link, group, change)
                and self._is_time(at, link, key, change, moment)
            ]
            self.deliveries.update(set(hearing))
        if self._changes:
            summaries = [(at, link) for at, link in links if link.frequency == Frequency.SUMMARY]
            self.deliveries.update(
                link.action.public_id for at, link in summaries if self._waited(at, link, "", moment)
            )

    def _is_time(self, at: int, link: Link, key: str, change: Change, moment: datetime) -> bool:
        if change is Change.RECOVERED or link.frequency == Frequency.EACH:
            return True
        if link.frequency == Frequency.CHANGE:
            return change is not Change.ONGOING
        return self._waited(at, link, key, moment)

    def _waited(self, at: int, link: Link, key: str, moment: datetime) -> bool:
        last = self._told.get((at, key))
        if last is not None and moment - last < timedelta(seconds=link.throttle or 0):
            return False
        self._told[at, key] = moment
        return True


def _is_for(link: Link, group: str, change: Change) -> bool:
    return link.group == RECOVERED if change is Change.RECOVERED else link.group in ("", group)


def moments(since: datetime, until: datetime, interval: int) -> Iterator[datetime]:
    """Yield the times of the runs."""
    at = since
    while (at := at + timedelta(seconds=interval)) <= until:
        yield at
