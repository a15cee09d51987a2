"""Finds that no event came for a while: of all that are watched, or of each group that came once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, Final

from pydantic import Field

from rules.evaluation.guards import value_at
from rules.types.absence.reading import Watched, last_key, last_seen, last_seen_of_groups
from rules.types.base import Finding, ParamError, Params, Past, Recovery, Report, Run, ScheduledRuleType, Watch
from rules.types.event.event import FilterList, PatternList
from rules.types.grouping import ALL, MOST_GROUPS, Fields, text_of

_DAY: Final = 24 * 3600
# Events of one moment may become visible in another order than that of their keys: so many seconds are read again.
_AGAIN: Final = 60.0


class AbsenceParams(Params):
    """Which events are to keep coming."""

    event_types: PatternList = Field(
        [], title="Event types", description="Such as order.paid, or order.* for all that begin so. Empty: any."
    )
    sources: PatternList = Field(
        [], title="Sources", description="Such as /shops/7, or /shops/* for all that begin so. Empty: any."
    )
    subjects: FilterList = Field(
        [], title="Subjects", description="Topic filters, such as sensors/+/temp or alarms/#. Empty: any."
    )
    seconds: int = Field(300, title="Missing for", description="Seconds without one such event.", ge=10, le=7 * _DAY)
    group_by: Fields = Field(
        [],
        title="Each by itself",
        description="At most two of source, subject, type and fields such as data.site: each value that came once "
        "is to come again.",
    )
    forget_after: int = Field(
        7 * _DAY,
        title="Forget after",
        description="Seconds after which a group that does not come any more is not expected any more.",
        ge=60,
        le=90 * _DAY,
    )


class AbsenceRule(ScheduledRuleType[AbsenceParams]):
    """Keeps an alert while no event comes, or one for each group of events that does not come any more.

    It begins to wait when the rule is enabled, and anew when no worker ran for a while: what could not come in then is
    not missing. Its memory has when each group was seen last, and how far the events were looked through.
    """

    id = "absence"
    name = "Absence"
    description = "No event of the chosen types and sources for a while."
    params_model = AbsenceParams
    usual_interval = 30
    action_groups = {"absent": "Absent"}

    def check(self, params: AbsenceParams) -> Iterable[ParamError]:
        """Refuse to forget what is not even missing yet."""
        if params.group_by and params.forget_after <= params.seconds:
            yield ParamError("/forget_after", "Give more seconds than those after which an event is missing.")

    def run(self, params: AbsenceParams, run: Run) -> Report:
        """Look through the events that came since the last run."""
        now = run.now.timestamp()
        memory = _Memory(run.memory, now, patience=2 * run.interval + _AGAIN)
        top = last_key()
        for key, came in _read(params, run.space_id, memory.position):
            memory.see(key, came, now)
        memory.reached(top, now)
        return _report(params, memory, now)

    def replayed(self, params: AbsenceParams) -> Watch:
        """Return the events that are to keep coming."""
        return Watch(params.event_types, params.sources, params.subjects)

    def replay(self, params: AbsenceParams, past: Past) -> Iterator[Report]:
        """Yield a report for each run, of the events that had come by then."""
        memory = _Memory({"tops": [(0.0, 0)]}, past.since.timestamp(), patience=inf)
        coming = next(past.events, None)
        for moment in past.moments:
            now = moment.timestamp()
            while coming is not None and coming[0] <= moment:
                if key := _group_of(coming[1], params.group_by):
                    memory.see(key, coming[0], now)
                coming = next(past.events, None)
            yield _report(params, memory, now)


def _report(params: AbsenceParams, memory: "_Memory", now: float) -> Report:
    """Return what is missing."""
    if not params.group_by:
        memory.seen.setdefault(ALL, memory.since)
    forgotten = memory.forget(now - params.forget_after) if params.group_by else []
    findings: list[Finding] = []
    recovered: list[Recovery] = []
    for key, seen in memory.seen.items():
        missing = now - max(seen, memory.since)
        if missing >= params.seconds:
            findings.append(Finding(key, "absent", int(now - seen), _missing(key, params, seen)))
        elif seen >= memory.since:
            recovered.append(Recovery(key, 0, f"{_what(key, params)} came again."))
    recovered += [
        Recovery(key, None, f"{_what(key, params)} did not come any more, and is not expected any more.")
        for key in forgotten
    ]
    told = {each.key for each in findings} | {each.key for each in recovered}
    return Report(
        findings,
        recovered,
        # After a pause nothing is known of what is missing still.
        unjudged=[key for key in memory.seen if key not in told],
        memory=memory.stored(),
        warnings=memory.warnings,
    )


class _Memory:
    """When each group was seen last, since when it is waited for, and how far the events were looked through."""

    def __init__(self, stored: Mapping[str, Any], now: float, patience: float) -> None:
        self.seen: dict[str, float] = dict(stored.get("seen", {}))
        self.since: float = min(stored.get("since", now), now)
        self._tops: list[tuple[float, int]] = [(at, top) for at, top in stored.get("tops", [])]
        self.warnings: list[str] = []
        if self._tops and not 0 <= now - self._tops[-1][0] <= patience:
            self.since = now  # nobody looked for a while, or the clock was set
        if not self._tops:
            self._tops = [(now, last_key())]

    @property
    def position(self) -> int:
        """The key beyond which events are looked at."""
        return self._tops[0][1]

    def see(self, key: str, seen: datetime, now: float) -> None:
        """Note that the group was seen."""
        if key not in self.seen and len(self.seen) >= MOST_GROUPS:
            if not self.warnings:
                self.warnings.append(f"There are more than {MOST_GROUPS} groups: the others are not watched.")
            return
        self.seen[key] = max(self.seen.get(key, 0.0), min(seen.timestamp(), now))

    def reached(self, top: int, now: float) -> None:
        """Note that all up to this key was looked at."""
        self._tops.append((now, top))
        # The youngest that is old enough to be sure of, and all after it.
        while len(self._tops) > 1 and self._tops[1][0] <= now - _AGAIN:
            self._tops.pop(0)

    def forget(self, before: float) -> list[str]:
        """Drop the groups that were not seen since; return them."""
        gone = [key for key, seen in self.seen.items() if seen < before]
        for key in gone:
            del self.seen[key]
        return gone

    def stored(self) -> dict[str, Any]:
        """Return it as the next run gets it."""
        return {"seen": self.seen, "since": self.since, "tops": [list(each) for each in self._tops]}


def _read(params: AbsenceParams, space_id: int, after: int) -> Iterable[tuple[str, datetime]]:
    watched = Watched(space_id, params.event_types, params.sources, params.subjects)
    if params.group_by:
        return last_seen_of_groups(watched, params.group_by, after)
    seen = last_seen(watched, after)
    return [(ALL, seen)] if seen is not None else []


def _group_of(envelope: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return the group of an event, "" where it lacks one of the fields; ALL of a rule without groups."""
    texts = [text_of(value_at(dict(envelope), tuple(field.split(".")))) for field in fields]
    return (" / ".join(texts) if all(texts) else "") if fields else ALL


def _what(key: str, params: AbsenceParams) -> str:
    return key if params.group_by else "An event"


def _missing(key: str, params: AbsenceParams, seen: float) -> str:
    at = datetime.fromtimestamp(seen, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{key} was not seen since {at} UTC." if params.group_by else f"No event since {at} UTC."
