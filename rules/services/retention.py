"""Delete what spaces do not keep any longer, in small steps: deliveries, alerts and runs that ended, events, logs.

The event log leads the way: it is written in the order of time, and has an entry for the end of each delivery. What
is deleted together stays consistent at every moment: a delivery goes with all its entries, and an event only once no
delivery of it is left, and none can come. Audit log, connectors' status history and usage counts stay.

Keys grow with time, so what is old is a range of keys, found by halving; no index on time is needed, whose upkeep
every event would pay for.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from actions.models import ENDED, Delivery, EventLogEntry
from rules.history.records import HOUR, RuleCount, RunRecord
from rules.models import Alert, Bucket, Event, EventBatch, RetentionMark, Rule
from rules.services.errands import held
from spaces.models import Space

ERRAND: Final = "retention"
RUN_EVERY: Final = timedelta(hours=1)  # from the end of one run over a space to the next
_SPAN: Final = {"postgresql": 5000, "sqlite": 250}  # keys of one step; a step is one short transaction
_NOTED_EVERY: Final = 20  # steps that found nothing
_REST: Final = 1.0  # pause after a step, in times of what the step took: ingest comes first
_SHORTEST_REST: Final = 0.005  # seconds
# How far the order of keys and that of times may differ: as long as a transaction takes to commit, and then some.
_DISORDER: Final = timedelta(minutes=10)
_BUCKETS, _RULES = Bucket._meta.db_table, Rule._meta.db_table
# The rules that have buckets, one step in the index for each, however many buckets each has.
_LOST: Final = (
    f"WITH RECURSIVE owner(id) AS (SELECT min(rule_id) FROM {_BUCKETS} UNION ALL "  # noqa: S608  constant names
    f"SELECT (SELECT min(rule_id) FROM {_BUCKETS} WHERE rule_id > owner.id) FROM owner WHERE owner.id IS NOT NULL) "
    f"SELECT id FROM owner WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {_RULES} r WHERE r.id = owner.id)"
)


_pause: Final = threading.Event().wait


@dataclass(frozen=True, slots=True)
class _Run:
    """Spaces that keep things equally long, and the time before which they do not."""

    space_ids: tuple[int, ...]
    cutoff: datetime


RowT = TypeVar("RowT", bound=models.Model)


def delete_old(*, seconds: float = 20.0, rest: Callable[[float], object] = _pause) -> int:
    """Delete for so many seconds, or until nothing is left to delete; return how many rows went.

    It goes on where the last call ended. Only one process does this at a time; in others it returns at once. ``rest``
    is called with the seconds to pause between two steps.
    """
    deleted = 0
    until = time.monotonic() + seconds
    with held(ERRAND) as renew:
        if renew is None:
            return 0
        renewed = time.monotonic()
        for run in _due_runs():
            began = time.monotonic()
            for step in _steps(run):
                deleted += step
                now = time.monotonic()
                if now > until:
                    return deleted
                if now - renewed > 1:
                    if not renew():
                        return deleted
                    renewed = now
                if step:
                    rest(max(_SHORTEST_REST, _REST * (now - began)))
                began = time.monotonic()
            RetentionMark.objects.filter(space_id__in=run.space_ids).update(finished_at=timezone.now())
    return deleted


def _due_runs() -> Iterator[_Run]:
    now = timezone.now()
    marks = dict(RetentionMark.objects.values_list("space_id", "finished_at"))
    spaces: dict[int, list[int]] = {}
    for space in Space.objects.exclude(retention_days=None).order_by("pk"):
        if space.pk not in marks:
            _set_out(space)
        finished = marks.get(space.pk)
        if space.retention_days and (finished is None or finished <= now - RUN_EVERY):
            spaces.setdefault(space.retention_days, []).append(space.pk)
    for days, space_ids in spaces.items():
        yield _Run(tuple(space_ids), now - timedelta(days=days))


def _set_out(space: Space) -> None:
    """Begin where the space began: older rows are others'."""
    begin = space.created_at - _DISORDER
    RetentionMark.objects.get_or_create(
        space=space,
        defaults={
            "log_entry_id": first_key(EventLogEntry, "time", begin),
            "event_id": first_key(Event, "received_at", begin),
        },
    )


def _steps(run: _Run) -> Iterator[int]:
    """Delete step by step; yield after each how many rows went."""
    yield from _walk(run, "log_entry_id", EventLogEntry, "time", _delete_ended)
    yield from _walk(run, "event_id", Event, "received_at", _delete_events)
    ended = Q(space_id__in=run.space_ids, ended_at__lt=run.cutoff)
    yield from _delete_all(Alert.objects.filter(ended).order_by("ended_at"))
    yield from _delete_all(RunRecord.objects.filter(ended).order_by("ended_at"))
    counts = RuleCount.objects.filter(rule__space__in=run.space_ids, seconds=HOUR, start__lt=run.cutoff)
    yield from _delete_all(counts.order_by())


def _walk(
    run: _Run,
    mark: str,
    model: type[models.Model],
    clock: str,
    delete: Callable[[_Run, int, int], int],
) -> Iterator[int]:
    marks = RetentionMark.objects.filter(space_id__in=run.space_ids)
    low = min(marks.values_list(mark, flat=True))
    end = first_key(model, clock, run.cutoff)
    settled = first_key(model, clock, run.cutoff - _DISORDER)  # below, nothing that is younger can stand
    if model is Event:
        end = _first_waiting(run.cutoff, end)
    steps = 0
    while low < end:
        high = min(low + _SPAN[connection.vendor], end)
        deleted = delete(run, low, high)
        steps += 1
        if deleted or high == end or steps % _NOTED_EVERY == 0:
            reached = min(high, settled)
            marks.filter(**{f"{mark}__lt": reached}).update(**{mark: reached})
        yield deleted
        low = high


def first_key(model: type[models.Model], clock: str, moment: datetime) -> int:
    """Return the first key from which on rows are of ``moment`` or later, by halving the range of keys."""
    rows = model._default_manager.order_by("pk").values_list("pk", clock)
    first, last = rows.first(), rows.last()
    if first is None or last is None:
        return 0
    low, high = first[0], last[0] + 1
    while low < high:
        middle = (low + high) // 2
        found = rows.filter(pk__gte=middle).first()
        if found is not None and found[1] < moment:
            low = found[0] + 1
        else:
            high = middle
    return int(low)


def _first_waiting(cutoff: datetime, otherwise: int) -> int:
    """Return the least key of an old event that waits for evaluation, where that is less than ``otherwise``."""
    waiting = EventBatch.objects.filter(created_at__lt=cutoff + _DISORDER).values_list("event_ids", flat=True)
    return min((key for event_ids in waiting for key in (*event_ids, otherwise)), default=otherwise)


def _delete_ended(run: _Run, low: int, high: int) -> int:
    """Delete the deliveries whose log has old entries in the range, if they ended long ago, with all that is theirs."""
    old = Q(space_id__in=run.space_ids, time__lt=run.cutoff, pk__gte=low, pk__lt=high)
    entries = list(EventLogEntry.objects.filter(old).order_by().values_list("pk", "delivery_id"))
    if not entries:
        return 0
    with transaction.atomic():
        named = {delivery for _, delivery in entries if delivery is not None}
        ended = _ended(run, named)
        gone = list(ended)
        kept = set(_rows(Delivery, named).values_list("pk", flat=True)) - ended.keys()
        deleted = _delete(EventLogEntry.objects.filter(delivery_id__in=gone)) if gone else 0
        deleted += _delete(_rows(EventLogEntry, {key for key, delivery in entries if delivery not in kept}))
        deleted += _delete(_rows(Delivery, set(gone)))
        return deleted + _delete(_without_deliveries(_rows(Event, set(ended.values())), run))


def _ended(run: _Run, keys: set[int]) -> dict[int, int]:
    """Lock those of the deliveries that ended long ago; return their keys, each with its event's."""
    rows = _rows(Delivery, keys).filter(space_id__in=run.space_ids, state__in=ENDED, finished_at__lt=run.cutoff)
    return dict(rows.select_for_update().order_by("pk").values_list("pk", "event_id"))


def _delete_events(run: _Run, low: int, high: int) -> int:
    """Delete the old events in the range that have no delivery, such as those that no rule matched."""
    keys = list(_without_deliveries(Event.objects.filter(pk__gte=low, pk__lt=high), run).values_list("pk", flat=True))
    if not keys:
        return 0
    with transaction.atomic():
        return _delete(_without_deliveries(_rows(Event, set(keys)), run))


def _delete_all(rows: "models.QuerySet[RowT]") -> Iterator[int]:
    """Delete the rows step by step."""
    while keys := list(rows.values_list("pk", flat=True)[: _SPAN[connection.vendor]]):
        yield _delete(rows.model._default_manager.filter(pk__in=keys).order_by())


def drop_lost_buckets() -> int:
    """Delete the buckets of rules that are gone, which rounds that knew the rules yet added; return how many went."""
    with connection.cursor() as cursor:
        cursor.execute(_LOST)
        lost = [rule_id for (rule_id,) in cursor.fetchall()]
    keys = list(Bucket.objects.filter(rule__in=lost).values_list("pk", flat=True)[: _SPAN[connection.vendor]])
    return _delete(_rows(Bucket, set(keys)))


def _without_deliveries(events: "models.QuerySet[Event]", run: _Run) -> "models.QuerySet[Event]":
    delivery = Delivery.objects.filter(event_id=OuterRef("pk"))
    return events.filter(~Exists(delivery), space_id__in=run.space_ids, received_at__lt=run.cutoff).order_by()


def _rows(model: type[RowT], keys: set[int]) -> "models.QuerySet[RowT]":
    """Return the rows with these keys; the bounds keep PostgreSQL on the index whatever it knows of the table."""
    rows = model._default_manager.order_by()
    return rows.filter(pk__gte=min(keys), pk__lte=max(keys), pk__in=keys) if keys else rows.none()


def _delete(rows: "models.QuerySet[RowT]") -> int:
    return rows.delete()[0]
