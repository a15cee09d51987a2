"""The contract of a rule type: one folder, one instance of an EventRuleType or ScheduledRuleType."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from rules.topics import matches
from spaces.services import OWN_EVENTS


class Params(BaseModel):
    """Base of a rule type's settings. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ParamsT = TypeVar("ParamsT", bound=Params)


@dataclass(frozen=True, slots=True)
class Watch:
    """Which events a rule looks at: exact types and sources, or a prefix ending in ``*``, and topic filters of
    subjects; empty means any.

    The installation's own events are looked at by rules that name their types: whoever forwards everything means
    what comes in.
    """

    event_types: Sequence[str] = ()
    sources: Sequence[str] = ()
    subjects: Sequence[str] = ()

    def covers_type(self, event_type: str) -> bool:
        if not self.event_types:
            return not event_type.startswith(OWN_EVENTS)
        return _covers(self.event_types, event_type)

    def covers_source(self, source: str) -> bool:
        return _covers(self.sources, source)

    def covers_subject(self, subject: str) -> bool:
        """Return whether the rule looks at this subject; a filter matches none that is empty."""
        return not self.subjects or any(matches(topic_filter, subject) for topic_filter in self.subjects)


def _covers(patterns: Sequence[str], value: str) -> bool:
    return not patterns or any(
        value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern for pattern in patterns
    )


class _Nothing(Watch):
    """Covers no event."""

    def covers_type(self, event_type: str) -> bool:
        return False


NOTHING: Final[Watch] = _Nothing()


@dataclass(frozen=True, slots=True)
class ParamError:
    """What is wrong with params that have the right form; ``pointer`` stands below the params."""

    pointer: str
    detail: str


class RuleType(ABC, Generic[ParamsT]):
    """The code for one kind of rule, declared once. The admin form and API schema come from the declaration.

    Derive from EventRuleType or ScheduledRuleType.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    params_model: type[ParamsT]

    is_scheduled: ClassVar[bool] = False
    usual_interval: ClassVar[int | None] = None
    action_groups: ClassVar[Mapping[str, str]] = {}
    takes_condition: ClassVar[bool] = True
    keeps_alerts: ClassVar[bool] = False

    def watch(self, params: ParamsT) -> Watch:
        """Return which events a rule with these params is evaluated for; the evaluation indexes rules by it."""
        return NOTHING

    def check(self, params: ParamsT) -> Iterable[ParamError]:
        """Return what is wrong with params that the model takes."""
        return ()

    def look_back(self, params: ParamsT) -> tuple[str, int] | None:
        """Return how many seconds back it looks at events, after the pointer of the param that says so.

        It may be no more than the space keeps events for.
        """
        return None


class EventRuleType(RuleType[ParamsT]):
    """Looks at each event by itself, when it comes."""

    @abstractmethod
    def watch(self, params: ParamsT) -> Watch:
        """Return which events a rule with these params looks at."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a scheduled rule, as its type sees it. ``now`` is the database's time."""

    rule_id: int
    space_id: int
    now: datetime
    number: int
    interval: int  # seconds from one run to the next
    memory: Mapping[str, Any]  # as the last run that did not fail left it
    open_keys: frozenset[str]  # of the alerts that wait for their delay or are active
    epoch: int = 0  # moves on with each change of what the rule looks at


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is as the rule looks for. ``key`` names it over all runs, ``group`` is one of the type's."""

    key: str
    group: str
    value: Any = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is to be said of a thing that is not so any more."""

    key: str
    value: Any = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Firing:
    """An event that a run makes, and the rule's actions with it; two of one rule and time are the same."""

    scheduled_at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has found.

    A key that is neither found nor ``unjudged`` is not so any more; ``recovered`` says more of it, where there is
    more to say. A key that could not be judged stays as it is.
    """

    findings: Sequence[Finding] = ()
    recovered: Sequence[Recovery] = ()
    unjudged: Collection[str] = ()
    memory: Mapping[str, Any] | None = None  # None keeps the former
    warnings: Sequence[str] = ()
    firings: Sequence[Firing] = ()
    next_at: datetime | None = None  # of the next run; None goes by the rule's interval


@dataclass(frozen=True, slots=True)
class Past:
    """A time that is over, to run a rule over again: ``moments`` are those of its runs, the oldest first.

    ``events`` yields, with the time it was received, each envelope that the rule's ``replayed`` covers and its
    condition lets pass, oldest first; it can be gone through once.
    """

    since: datetime
    moments: Iterable[datetime]
    events: Iterator[tuple[datetime, Mapping[str, Any]]]


class RunFailed(Exception):
    """A run cannot tell anything; the reason is for a person. Its alerts stay as they are."""


class ScheduledRuleType(RuleType[ParamsT]):
    """Looks by itself, at an interval, and keeps an alert of each thing it finds; or fires, and keeps none."""

    is_scheduled = True
    usual_interval: ClassVar[int] = 60
    action_groups: ClassVar[Mapping[str, str]]  # name by id; ``recovered`` is every type's, and not among them
    takes_condition = False
    keeps_alerts = True
    time_limit: ClassVar[float] = 30.0  # seconds after which a run counts as failed

    def first_memory(self, now: datetime) -> Mapping[str, Any]:
        """Return what a rule remembers that was enabled or changed now."""
        return {}

    @abstractmethod
    def run(self, params: ParamsT, run: Run) -> Report:
        """Look, and return what there is; raise RunFailed. It runs in a thread of its own, outside a transaction."""

    def replayed(self, params: ParamsT) -> Watch | None:
        """Return the events that ``replay`` needs; None where the past cannot be told from events."""
        return None

    def replay(self, params: ParamsT, past: Past) -> Iterator[Report]:
        """Yield what each run of that time would have found, as if the rule had been enabled when it began."""
        raise NotImplementedError


class Gatherer(Protocol):
    """Sums up the events of one rule, in buckets of time."""

    @property
    def width(self) -> int:
        """Seconds of a bucket."""

    def sum_up(self, envelopes: Iterable[dict[str, Any]]) -> bytes:
        """Return what these events of one bucket come to, as the rule's runs read it."""


class GatheringRuleType(ScheduledRuleType[ParamsT]):
    """Looks, at an interval, at what the evaluation summed up of the events that met the rule's condition."""

    takes_condition = True

    @abstractmethod
    def watch(self, params: ParamsT) -> Watch:
        """Return which events a rule with these params sums up."""

    @abstractmethod
    def gatherer(self, params: ParamsT) -> Gatherer:
        """Return what sums up the events of a rule with these params."""


AnyRuleType = RuleType[Any]
AnyScheduledRuleType = ScheduledRuleType[Any]
