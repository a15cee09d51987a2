"""What goes wrong with deliveries, found afterwards by partial indexes: who writes an outcome need not tell of it."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection, transaction

from actions.models import FAILING_AFTER, Delivery

MAX_EXAMPLES: Final = 5
_AT_ONCE: Final = 5000  # rows of one statement
_AT_MOST: Final = 100_000  # deaths of one look

_TABLE: Final = Delivery._meta.db_table
# As the indexes have it, word by word: SQLite uses a partial index only where the query repeats its condition.
_UNANNOUNCED: Final = "state = 'dead' AND (announced_at IS NULL OR announced_at < finished_at)"
_FAILING: Final = f"attempts >= (replayed_from + {FAILING_AFTER}) AND finished_at IS NULL"
_SHOWN: Final = "id, webhook_id, event_id, rule_id, attempts, hop, last_reason, last_detail"


@dataclass(frozen=True, slots=True)
class Example:
    """One delivery that stands for many. ``event_id`` is the key of its event, ``rule_id`` a public id."""

    id: int
    webhook_id: str
    event_id: int
    rule_id: str
    attempts: int
    hop: int
    reason: str
    detail: str


@dataclass(slots=True)
class Deaths:
    """Deliveries of one action that died for one reason, with the hop of all of them."""

    space_id: int
    action_id: int
    connector_id: int | None
    reason: str
    hop: int
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Failing:
    """Deliveries of a space that failed FAILING_AFTER times or more and are tried again, through one connector."""

    space_id: int
    connector_id: int
    count: int


def take_deaths() -> list[Deaths]:
    """Return what has died since the last call, in groups; what was returned is not again once this commits.

    At most 100,000 deliveries are taken at a time. Two callers never get the same delivery.
    """
    groups: dict[tuple[int, int, str, int], Deaths] = {}
    taken = 0
    with transaction.atomic():
        while taken < _AT_MOST and (rows := _mark_some()):
            taken += len(rows)
            for *shown, space_id, action_id, connector_id in rows:
                example = _example(shown)
                key = (space_id, action_id, example.reason, example.hop)
                group = groups.get(key)
                if group is None:
                    group = Deaths(space_id, action_id, connector_id, example.reason, example.hop)
                    groups[key] = group
                group.count += 1
                if len(group.examples) < MAX_EXAMPLES:
                    group.examples.append(example)
    return list(groups.values())


def failing_connectors() -> Iterator[Failing]:
    """Yield each connector through which deliveries of a space fail again and again, for each such space."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT space_id, connector_id, count(*) FROM {_TABLE} "  # noqa: S608  constants
            f"WHERE {_FAILING} AND connector_id IS NOT NULL GROUP BY space_id, connector_id"
        )
        yield from (Failing(*row) for row in cursor.fetchall())


def failing_examples(failing: Failing) -> list[Example]:
    """Return some of the deliveries, those with the fewest hops first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_SHOWN} FROM {_TABLE} WHERE {_FAILING} AND space_id = %s AND connector_id = %s "  # noqa: S608  constant names
            "ORDER BY hop, id LIMIT %s",
            [failing.space_id, failing.connector_id, MAX_EXAMPLES],
        )
        return [_example(row) for row in cursor.fetchall()]


def _mark_some() -> list[tuple[Any, ...]]:
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH dead AS MATERIALIZED (SELECT id FROM {_TABLE} WHERE {_UNANNOUNCED} ORDER BY id "  # noqa: S608  constant names
            f"LIMIT %s {lock}) UPDATE {_TABLE} SET announced_at = finished_at WHERE id IN (SELECT id FROM dead) "
            f"RETURNING {_SHOWN}, space_id, action_id, connector_id",
            [_AT_ONCE],
        )
        return sorted(cursor.fetchall())


def _example(row: Sequence[Any]) -> Example:
    key, webhook_id, *rest = row
    return Example(key, str(webhook_id if isinstance(webhook_id, uuid.UUID) else uuid.UUID(webhook_id)), *rest)
