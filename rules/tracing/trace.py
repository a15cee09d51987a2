"""What became of a stored event: the rules that looked at it, what they sent, and what led to it.

The rules are asked as they are now. Where one was changed after the event came, that is said: it may have been
different then.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Max, QuerySet

from actions.models import Delivery, GoneObject
from actions.services.browse import SEARCHED_ROWS
from actions.services.gone import public_id_of
from rules.conditions import bind
from rules.evaluation.envelope import StoredEvent, read_events
from rules.evaluation.ruleset import rule_sets
from rules.incoming import MAX_HOPS
from rules.models import Event, EventBatch, Rule
from rules.tracing.explain import Clock, Verdict
from rules.tracing.trial import explainer_of
from rules.types.registry import UnknownRuleType

SECONDS: Final = 5.0
MOST_RULES: Final = 100
MOST_DELIVERIES: Final = 100
_MOST_BATCHES: Final = 5_000  # of events that wait, which are looked through
# A batch is made in the transaction of its events, whose clock may stand still meanwhile.
_BATCH_NEAR: Final = timedelta(minutes=1)
_CAUSE: Final = re.compile(
    r"deliveries/(?P<webhook_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|events/(?P<key>[0-9]{1,18})"
)


@dataclass(frozen=True, slots=True)
class TracedRule:
    """A rule, and what it makes of the event; ``verdict`` is None where it cannot be asked, and ``note`` says why.

    ``changed_since`` tells that it was changed, or made, after the event was received.
    """

    id: str
    name: str
    verdict: Verdict | None
    note: str = ""
    changed_since: bool = False
    deliveries: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """A step back from the event: a delivery or an event that led to it, and the event behind that."""

    hop: int
    cause: str
    delivery_id: int | None = None
    event_id: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """``left_out`` is how many rules that looked are not among ``rules``, ``did_not_look`` how many enabled ones the
    index kept away: other types, sources, subjects, or texts that their conditions demand. ``is_waiting`` is None where
    too much waits to tell.
    """

    event: Event
    is_waiting: bool | None
    rules: Sequence[TracedRule]
    left_out: int
    did_not_look: int
    deliveries: Sequence[Delivery]
    deliveries_left_out: int
    causes: Sequence[Cause]


def trace_event(event: Event, rule_id: str = "") -> Trace:
    """Return what became of the event; with the ID of a rule, that one alone, whether or not it looked.

    Raises Rule.DoesNotExist for an unknown ID.
    """
    (stored,) = read_events([event.pk])
    rules = rule_sets.of({event.space_id})[event.space_id]
    looked = [each.public_id for each in rules.candidates(stored.envelope)]
    made = _deliveries(event)
    deliveries = list(made[:MOST_DELIVERIES])
    by_rule: dict[str, list[int]] = {}
    for delivery in deliveries:
        by_rule.setdefault(delivery.rule_id, []).append(delivery.pk)
    wanted = [rule_id] if rule_id else list(dict.fromkeys([*by_rule, *looked]))
    enabled = Rule.objects.filter(space=event.space_id, enabled=True, interval=None).count()
    return Trace(
        event=event,
        is_waiting=_is_waiting(event),
        rules=list(_traced(event, stored, wanted[:MOST_RULES], by_rule, Clock(SECONDS), named=rule_id)),
        left_out=max(0, len(wanted) - MOST_RULES),
        did_not_look=max(0, enabled - len(looked)),
        deliveries=deliveries,
        deliveries_left_out=max(0, made.count() - MOST_DELIVERIES) if len(deliveries) == MOST_DELIVERIES else 0,
        causes=list(_causes(event)),
    )


def _traced(
    event: Event,
    stored: StoredEvent,
    wanted: Sequence[str],
    by_rule: Mapping[str, list[int]],
    clock: Clock,
    *,
    named: str,
) -> Iterator[TracedRule]:
    known = {rule.public_id: rule for rule in Rule.objects.filter(space=event.space_id, public_id__in=wanted)}
    if named and named not in known:
        raise Rule.DoesNotExist
    bound = bind(stored.envelope)
    for public_id in wanted:
        rule, made = known.get(public_id), by_rule.get(public_id, ())
        if rule is None:
            yield TracedRule(public_id, public_id, None, "The rule was deleted.", deliveries=made)
            continue
        changed = rule.updated_at > event.received_at
        verdict, note = None, "" if rule.enabled else "The rule is disabled."
        try:
            explainer = explainer_of(rule)
            if not explainer.looks_at_events:
                note = "The rule runs by itself, and looks at no single event."
            elif clock.is_over:
                note = "The time for explanations is over."
            else:
                verdict = explainer.explain(bound, clock)
        except (UnknownRuleType, ValueError) as error:
            note = f"The rule cannot run: {error}"
        yield TracedRule(public_id, rule.name, verdict, note, changed, made)


def _deliveries(event: Event) -> QuerySet[Any]:
    rows = Delivery.objects.filter(event_id=event.pk, space=event.space_id).order_by("pk")
    return rows.annotate(
        action_public_id=public_id_of(GoneObject.Kind.ACTION, "action_id"),
        connector_public_id=public_id_of(GoneObject.Kind.CONNECTOR, "connector_id"),
    )


def _is_waiting(event: Event) -> bool | None:
    """Return whether the event waits for its evaluation."""
    near = EventBatch.objects.filter(
        space=event.space_id,
        created_at__gte=event.received_at - _BATCH_NEAR,
        created_at__lte=event.received_at + _BATCH_NEAR,
    )
    batches = list(near.order_by("pk").values_list("event_ids", flat=True)[:_MOST_BATCHES])
    if any(event.pk in keys for keys in batches):
        return True
    return None if len(batches) == _MOST_BATCHES else False


def _causes(event: Event) -> Iterator[Cause]:
    """Yield what led to the event, step by step back to the first that is known."""
    step: Event | None = event
    while step is not None and step.cause and step.hop > 0:
        found = _cause(step)
        yield found
        former = Event.objects.filter(space=event.space_id, pk=found.event_id).first() if found.event_id else None
        # Each step back has a lower hop; what claims otherwise was forged.
        step = former if former is not None and former.hop < step.hop <= MAX_HOPS + 1 else None


def _cause(step: Event) -> Cause:
    match = _CAUSE.fullmatch(step.cause)
    if match is None:
        return Cause(step.hop, step.cause)
    if match["key"]:
        key = Event.objects.filter(space=step.space_id, pk=int(match["key"])).values_list("pk", flat=True).first()
        return Cause(step.hop, step.cause, event_id=key, detail="" if key else "It is gone.")
    newest = Delivery.objects.aggregate(newest=Max("pk"))["newest"] or 0
    rows = Delivery.objects.filter(pk__gt=newest - SEARCHED_ROWS, space=step.space_id, webhook_id=match["webhook_id"])
    row = rows.order_by("pk").values_list("pk", "event_id").first()
    if row is None:
        return Cause(step.hop, step.cause, detail=f"It is not among the newest {SEARCHED_ROWS:,} deliveries.")
    return Cause(step.hop, step.cause, delivery_id=row[0], event_id=row[1])
