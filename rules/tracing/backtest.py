"""Runs a rule over events that came already: how often it would have matched, and what that would have made.

Events are read from the newest back, by ranges of keys, until the time asked for is covered, so many are read, or the
seconds are over; where it ended is said.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import tee
from typing import Any, Final, Literal

from actions.engine.clock import database_time
from rules.conditions import Bound, Condition, Match, bind
from rules.evaluation.terms import terms_of
from rules.models import Event
from rules.services.conditions import expanded_in
from rules.services.retention import first_key
from rules.services.rules import Draft
from rules.silences.silence import Observed
from rules.tracing.explain import Clock, Explainer, Part
from rules.tracing.places import place
from rules.tracing.reading import Came, newest_first, oldest_first
from rules.tracing.replay import Replayer, Runs, moments
from rules.tracing.trial import explainer_of
from rules.types.base import Past, RunFailed, ScheduledRuleType, Watch
from rules.types.registry import get_type
from spaces.models import Space
from spaces.validation import reject

MOST_HOURS: Final = 7 * 24
MOST_EVENTS: Final = 50_000
SECONDS: Final = 10.0
MOST_MATCHES: Final = 10
MOST_NEAR: Final = 5
_MOST_EXAMINED: Final = 1_000  # events that did not match whose parts are looked at for near misses

Cap = Literal["", "events", "time"]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An event that one part of the condition kept from matching."""

    id: int
    part: Part


@dataclass(slots=True)
class Backtest:
    """What a rule would have made of the events since ``since``.

    ``reached`` is how far back they were looked at: later than ``since`` where ``capped_by`` says what ended it first.
    ``looked_at`` counts those of the types, sources and subjects that it watches, ``failed`` those for which the
    condition went wrong in another way than for want of a field. ``per_hour`` has the hours that had matches.
    ``runs`` is of a rule that runs by itself: its runs go forward, and ``until`` is where they were capped.
    """

    since: datetime
    until: datetime
    reached: datetime
    capped_by: Cap = ""
    looked_at: int = 0
    matched: int = 0
    failed: int = 0
    first_failure: str = ""
    first_match_at: datetime | None = None
    last_match_at: datetime | None = None
    per_hour: Counter[datetime] = field(default_factory=Counter)
    deliveries: Mapping[str, int] = field(default_factory=dict)
    matches: list[int] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)
    runs: Runs | None = None


class CannotReplay(Exception):
    """Rules of this type cannot be run over the past; the message says why."""


def backtest_rule(space: Space, draft: Draft, hours: int) -> Backtest:
    """Return what the rule would have made of the last hours' events.

    Raises InvalidInput for hours out of bounds, CannotReplay, and TooBusy.
    """
    if not 1 <= hours <= MOST_HOURS:
        raise reject("/hours", f"Use a whole number from 1 to {MOST_HOURS}.")
    rule_type = get_type(draft.rule.type)
    params = rule_type.params_model.model_validate(draft.rule.params)
    replayed = rule_type.replayed(params) if isinstance(rule_type, ScheduledRuleType) else None
    if rule_type.is_scheduled and replayed is None:
        raise CannotReplay(
            f"Rules of the type {rule_type.id} cannot be run over the past: they look at what is so when they run, "
            "and that was not kept. Try the rule instead: that runs it once."
        )
    with place():
        now = database_time()
        hours = min(hours, space.retention_days * 24) if space.retention_days else hours
        test = Backtest(since=now - timedelta(hours=hours), until=now, reached=now)
        if replayed is None:
            _look_through(space, draft, test)
        else:
            _run_through(draft, test, rule_type, params, replayed)
        return test


def _look_through(space: Space, draft: Draft, test: Backtest) -> None:
    """Look at each event, from the newest back."""
    clock = Clock(SECONDS)
    explainer = explainer_of(draft.rule)
    terms = [
        (link.action.public_id, terms_of(expanded_in(space.pk, link.condition), link.time_frame))
        for link in draft.links
        if link.action.enabled
    ]
    deliveries: Counter[str] = Counter({link.action.public_id: 0 for link in draft.links})
    examined = 0
    for came in newest_first(space.pk, explainer.watch, clock, _start(test)):
        if test.looked_at == MOST_EVENTS:
            test.capped_by = "events"
            break
        test.looked_at += 1
        test.reached = came.at
        bound = bind(came.event.envelope)
        if explainer.condition is None or (match := explainer.condition.evaluate(bound)).matched:
            _count_match(test, came)
            observed = Observed(came.event.envelope, bound)
            told = (action for action, each in terms if each.refusal(observed) is None and each.is_open(came.at))
            deliveries.update(told)
        else:
            examined += _examine(test, explainer, came, bound, match, clock, examined < _MOST_EXAMINED)
    else:
        if clock.is_over:
            test.capped_by = "time"
        else:
            test.reached = test.since
    test.deliveries = dict(deliveries)


def _run_through(draft: Draft, test: Backtest, rule_type: Any, params: Any, watch: Watch) -> None:
    """Run the rule again and again, from the beginning on: ``until`` is where that ended."""
    clock = Clock(SECONDS)
    replayer = Replayer(draft)
    test.runs, test.reached = replayer.runs, test.since
    runs, again = tee(moments(test.since, test.until, draft.rule.interval or rule_type.usual_interval))
    past = Past(test.since, runs, _met(draft, test, watch, clock))
    try:
        for moment, report in zip(again, rule_type.replay(params, past), strict=False):
            if clock.is_over and not test.capped_by:
                test.capped_by = "time"
            if test.capped_by:
                test.until = moment
                break
            replayer.take_in(report, moment)
    except RunFailed as error:
        replayer.runs.failure = str(error)
    test.deliveries = dict(replayer.deliveries)


def _met(draft: Draft, test: Backtest, watch: Watch, clock: Clock) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    """Yield the events that meet the rule's condition; past the bounds none, and the test is capped."""
    text = expanded_in(draft.rule.space_id, draft.rule.condition)
    condition = Condition(text) if text else None
    for came in oldest_first(draft.rule.space_id, watch, _start(test), clock):
        if test.looked_at == MOST_EVENTS:
            test.capped_by = "events"
            return
        test.looked_at += 1
        if condition is None or condition.evaluate(bind(came.event.envelope)).matched:
            _count_match(test, came)
            yield came.at, came.event.envelope
    if clock.is_over:
        test.capped_by = "time"


def _start(test: Backtest) -> tuple[int, datetime]:
    return first_key(Event, "received_at", test.since), test.since


def _examine(
    test: Backtest, explainer: Explainer, came: Came, bound: Bound, match: Match, clock: Clock, may_explain: bool
) -> bool:
    """Count an event that did not match; return whether its parts were looked at."""
    if match.is_failure:
        test.failed += 1
        test.first_failure = test.first_failure or match.reason
    if not may_explain or len(test.near_misses) == MOST_NEAR:
        return False
    if (failing := explainer.nearly(explainer.parts(bound, clock))) is not None:
        test.near_misses.append(NearMiss(came.event.id, failing))
    return True


def _count_match(test: Backtest, came: Came) -> None:
    test.matched += 1
    test.first_match_at = min(test.first_match_at or came.at, came.at)
    test.last_match_at = max(test.last_match_at or came.at, came.at)
    test.per_hour[came.at.replace(minute=0, second=0, microsecond=0)] += 1
    if len(test.matches) < MOST_MATCHES:
        test.matches.append(came.event.id)
