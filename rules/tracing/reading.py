"""Events to try a rule with: pasted, named by key, or the latest that it looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Max

from rules.evaluation.envelope import StoredEvent, envelope_of, read_events
from rules.evaluation.selecting import covered_by
from rules.incoming import IncomingEvent
from rules.models import Event
from rules.sources.bodies import EventReader, PlainEnvelope
from rules.tracing.explain import Clock
from rules.types.base import Watch
from spaces.errors import FieldError, InvalidInput
from spaces.models import Space
from spaces.validation import Findings, extend, reject

MAX_EVENTS: Final = 20
_AT_ONCE: Final = 500  # events that are read in one query
_LEAST_SPAN: Final = 2_000  # keys that one query goes through
_MOST_SPAN: Final = 100_000
_TABLE: Final = Event._meta.db_table


@dataclass(frozen=True, slots=True)
class Came:
    """A stored event, and when it was received."""

    event: StoredEvent
    at: datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """An event to try a rule with; ``id`` is its key, None where it is not stored."""

    envelope: dict[str, Any]
    hop: int = 0
    id: int | None = None


def pasted(space: Space, values: Sequence[Any], pointer: str = "/events") -> list[Sample]:
    """Return events as the space would take them in, CloudEvents or plain JSON; raise InvalidInput."""
    _check_number(len(values), pointer)
    reader = EventReader(PlainEnvelope(space.default_event_type, space.event_source))
    found, samples = Findings(), list[Sample]()
    for position, value in enumerate(values):
        with found.gather():
            event = _read(reader, value, extend(pointer, position))
            samples.append(Sample(envelope_of(event), event.origin.hop if event.origin else 0))
    found.raise_any()
    return samples


def stored(space: Space, keys: Sequence[int], pointer: str = "/event_ids") -> list[Sample]:
    """Return the events with these keys, in this order; raise InvalidInput, or Event.DoesNotExist for any other's."""
    _check_number(len(keys), pointer)
    known = {event.id: event for event in read_events(list(keys))} if keys else {}
    if any(key not in known or known[key].space_id != space.pk for key in keys):
        raise Event.DoesNotExist
    return [_sample(known[key]) for key in dict.fromkeys(keys)]


def latest(space: Space, watch: Watch, count: int, clock: Clock, pointer: str = "/last") -> list[Sample]:
    """Return so many of the newest events that the watch covers, the newest first, as far as time allows."""
    if not 1 <= count <= MAX_EVENTS:
        raise reject(pointer, f"Use a whole number from 1 to {MAX_EVENTS}.")
    samples: list[Sample] = []
    for came in newest_first(space.pk, watch, clock):
        samples.append(_sample(came.event))
        if len(samples) == count:
            break
    return samples


def newest_first(
    space_id: int, watch: Watch, clock: Clock, since: tuple[int, datetime] | None = None
) -> Iterator[Came]:
    """Yield the events that the watch covers, from the newest back to ``since``, a key and a time, or until it is late.

    Each query goes through a bounded range of keys, outside of any transaction.
    """
    high = (Event.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    least = since[0] if since else 0
    span = _LEAST_SPAN
    while high > least and not clock.is_over:
        low = max(least, high - span)
        times = _times(space_id, watch, low, high, since[1] if since else None)
        for event in reversed(read_events(list(times)) if times else []):
            if watch.covers_subject(event.envelope.get("subject", "")):
                yield Came(event, times[event.id])
        is_full = len(times) == _AT_ONCE
        high = min(times) if is_full else low
        # Where a space has few of the keys, its events are found by longer strides.
        span = _LEAST_SPAN if is_full else min(_MOST_SPAN, span * 2)


def oldest_first(space_id: int, watch: Watch, since: tuple[int, datetime], clock: Clock) -> Iterator[Came]:
    """Yield the same the other way round, up to the newest event that there is at the beginning."""
    low, end = since[0], (Event.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    span = _LEAST_SPAN
    while low < end and not clock.is_over:
        high = min(end, low + span)
        times = _times(space_id, watch, low, high, since[1], order="ASC")
        for event in read_events(list(times)) if times else []:
            if watch.covers_subject(event.envelope.get("subject", "")):
                yield Came(event, times[event.id])
        is_full = len(times) == _AT_ONCE
        low = max(times) + 1 if is_full else high
        span = _LEAST_SPAN if is_full else min(_MOST_SPAN, span * 2)


def _times(
    space_id: int, watch: Watch, low: int, high: int, since: datetime | None, order: str = "DESC"
) -> dict[int, datetime]:
    """Return when the first events of a range of keys, in this order, were received, by key."""
    where, values = covered_by(space_id, watch.event_types, watch.sources, watch.subjects)
    later = "" if since is None else " AND received_at >= %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, received_at FROM {_TABLE} WHERE id >= %s AND id < %s AND {where}{later} "  # noqa: S608  made of constants
            f"ORDER BY id {order} LIMIT %s",
            [low, high, *values, *([connection.ops.adapt_datetimefield_value(since)] if since else []), _AT_ONCE],
        )
        return {key: _time(at) for key, at in cursor.fetchall()}


def _time(value: Any) -> datetime:
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)
    return at.astimezone(UTC)


def _read(reader: EventReader, value: Any, pointer: str) -> IncomingEvent:
    try:
        return reader.read_envelope(value)
    except InvalidInput as invalid:
        raise InvalidInput(FieldError(pointer + error.pointer, error.detail) for error in invalid.errors) from None


def _sample(event: StoredEvent) -> Sample:
    return Sample(event.envelope, event.hop, event.id)


def _check_number(count: int, pointer: str) -> None:
    if count > MAX_EVENTS:
        raise reject(pointer, f"Use at most {MAX_EVENTS} events.")
