"""Use cases of deliveries: make them, and find those that are due."""

import os
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from django.conf import settings
from django.db import connection, transaction

from actions import bulk
from actions.engine import leases, log, ordering
from actions.engine.clock import database_time, now_plus
from actions.engine.expiry import end_expired
from actions.engine.fallbacks import make_fallbacks
from actions.engine.lane import Batch
from actions.engine.lanes import lanes
from actions.engine.leases import Leased
from actions.models import Action, Delivery
from actions.policy import COLUMNS, STANDARD, Policy, policy_of
from actions.suppression import sentence_of
from actions.wakeups import DELIVER, wake
from connectors.models import Connector
from connectors.outcomes import Reason

State = Delivery.State

_COLUMNS: Final = (
    "id",
    "webhook_id",
    "space_id",
    "event_id",
    "rule_id",
    "action_id",
    "connector_id",
    "message",
    "state",
    "lease_token",
    "lease_until",
    "expires_at",
)
_CAUSED_COLUMNS: Final = (*_COLUMNS, "hop")
_ORDERED_COLUMNS: Final = (*_CAUSED_COLUMNS, "ordering_key", "due_at")
_DEAD_COLUMNS: Final = (*_CAUSED_COLUMNS, "finished_at", "last_reason", "last_detail")
_SUPPRESSED_COLUMNS: Final = (*_DEAD_COLUMNS, "ordering_key")


@dataclass(frozen=True, slots=True)
class Target:
    """An action as the evaluation uses it: keys, names and policy. Its connector may have been deleted."""

    id: int
    public_id: str
    connector_id: int | None
    connector_public_id: str
    connector_enabled: bool
    max_attempts: int
    expires_after: int | None
    policy: Policy = STANDARD


def target_of(action: Action) -> Target:
    """Return the target that an action is; its connector has been read with it."""
    connector = action.connector
    return Target(
        id=action.pk,
        public_id=action.public_id,
        connector_id=connector.pk if connector else None,
        connector_public_id=connector.public_id if connector else action.lost_connector_id,
        connector_enabled=connector is not None and connector.enabled,
        max_attempts=action.max_attempts,
        expires_after=action.expires_after,
        policy=policy_of(action.pk, *(getattr(action, column) for column in COLUMNS)),
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery to be made: the rendered message, or why there is none. ``hop`` is that of the event.

    One with a cause in ``suppressed``, of those of Suppression, is recorded and not sent; ``suppressed_by`` is a
    sentence that says more than the cause, where there is more to say.
    """

    space_id: int
    event_id: int
    rule_id: str
    target: Target
    message: dict[str, Any]
    failure: tuple[Reason, str] | None = None
    hop: int = 0
    ordering_key: str = ""
    suppressed: str = ""
    suppressed_by: str = ""


def make_deliveries(planned: Sequence[Planned]) -> None:
    """Insert deliveries in the caller's transaction; once it commits, they are on their way.

    Those of a connector whose lane has room are leased to this process from the start, which spares a claim; those
    with an ordering key never are: another may be in flight. A message that could not be rendered makes a dead delivery
    and an entry in the event log, and one that is suppressed a delivery that has ended, and an entry.
    """
    if silent := [plan for plan in planned if plan.suppressed]:
        _suppress(silent)
        planned = [plan for plan in planned if not plan.suppressed]
    if not planned:
        return
    at_once = {connector_id for connector_id in _usable_connectors(planned) if lanes.has_room(connector_id)}
    leased_at = time.monotonic()
    now = database_time()
    ids = bulk.reserve_ids(Delivery, len(planned))
    webhook_ids = _random_ids(len(planned))
    token = uuid.uuid4()
    lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
    handed_over: dict[int, list[Leased]] = {}
    rows: list[bulk.Row] = []
    caused: list[bulk.Row] = []
    ordered: list[bulk.Row] = []
    dead: list[bulk.Row] = []
    entries: list[bulk.Row] = []
    for key, webhook_id, plan in zip(ids, webhook_ids, planned, strict=True):
        target = plan.target
        expires_at = now + timedelta(seconds=target.expires_after) if target.expires_after else None
        if plan.failure is not None:
            reason, detail = plan.failure
            row = _row(key, webhook_id, plan, State.DEAD, None, None, expires_at)
            dead.append((*row, plan.hop, now, reason.value, detail))
            entries.append(_entry(key, plan, "execute", "failure", reason, detail))
            continue
        if plan.ordering_key:
            row = _row(key, webhook_id, plan, State.PENDING, None, None, expires_at)
            ordered.append((*row, plan.hop, plan.ordering_key, None))
            continue
        if target.connector_id is not None and target.connector_id in at_once:
            leased = Leased(
                id=key,
                webhook_id=webhook_id,
                space_id=plan.space_id,
                event_id=plan.event_id,
                rule_id=plan.rule_id,
                action_id=target.public_id,
                max_attempts=target.max_attempts,
                message=plan.message,
                attempts=0,
                expires_at=expires_at,
                token=token,
                hop=plan.hop,
                policy=target.policy,
            )
            handed_over.setdefault(target.connector_id, []).append(leased)
            row = _row(key, webhook_id, plan, State.LEASED, token, lease_until, expires_at)
        else:
            row = _row(key, webhook_id, plan, State.PENDING, None, None, expires_at)
        if plan.hop:
            caused.append((*row, plan.hop))
        else:
            rows.append(row)
    if rows:
        bulk.insert_rows(Delivery, _COLUMNS, rows)
    if caused:
        bulk.insert_rows(Delivery, _CAUSED_COLUMNS, caused)
    if ordered:
        bulk.insert_rows(Delivery, _ORDERED_COLUMNS, ordered)
        transaction.on_commit(lambda: _start_ordered(planned))
    if dead:
        bulk.insert_rows(Delivery, _DEAD_COLUMNS, dead)
        log.append(entries)
        make_fallbacks([row[0] for row in dead])
    transaction.on_commit(lambda: _start(planned, at_once, handed_over, leased_at))


def _suppress(planned: Sequence[Planned]) -> None:
    now = database_time()
    rows: list[bulk.Row] = []
    entries: list[bulk.Row] = []
    for key, webhook_id, plan in zip(
        bulk.reserve_ids(Delivery, len(planned)), _random_ids(len(planned)), planned, strict=True
    ):
        detail = plan.suppressed_by or sentence_of(plan.suppressed)
        row = _row(key, webhook_id, plan, State.SUPPRESSED, None, None, None)
        rows.append((*row, plan.hop, now, plan.suppressed, detail, plan.ordering_key))
        entries.append(_entry(key, plan, "suppress", "success", plan.suppressed, detail))
    bulk.insert_rows(Delivery, _SUPPRESSED_COLUMNS, rows)
    log.append(entries)


def sweep_deliveries() -> None:
    """End the leases of vanished workers and what has expired; wake workers for the connectors with deliveries due."""
    leases.reclaim_expired()
    end_expired()
    ordering.let_stalled_go()
    for connector_id in _due_connectors():
        wake(DELIVER, connector_id)


def _start(
    planned: Iterable[Planned], at_once: set[int], handed_over: dict[int, list[Leased]], leased_at: float
) -> None:
    for connector_id, deliveries in handed_over.items():
        lanes.hand_over(connector_id, Batch(deliveries, leased_at))
    for connector_id in _usable_connectors(planned) - at_once:
        lanes.wake_unless_held(connector_id)


def _start_ordered(planned: Iterable[Planned]) -> None:
    keys = {(plan.target.id, plan.ordering_key) for plan in planned if plan.ordering_key and plan.failure is None}
    for connector_id in ordering.let_go(keys) & _usable_connectors(planned):
        lanes.wake_unless_held(connector_id)


def _usable_connectors(planned: Iterable[Planned]) -> set[int]:
    return {
        plan.target.connector_id
        for plan in planned
        if plan.target.connector_id is not None and plan.target.connector_enabled
    }


def _due_connectors() -> list[int]:
    """Return the connectors with due deliveries, those that were deleted meanwhile among them.

    Not the disabled ones, nor those whose circuit holds deliveries and is not to be tried yet.
    """
    table, waiting = Delivery._meta.db_table, "state = 'pending' AND connector_id"
    with connection.cursor() as cursor:
        cursor.execute(
            # Steps from one connector to the next through the partial index, however many deliveries each has.
            f"WITH RECURSIVE c(id) AS (SELECT min(connector_id) FROM {table} WHERE {waiting} IS NOT NULL "  # noqa: S608  constant names
            f"UNION ALL SELECT (SELECT min(connector_id) FROM {table} WHERE {waiting} > c.id) FROM c "
            f"WHERE c.id IS NOT NULL) "
            f"SELECT c.id FROM c WHERE EXISTS (SELECT 1 FROM {table} d WHERE d.connector_id = c.id "
            f"AND d.state = 'pending' AND d.due_at <= {now_plus()}) "
            f"AND NOT EXISTS (SELECT 1 FROM {Connector._meta.db_table} k WHERE k.id = c.id AND (NOT k.enabled "
            f"OR k.circuit_state IN ('open', 'half_open') AND k.next_trial_at > {now_plus()}))",
            [0, 0],
        )
        return [row[0] for row in cursor.fetchall()]


def _random_ids(count: int) -> list[uuid.UUID]:
    noise = os.urandom(16 * count)
    return [uuid.UUID(bytes=noise[start : start + 16], version=4) for start in range(0, 16 * count, 16)]


def _row(
    key: int,
    webhook_id: uuid.UUID,
    plan: Planned,
    state: Delivery.State,
    token: uuid.UUID | None,
    lease_until: datetime | None,
    expires_at: datetime | None,
) -> tuple[Any, ...]:
    return (
        key,
        webhook_id,
        plan.space_id,
        plan.event_id,
        plan.rule_id,
        plan.target.id,
        plan.target.connector_id,
        orjson.dumps(plan.message).decode(),
        state.value,
        token,
        lease_until,
        expires_at,
    )


def _entry(key: int, plan: Planned, action: str, outcome: str, reason: str, message: str) -> bulk.Row:
    return log.row(
        space_id=plan.space_id,
        action=action,
        outcome=outcome,
        reason=reason,
        message=message,
        event_id=plan.event_id,
        rule_id=plan.rule_id,
        action_id=plan.target.public_id,
        connector_id=plan.target.connector_public_id,
        delivery_id=key,
    )
