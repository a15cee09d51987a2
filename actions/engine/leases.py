"""Leases: who may work on which delivery, and until when.

A lease is a row's ``lease_token`` and ``lease_until``; no transaction is open while a message is under way. Only the
holder of the token can record an outcome, so a worker that comes back late changes nothing.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from actions.engine import log
from actions.engine.clock import now_plus
from actions.engine.endings import after_failures, end_cancelled
from actions.engine.ordering import Key
from actions.engine.tally import tally
from actions.models import Action, Delivery
from actions.policy import COLUMNS, STANDARD, Policy, policy_of
from connectors.models import Connector
from connectors.outcomes import Reason

# Tries that took their worker down with them; after these the delivery is taken for the cause.
MAX_LOST_LEASES: Final = 5
# How many deliveries are claimed together, by the leases they lost: one of them may have killed its worker, and in
# ever smaller company the innocent get through before the limit above.
_TOGETHER: Final = {1: 100, 2: 10, 3: 1, 4: 1}
_RECLAIM_AT_ONCE: Final = 2000

_TABLE = Delivery._meta.db_table
_LEASED: Final = (
    f"{_TABLE}.id, webhook_id, space_id, event_id, rule_id, action_id, message, attempts, expires_at, replayed_from, "
    "hop, ordering_key"
)
_RECLAIMED: Final = (
    "id",
    "space_id",
    "event_id",
    "rule_id",
    "action_id",
    "connector_id",
    "attempts",
    "lost_leases",
)
_GONE: Final = ("", 1, STANDARD)  # what stands for a deleted action
_NO_LEASE: Final[dict[str, Any]] = {"lease_token": None, "lease_until": None}
_LOST: Final = "The worker vanished during this try; whether the message arrived is not known."
_POISON: Final = f"{MAX_LOST_LEASES} workers vanished while they ran this delivery; it is taken for the cause."


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery under this process's lease, with all that sending and recording it needs.

    ``action_id`` is the public id, empty when the action was deleted. Of the ``attempts``, those up to
    ``replayed_from`` were made before it was sent again by hand.
    """

    id: int
    webhook_id: uuid.UUID
    space_id: int
    event_id: int
    rule_id: str
    action_id: str
    max_attempts: int
    message: dict[str, Any]
    attempts: int
    expires_at: datetime | None
    token: uuid.UUID
    replayed_from: int = 0
    hop: int = 0
    policy: Policy = STANDARD
    ordering: Key | None = None


def claim(connector_id: int, limit: int, *, suspects_first: bool = False) -> list[Leased]:
    """Lease due deliveries of the connector, at most ``limit``, longest due first.

    Those that lost a lease are claimed apart from the rest: when nothing else is due, or with ``suspects_first``.
    """
    kinds = [(0, limit), *((lost, min(together, limit)) for lost, together in _TOGETHER.items())]
    if suspects_first:
        kinds.append(kinds.pop(0))
    for lost_leases, together in kinds:
        if claimed := _claim(connector_id, together, lost_leases):
            return claimed
    return []


def _claim(connector_id: int, limit: int, lost_leases: int) -> list[Leased]:
    token = uuid.uuid4()
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with connection.cursor() as cursor:
        cursor.execute(
            # The CTE is materialised because UPDATE ... WHERE id IN (SELECT ... LIMIT) may lock more than the limit.
            f"WITH due AS MATERIALIZED (SELECT id FROM {_TABLE} WHERE connector_id = %s AND state = 'pending' "  # noqa: S608  constant names
            f"AND due_at <= {now_plus()} AND lost_leases = %s ORDER BY due_at, id LIMIT %s {lock}) "
            f"UPDATE {_TABLE} SET state = 'leased', lease_token = %s, lease_until = {now_plus()} "
            f"WHERE id IN (SELECT id FROM due) RETURNING {_LEASED}",
            [
                connector_id,
                0,
                lost_leases,
                limit,
                _stored(token),
                settings.LEASE_SECONDS,
            ],
        )
        rows = cursor.fetchall()
    if not rows:
        return []
    policies = {
        key: (public_id, max_attempts, policy_of(key, *policy))
        for key, public_id, max_attempts, *policy in Action.objects.filter(pk__in={row[5] for row in rows}).values_list(
            "id", "public_id", "max_attempts", *COLUMNS
        )
    }
    # RETURNING keeps no order.
    return [_leased(row, policies.get(row[5], _GONE), token) for row in sorted(rows)]


def next_due(connector_id: int, within: float) -> float | None:
    """Return the seconds until the connector's next delivery is due, 0 or less: now; None if not within so many."""
    if connection.vendor == "postgresql":
        wait = "extract(epoch FROM due_at - now())::float8"
    else:
        wait = "(julianday(due_at) - julianday('now')) * 86400.0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {wait} FROM {_TABLE} WHERE connector_id = %s AND state = 'pending' "  # noqa: S608  constant names
            f"AND due_at <= {now_plus()} ORDER BY due_at LIMIT 1",
            [connector_id, within],
        )
        row = cursor.fetchone()
    return None if row is None else float(row[0])


def _leased(row: tuple[Any, ...], policy: tuple[str, int, Policy], token: uuid.UUID) -> Leased:
    (
        key,
        webhook_id,
        space_id,
        event_id,
        rule_id,
        action,
        message,
        attempts,
        expires_at,
        replayed_from,
        hop,
        ordering_key,
    ) = row
    return Leased(
        id=key,
        webhook_id=webhook_id if isinstance(webhook_id, uuid.UUID) else uuid.UUID(webhook_id),
        space_id=space_id,
        event_id=event_id,
        rule_id=rule_id,
        action_id=policy[0],
        max_attempts=policy[1],
        message=orjson.loads(message),
        attempts=attempts,
        expires_at=_aware(expires_at),
        token=token,
        replayed_from=replayed_from,
        hop=hop,
        policy=policy[2],
        ordering=(action, ordering_key) if ordering_key else None,
    )


def _aware(time: datetime | str | None) -> datetime | None:
    """Return a time as the database gave it, in UTC; SQLite gives text."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return moment.replace(tzinfo=UTC) if moment is not None else None


def release(leased: Iterable[Leased]) -> None:
    """Give back deliveries that were not started: due as before, with no attempt counted."""
    by_token: dict[uuid.UUID, list[int]] = {}
    for delivery in leased:
        by_token.setdefault(delivery.token, []).append(delivery.id)
    for token, ids in by_token.items():
        with transaction.atomic():
            Delivery.objects.filter(pk__in=ids, lease_token=token).update(state=Delivery.State.PENDING, **_NO_LEASE)
            end_cancelled(ids)


def postpone(leased: Iterable[tuple[Leased, float]]) -> None:
    """Give back deliveries that were not started, due in so many seconds, with no attempt counted."""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {_TABLE} SET state = 'pending', lease_token = NULL, lease_until = NULL, "  # noqa: S608  constant names
            f"due_at = {now_plus()} WHERE id = %s AND lease_token = %s",
            [(wait, delivery.id, _stored(delivery.token)) for delivery, wait in leased],
        )


def _stored(token: uuid.UUID) -> uuid.UUID | str:
    return token if connection.vendor == "postgresql" else token.hex


def reclaim_expired() -> int:
    """End the leases of workers that vanished; return how many.

    The outcome of such a try is unknown: it counts as an attempt, stands so in the event log, and the delivery is due
    again, or dead as poison when this is the fifth worker that vanished under it.
    """
    reclaimed = 0
    while ended := _reclaim_some():
        reclaimed += ended
    return reclaimed


def _reclaim_some() -> int:
    with transaction.atomic():
        expired = list(
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(state=Delivery.State.LEASED, lease_until__lt=Now())
            .order_by("lease_until")
            .values_list(*_RECLAIMED)[:_RECLAIM_AT_ONCE]
        )
        if not expired:
            return 0
        lost = {"attempts": F("attempts") + 1, "lost_leases": F("lost_leases") + 1, **_NO_LEASE}
        poison = [row[0] for row in expired if row[-1] + 1 >= MAX_LOST_LEASES]
        Delivery.objects.filter(pk__in=[row[0] for row in expired]).exclude(pk__in=poison).update(
            state=Delivery.State.PENDING, last_reason=Reason.LOST_LEASE, last_detail=_LOST, **lost
        )
        Delivery.objects.filter(pk__in=poison).update(
            state=Delivery.State.DEAD, last_reason=Reason.POISON, last_detail=_POISON, finished_at=Now(), **lost
        )
        dead = set(poison)
        actions = dict(Action.objects.filter(pk__in={row[4] for row in expired}).values_list("id", "public_id"))
        connectors = dict(Connector.objects.filter(pk__in={row[5] for row in expired}).values_list("id", "public_id"))
        log.append(
            log.row(
                space_id=space_id,
                action="execute",
                outcome="unknown",
                reason=Reason.POISON if key in dead else Reason.LOST_LEASE,
                message=_POISON if key in dead else _LOST,
                event_id=event_id,
                rule_id=rule_id,
                action_id=actions.get(action_id, ""),
                connector_id=connectors.get(connector_id, ""),
                delivery_id=key,
                attempt=attempts + 1,
            )
            for key, space_id, event_id, rule_id, action_id, connector_id, attempts, _ in expired
        )
        tally.count((row[1], row[3], "failed") for row in expired if row[0] in dead)
        after_failures([row[0] for row in expired])
    return len(expired)
