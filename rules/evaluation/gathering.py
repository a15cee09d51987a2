"""Adds the events that rules with windows met to those rules' buckets, in the round that evaluates the events.

A round adds rows of its own and touches no other's, so it waits for no lock; the run of a rule puts them together. They
go in with the transaction that deletes the batches of the events, so each event is in them once. An event stands in the
bucket of the time of its receipt.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from django.db import connection

from actions import bulk
from rules.evaluation.envelope import StoredEvent
from rules.evaluation.ruleset import CompiledRule
from rules.models import Bucket, Event

logger = logging.getLogger(__name__)

Met = tuple[CompiledRule, StoredEvent]  # a rule that gathers, and an event that it met

_COLUMNS: Final = ("rule_id", "epoch", "start", "data")
_SECONDS: Final = {
    "postgresql": "floor(extract(epoch FROM received_at))::bigint",
    "sqlite": "CAST(strftime('%%s', received_at) AS INTEGER)",
}


def sum_up(met: Sequence[Met]) -> list[bulk.Row]:
    """Return the rows to add for these events, a row for each rule and bucket. One query, none for no events."""
    if not met:
        return []
    received = _received({event.id for _, event in met})
    buckets: dict[tuple[CompiledRule, int], list[StoredEvent]] = {}
    for rule, event in met:
        if rule.gatherer is not None and event.id in received:
            at = received[event.id]
            buckets.setdefault((rule, at - at % rule.gatherer.width), []).append(event)
    return list(_rows(buckets))


def add(rows: Sequence[bulk.Row]) -> None:
    """Insert the rows, in the caller's transaction."""
    if rows:
        bulk.insert_rows(Bucket, _COLUMNS, rows)


def _rows(buckets: Mapping[tuple[CompiledRule, int], Sequence[StoredEvent]]) -> Iterator[bulk.Row]:
    for (rule, start), events in buckets.items():
        if rule.gatherer is None:
            continue
        try:
            yield rule.id, rule.epoch, start, rule.gatherer.sum_up(event.envelope for event in events)
        except Exception:
            # As with conditions and messages: whatever it is about these events, the rest must go on.
            logger.exception("%d events could not be summed up for rule %d.", len(events), rule.id)


def _received(ids: set[int]) -> dict[int, int]:
    """Return when each event was received, in whole seconds since 1970."""
    keys = sorted(ids)
    one_of, given = (
        ("= ANY(%s)", [keys]) if connection.vendor == "postgresql" else (f"IN ({', '.join(['%s'] * len(keys))})", keys)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {_SECONDS[connection.vendor]} FROM {Event._meta.db_table} "  # noqa: S608  constant names
            f"WHERE id BETWEEN %s AND %s AND id {one_of}",
            [keys[0], keys[-1], *given],
        )
        return dict(cursor.fetchall())
