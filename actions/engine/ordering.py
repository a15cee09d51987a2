"""Ordering keys: of an action's deliveries with the same key one is in flight, those behind it wait without a due_at.

A unique index lets no second one of a key have a ``due_at``, whoever tries at the same time. So the claim, which looks
for what is due, knows nothing of keys, and deliveries without one pay nothing.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction

from actions.engine.clock import now_plus
from actions.models import Delivery

logger = logging.getLogger(__name__)

Key = tuple[int, str]  # primary key of the action, and the ordering key

_AT_ONCE: Final = 500
_TABLE: Final = Delivery._meta.db_table
# The conditions of the two partial indexes, word for word.
_WAITING: Final = "{0}.ordering_key > '' AND {0}.due_at IS NULL AND {0}.state = 'pending'"
_IN_FLIGHT: Final = "{0}.ordering_key > '' AND {0}.due_at IS NOT NULL AND {0}.state IN ('pending', 'leased')"
_NONE_IN_FLIGHT: Final = (
    f"NOT EXISTS (SELECT 1 FROM {_TABLE} f WHERE f.action_id = k.action_id "  # noqa: S608  constant names
    f"AND f.ordering_key = k.ordering_key AND {_IN_FLIGHT.format('f')})"
)
# Steps from one key to the next through the index, however many deliveries wait behind each.
_STALLED: Final = (
    f"WITH RECURSIVE first(id) AS (SELECT (SELECT n.id FROM {_TABLE} n WHERE {_WAITING.format('n')} "  # noqa: S608  constant names
    f"ORDER BY n.action_id, n.ordering_key, n.id LIMIT 1) "
    f"UNION ALL SELECT (SELECT n.id FROM {_TABLE} n WHERE {_WAITING.format('n')} "
    f"AND (n.action_id, n.ordering_key) > (p.action_id, p.ordering_key) "
    f"ORDER BY n.action_id, n.ordering_key, n.id LIMIT 1) FROM first JOIN {_TABLE} p ON p.id = first.id) "
    f"SELECT k.action_id, k.ordering_key FROM first JOIN {_TABLE} k ON k.id = first.id WHERE {_NONE_IN_FLIGHT}"
)


def let_go(keys: Iterable[Key]) -> set[int]:
    """Let the first that waits of each key be due, where none is in flight; return the connectors to wake.

    Call it after the transaction that ended a delivery, or made one. While the database is away nothing is done: the
    sweep makes up for it.
    """
    connectors: set[int] = set()
    waiting = sorted(set(keys))
    try:
        for start in range(0, len(waiting), _AT_ONCE):
            connectors |= _let_go(waiting[start : start + _AT_ONCE])
    except (DatabaseError, InterfaceError) as error:
        logger.warning("%d ordering keys wait for the next sweep: %s", len(waiting), error)
    return connectors


def let_stalled_go() -> None:
    """Do the same for every key of which deliveries wait and none is in flight."""
    with connection.cursor() as cursor:
        cursor.execute(_STALLED)
        keys = cursor.fetchall()
    let_go(keys)


def _let_go(keys: Sequence[Key]) -> set[int]:
    try:
        with transaction.atomic():
            return _set_due(keys)
    except IntegrityError:
        # Another process let one of a key go at the same time. That one goes first; this is about the others.
        if len(keys) == 1:
            return set()
    return set().union(*(_let_go([key]) for key in keys))


def _set_due(keys: Sequence[Key]) -> set[int]:
    """Let the first that waits of each key be due now, where none is in flight; return their connectors."""
    places = ", ".join(["(%s, %s)"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH k(action_id, ordering_key) AS (VALUES {places}) "  # noqa: S608  constant names
            f"UPDATE {_TABLE} SET due_at = {now_plus()} WHERE id IN ("
            f"SELECT (SELECT n.id FROM {_TABLE} n WHERE n.action_id = k.action_id "
            f"AND n.ordering_key = k.ordering_key AND {_WAITING.format('n')} ORDER BY n.id LIMIT 1) "
            f"FROM k WHERE {_NONE_IN_FLIGHT}) AND {_WAITING.format(_TABLE)} RETURNING connector_id",
            [*(part for key in keys for part in key), 0],
        )
        return {row[0] for row in cursor.fetchall() if row[0] is not None}
