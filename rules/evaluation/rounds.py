"""Evaluation rounds: claim accepted events, match them with the rules, insert their deliveries.

A round is one transaction: the batches it took are deleted, and the deliveries of their events inserted, together.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.db import connection, transaction

from actions import bulk
from actions.engine import log
from actions.engine.lanes import lanes
from actions.engine.tally import Counted, tally
from actions.models import MAX_ORDERING_KEY
from actions.services.deliveries import Planned, make_deliveries
from actions.template_context import context_of
from actions.templating import RenderedTooLarge, TemplateError
from actions.wakeups import wake
from connectors.outcomes import Reason
from rules.conditions import NOT_MATCHED, Bound, bind
from rules.evaluation import gathering
from rules.evaluation.envelope import StoredEvent, alert_in, alerts_in, read_events
from rules.evaluation.failures import rule_failures
from rules.evaluation.ruleset import CompiledRule, Link, RuleSet, rule_sets
from rules.history.troubles import troubles
from rules.incoming import MAX_HOPS
from rules.models import EventBatch
from rules.services.accept import EVALUATE
from rules.silences.silence import OUTSIDE_TIME_FRAME, Observed, Silence, silence_of
from rules.variables import event_url

logger = logging.getLogger(__name__)

EVENTS_A_ROUND: Final = 1000
_FIRST_LOOK: Final = 4  # batches; more are fetched when they turn out small

_TABLE = EventBatch._meta.db_table


@dataclass(slots=True)
class _Claimed:
    """Batches taken by one round, and the keys of their events."""

    batches: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    """What a round writes: deliveries, log rows of events that could not be evaluated, buckets; and what it counts."""

    deliveries: list[Planned] = field(default_factory=list)
    failures: list[bulk.Row] = field(default_factory=list)
    matched: list[Counted] = field(default_factory=list)
    buckets: list[bulk.Row] = field(default_factory=list)


class Evaluator:
    """Runs rounds until nothing is left, one at a time in this process."""

    def __init__(self) -> None:
        self._state = threading.Lock()
        self._running = False
        self._again = False
        self._stopping = False

    def run(self) -> None:
        """Evaluate what has been accepted. When a run is under way already, it takes this one's work along."""
        with self._state:
            self._again = True
            if self._running:
                return
            self._running = True
        try:
            while self._goes_on():
                self._drain()
        finally:
            with self._state:
                self._running = False

    def stop(self) -> None:
        """End after the present round; what is left waits for the next worker."""
        self._stopping = True

    def _goes_on(self) -> bool:
        with self._state:
            self._again, again = False, self._again
            if not again:
                self._running = False
            return again

    def _drain(self) -> None:
        while not self._stopping:
            evaluated = evaluate_round()
            if evaluated >= EVENTS_A_ROUND:
                wake(EVALUATE)  # there is more than this process alone should do
            elif not evaluated:
                return
            lanes.let_catch_up()


def evaluate_round() -> int:
    """Evaluate about EVENTS_A_ROUND events; return how many there were, 0 when none waits."""
    evaluated = _evaluate_some()
    rule_failures.tell()
    return evaluated


def _evaluate_some() -> int:
    if connection.features.has_select_for_update_skip_locked:
        with transaction.atomic():
            claimed = _look(locked=True)
            _settle(claimed, _plan(claimed.events))
        return len(claimed.events)
    # SQLite has one writer: match first, and hold its lock for the writing only.
    claimed = _look(locked=False)
    plan = _plan(claimed.events)
    with transaction.atomic():
        _settle(claimed, plan)
    return len(claimed.events)


def _look(*, locked: bool) -> _Claimed:
    claimed = _Claimed()
    limit, last = _FIRST_LOOK, 0
    lock = "FOR UPDATE SKIP LOCKED" if locked else ""
    with connection.cursor() as cursor:
        while len(claimed.events) < EVENTS_A_ROUND:
            cursor.execute(
                f"SELECT id, event_ids FROM {_TABLE} WHERE id > %s ORDER BY id LIMIT %s {lock}",  # noqa: S608  constant names
                [last, limit],
            )
            rows = cursor.fetchall()
            for key, event_ids in rows:
                claimed.batches.append(key)
                claimed.events.extend(orjson.loads(event_ids))
            if len(rows) < limit:
                break
            last = rows[-1][0]
            per_batch = max(1, len(claimed.events) // len(claimed.batches))
            limit = max(1, (EVENTS_A_ROUND - len(claimed.events)) // per_batch)
    return claimed


def _settle(claimed: _Claimed, plan: _Plan) -> None:
    """Delete the batches and make the deliveries; nothing of it, when another process was quicker with a batch."""
    if not claimed.batches:
        return
    deleted, _ = EventBatch.objects.filter(pk__in=claimed.batches).delete()
    if deleted == len(claimed.batches):
        make_deliveries(plan.deliveries)
        tally.count(plan.matched)
        gathering.add(plan.buckets)
        if plan.failures:
            log.append(plan.failures)
    else:
        transaction.set_rollback(True)


def _plan(event_ids: list[int]) -> _Plan:
    plan = _Plan()
    if not event_ids:
        return plan
    events = read_events(event_ids)
    sets = rule_sets.of({event.space_id for event in events})
    met: list[gathering.Met] = []
    for event in events:
        try:
            plan.deliveries.extend(match_event(event, sets[event.space_id], plan.matched, met))
        except Exception as error:
            # Whatever it is about this event, the ones behind it must go on.
            logger.exception("Event %d could not be evaluated.", event.id)
            plan.failures.append(_failure(event, error))
    plan.buckets = gathering.sum_up(met)
    return plan


def match_event(
    event: StoredEvent, rules: RuleSet, matched: list[Counted], met: list[gathering.Met] | None = None
) -> list[Planned]:
    """Return the deliveries of the rules that the event meets; the rules themselves are added to ``matched``.

    It is added to ``met`` for each of them that gathers.
    """
    envelope = event.envelope
    planned: list[Planned] = []
    bound = None
    make = _render if event.hop <= MAX_HOPS else _stop_loop
    for rule in rules.candidates(envelope):
        if rule.condition is not None:
            bound = bound or bind(envelope)
            match = rule.condition.evaluate(bound)
            if match is NOT_MATCHED and not troubles.watched:
                continue
            if not match.matched:
                if not match.is_failure:
                    troubles.succeeded(event.space_id, rule.public_id, rule.version)
                else:
                    troubles.failed(event.space_id, rule.public_id, rule.version, "condition", match.reason)
                    rule_failures.note(event.space_id, rule.about, event.id, event.hop, "condition", match.reason)
                continue
        if rule.gatherer is not None:
            # Its runs tell, and count, what they find.
            if met is not None:
                met.append((rule, event))
            continue
        matched.append((event.space_id, rule.public_id, "matched"))
        links = rule.links
        if rule.has_terms:
            bound = bound or bind(envelope)
            links = _told(event, rule, bound)
        made = [make(event, rule, link) for link in links]
        if rule.has_terms:
            made = _framed(made, links)
        if troubles.watched and len(links) == len(rule.links) and not any(plan.failure for plan in made):
            troubles.succeeded(event.space_id, rule.public_id, rule.version)
        if rules.has_silences and (silence := _silence(rules, rule, envelope, bound)):
            made = [_suppressed(plan, silence) for plan in made]
        planned.extend(made)
    return planned


def _told(event: StoredEvent, rule: CompiledRule, bound: Bound) -> tuple[Link, ...]:
    """Return the links whose own conditions the event meets."""
    observed, told = Observed(event.envelope, bound), list[Link]()
    for link in rule.links:
        refusal = link.terms.refusal(observed)
        if refusal is None:
            told.append(link)
        elif refusal.is_failure:
            about = (event.space_id, rule.about, event.id, event.hop)
            rule_failures.note(*about, "condition", refusal.reason, link.target.public_id)
            where = (event.space_id, rule.public_id, rule.version)
            troubles.failed(*where, "condition", refusal.reason, link.target.public_id)
    return tuple(told)


def _framed(made: list[Planned], links: Sequence[Link]) -> list[Planned]:
    """Return the deliveries, suppressed where the link is outside its time frame."""
    now = datetime.now(UTC)
    return [
        plan if link.terms.is_open(now) else _suppressed(plan, OUTSIDE_TIME_FRAME)
        for plan, link in zip(made, links, strict=True)
    ]


def _silence(rules: RuleSet, rule: CompiledRule, envelope: dict[str, Any], bound: Bound | None) -> Silence | None:
    return silence_of(rule.audible, rules.windows, Observed(envelope, bound), datetime.now(UTC))


def _suppressed(plan: Planned, silence: Silence) -> Planned:
    # What goes round in a loop is dead, whoever wants to hear of it.
    is_loop = plan.failure is not None and plan.failure[0] is Reason.LOOP
    return plan if is_loop else replace(plan, suppressed=silence.cause, suppressed_by=silence.detail)


def _failure(event: StoredEvent, error: Exception) -> bulk.Row:
    return log.row(
        space_id=event.space_id,
        provider="rules",
        action="evaluate",
        outcome="failure",
        message=f"The event could not be evaluated: {type(error).__name__}: {error}",
        event_id=event.id,
    )


def _render(event: StoredEvent, rule: CompiledRule, link: Link) -> Planned:
    message: dict[str, Any] = {}
    failure: tuple[Reason, str] | None = None
    key = ""
    if link.params is None:
        failure = (Reason.BAD_CONFIG, link.failure)
    else:
        alert, alerts = alert_in(event.envelope), alerts_in(event.envelope)
        if link.costly:
            url = event_url(event.id)
            context = context_of(link.fixed, event.envelope, rule.about, alert, alerts, None, link.costly, url)
        else:
            context = context_of(link.fixed, event.envelope, rule.about, alert, alerts)
        try:
            message = link.params.render(context)
            if link.ordering_key is not None:
                key = _ordering_key(link.ordering_key.render(context))
        except RenderedTooLarge as error:
            failure = (Reason.TOO_LARGE, str(error))
        except TemplateError as error:
            failure = (Reason.TEMPLATE_ERROR, str(error))
    if failure is not None and link.params is not None:
        troubles.failed(event.space_id, rule.public_id, rule.version, "message", failure[1], link.target.public_id)
        rule_failures.note(
            event.space_id, rule.about, event.id, event.hop, "message", failure[1], link.target.public_id
        )
    return Planned(event.space_id, event.id, rule.public_id, link.target, message, failure, event.hop, key)


def _stop_loop(event: StoredEvent, rule: CompiledRule, link: Link) -> Planned:
    # Rendered all the same: a person who knows that it is no loop may send it.
    planned = _render(event, rule, link)
    detail = f"{MAX_HOPS} deliveries, one after the other, led to its event: that is taken for a loop."
    return replace(planned, failure=(Reason.LOOP, detail))


def _ordering_key(rendered: dict[str, Any]) -> str:
    key: str = rendered["ordering_key"]
    if len(key) > MAX_ORDERING_KEY:
        raise RenderedTooLarge("/ordering_key", f"The ordering key has more than {MAX_ORDERING_KEY} characters.")
    return key


evaluator = Evaluator()
