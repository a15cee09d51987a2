"""Why nobody is to hear of an event or an alert now. Pure: what is silent is given, and so is the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from actions.suppression import Suppression, sentence_of
from rules.alerts.cycle import Change
from rules.conditions import Bound, Condition, bind
from rules.silences.schedule import Times


@dataclass(frozen=True, slots=True)
class Silence:
    """A cause, of those of Suppression, and a sentence that tells more of it."""

    cause: str
    detail: str


OUTSIDE_TIME_FRAME: Final = Silence(Suppression.TIME_FRAME, sentence_of(Suppression.TIME_FRAME))


@dataclass(frozen=True, slots=True)
class Snooze:
    """A time in which a rule is silent."""

    id: str
    times: Times


@dataclass(frozen=True, slots=True)
class Audible:
    """What silences look at of a rule: its public id and tags, whether it is muted, and when it is snoozed."""

    public_id: str
    tags: frozenset[str]
    is_muted: bool = False
    snoozes: tuple[Snooze, ...] = ()

    @property
    def has_own(self) -> bool:
        """Whether it has a silence of its own, now or at some time."""
        return self.is_muted or bool(self.snoozes)


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window of the rules named, or tagged so, all if none is; of the events that meet the condition."""

    public_id: str
    name: str
    times: Times
    condition: Condition | None = None
    rules: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def is_of(self, rule: Audible) -> bool:
        """Whether it is about this rule."""
        if not self.rules and not self.tags:
            return True
        return rule.public_id in self.rules or not self.tags.isdisjoint(rule.tags)


class Observed:
    """An event that windows look at; it is converted for conditions once, and only if one asks."""

    __slots__ = ("_bound", "envelope")

    def __init__(self, envelope: Mapping[str, Any], bound: Bound | None = None) -> None:
        self.envelope = envelope
        self._bound = bound

    @property
    def bound(self) -> Bound:
        """The event, converted."""
        self._bound = self._bound or bind(self.envelope)
        return self._bound


def silence_of(rule: Audible, windows: Sequence[Window], observed: Observed, now: datetime) -> Silence | None:
    """Return why nobody is to hear now that the event met the rule; None where they are.

    A window whose condition fails on the event does not suppress: in doubt, it is told.
    """
    if rule.is_muted:
        return Silence(Suppression.RULE_MUTED, sentence_of(Suppression.RULE_MUTED))
    for snooze in rule.snoozes:
        if snooze.times.open_at(now):
            until = snooze.times.span_at(now).until
            return Silence(Suppression.RULE_SNOOZED, f"The rule is snoozed until {_shown(until)}.")
    for window in windows:
        if window.times.open_at(now) and window.is_of(rule) and _meets(window, observed):
            return Silence(Suppression.MAINTENANCE_WINDOW, f'The maintenance window "{window.public_id}" is open.')
    return None


def alert_silence_of(
    *, is_muted: bool, is_acknowledged: bool, change: Change, held_back: bool = False
) -> Silence | None:
    """Return why nobody is to hear of this change of an alert for what a person said of it; None where they are.

    An acknowledged one is silent while it goes on, so that its group and its end are told of. What was held back by a
    silence before is a change, too.
    """
    if is_muted:
        return Silence(Suppression.ALERT_MUTED, sentence_of(Suppression.ALERT_MUTED))
    if is_acknowledged and change is Change.ONGOING and not held_back:
        return Silence(Suppression.ALERT_ACKNOWLEDGED, sentence_of(Suppression.ALERT_ACKNOWLEDGED))
    return None


def _meets(window: Window, observed: Observed) -> bool:
    return window.condition is None or window.condition.evaluate(observed.bound).matched


def _shown(until: datetime | None) -> str:
    return until.isoformat(timespec="seconds").replace("+00:00", "Z") if until else "it is taken off"
