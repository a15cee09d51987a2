"""What must always be true of events, deliveries and the event log, whatever crashed in between."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from actions.models import Delivery, EventLogEntry
from rules.models import Event, EventBatch

_EXAMPLES: Final = 5
State = Delivery.State


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant: how many rows break it, and the keys of the first few."""

    invariant: str
    broken: int
    examples: tuple[int, ...]


def check_invariants() -> Iterator[Finding]:
    """Yield one Finding for each invariant; ``broken`` is 0 where it holds."""
    for invariant, rows in _INVARIANTS.items():
        keys = rows()
        yield Finding(invariant, len(keys), tuple(keys[:_EXAMPLES]))


def check_settled() -> Iterator[Finding]:
    """Yield a Finding for each kind of work that is not done: nothing waits once every event is delivered or dead."""
    batches = EventBatch.objects.order_by("id")
    waiting = Delivery.objects.filter(state__in=[State.PENDING, State.LEASED]).order_by("id")
    yield Finding("every accepted event is evaluated", batches.count(), _keys(batches[:_EXAMPLES]))
    yield Finding("every delivery is delivered or dead", waiting.count(), _keys(waiting[:_EXAMPLES]))


def _keys(rows: "QuerySet[EventBatch] | QuerySet[Delivery]") -> tuple[int, ...]:
    return tuple(rows.values_list("id", flat=True))


def _deliveries(broken: Q) -> Callable[[], list[int]]:
    return lambda: list(Delivery.objects.filter(broken).order_by("id").values_list("id", flat=True))


def _without_event() -> list[int]:
    event = Event.objects.filter(pk=OuterRef("event_id"))
    return list(Delivery.objects.filter(~Exists(event)).order_by("id").values_list("id", flat=True))


def _in_another_space() -> list[int]:
    """Return the deliveries of an event, action or connector that is not of their space."""
    strange = ~Q(space=F("action__space")) | Q(connector__space__isnull=False) & ~Q(space=F("connector__space"))
    foreign = Event.objects.filter(pk=OuterRef("event_id")).exclude(space=OuterRef("space"))
    rows = Delivery.objects.filter(action__space__isnull=False).filter(strange)
    others = Delivery.objects.filter(Exists(foreign))
    return sorted({*rows.values_list("id", flat=True), *others.values_list("id", flat=True)})


def _delivered_without_success() -> list[int]:
    success = EventLogEntry.objects.filter(delivery_id=OuterRef("pk"), outcome="success")
    rows = Delivery.objects.filter(~Exists(success), state=State.DELIVERED)
    return list(rows.order_by("id").values_list("id", flat=True))


def _attempts_unlike_log() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.id FROM {Delivery._meta.db_table} d LEFT JOIN ("  # noqa: S608  constant names
            "SELECT delivery_id, count(*) AS entries, count(DISTINCT attempt) AS attempts, max(attempt) AS last "
            f"FROM {EventLogEntry._meta.db_table} WHERE attempt IS NOT NULL GROUP BY delivery_id"
            ") l ON l.delivery_id = d.id WHERE coalesce(l.entries, 0) <> d.attempts "
            "OR coalesce(l.attempts, 0) <> d.attempts OR coalesce(l.last, 0) <> d.attempts ORDER BY d.id"
        )
        return [row[0] for row in cursor.fetchall()]


def _batches_without_events() -> list[int]:
    broken = []
    for batch in EventBatch.objects.order_by("id").iterator():
        if Event.objects.filter(pk__in=batch.event_ids).count() != len(batch.event_ids):
            broken.append(batch.pk)
    return broken


_LEASE = Q(lease_token__isnull=False, lease_until__isnull=False)
_NO_LEASE = Q(lease_token=None, lease_until=None)
_FINISHED = Q(state__in=[State.DELIVERED, State.DEAD])

_INVARIANTS: Final[dict[str, Callable[[], list[int]]]] = {
    "a leased delivery has a token and an end of its lease": _deliveries(Q(state=State.LEASED) & ~_LEASE),
    "a delivery that is not leased has neither": _deliveries(~Q(state=State.LEASED) & ~_NO_LEASE),
    "a delivered or dead delivery has a time and a reason": _deliveries(
        _FINISHED & (Q(finished_at=None) | Q(last_reason=""))
    ),
    "a waiting delivery has no time of its end": _deliveries(~_FINISHED & Q(finished_at__isnull=False)),
    "only a delivery with an ordering key waits without a time": _deliveries(Q(due_at=None, ordering_key="")),
    "a delivered delivery ended with ok, a dead one did not": _deliveries(
        (Q(state=State.DELIVERED) & ~Q(last_reason="ok")) | Q(state=State.DEAD, last_reason="ok")
    ),
    "the event log holds each attempt of a delivery once, numbered from 1": _attempts_unlike_log,
    "a delivered delivery has a success in the event log": _delivered_without_success,
    "a delivery belongs to a stored event": _without_event,
    "a delivery is of the space of its event, its action and its connector": _in_another_space,
    "a batch that waits for evaluation holds stored events": _batches_without_events,
}
