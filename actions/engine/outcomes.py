"""Records what became of deliveries: their new state and one event-log entry each, in one transaction."""

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from actions import bulk
from actions.engine import log
from actions.engine.clock import now_plus
from actions.engine.endings import after_failures
from actions.engine.leases import Leased
from actions.engine.schedule import next_try
from actions.engine.tally import Kind, tally
from actions.models import Action, Delivery
from actions.signals import answered
from connectors.outcomes import Outcome, Reason

State = Delivery.State

_TABLE = Delivery._meta.db_table
_COUNTED: Final[Mapping[State, Kind]] = {State.DELIVERED: "delivered", State.DEAD: "failed"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery, what became of this try, and the connector (public id) it went through."""

    delivery: Leased
    outcome: Outcome
    connector_id: str


@dataclass(frozen=True, slots=True)
class _Transition:
    """The row's next state; ``delay`` is in seconds, for a delivery that is tried again."""

    state: State
    delay: float = 0.0


def record(finished: Sequence[Finished]) -> int:
    """Write the outcomes; return how many were refused because the lease was no longer held.

    A refused outcome changes no delivery, but stands in the event log with the reason ``lost_lease``: the message
    may have been sent twice.
    """
    with transaction.atomic():
        held = _update(finished)
        log.append([_log_row(item, held=item.delivery.id in held) for item in finished])
        after_failures(
            [key for item in finished if not item.outcome.reason.is_ok and (key := item.delivery.id) in held]
        )
        if answers := {
            key: item.outcome.answer
            for item in finished
            if item.outcome.answer is not None and (key := item.delivery.id) in held
        }:
            answered.send(Delivery, answers=answers)
    return len(finished) - len(held)


def _next(delivery: Leased, outcome: Outcome, max_attempts: int) -> _Transition:
    if outcome.reason.is_ok:
        return _Transition(State.DELIVERED)
    tries = delivery.attempts + 1 - delivery.replayed_from
    chance = random.random()  # noqa: S311  spreads load, guards nothing
    delay = next_try(tries, max_attempts, outcome, chance, delivery.policy.retry)
    return _Transition(State.DEAD) if delay is None else _Transition(State.PENDING, delay)


def _update(finished: Sequence[Finished]) -> set[int]:
    """Move the rows whose lease is still held; return their keys."""
    limits = _present_limits(finished)
    rows = [
        (
            item.delivery,
            item.outcome,
            _next(item.delivery, item.outcome, limits.get(_action_of(item), item.delivery.max_attempts)),
        )
        for item in finished
    ]
    held = _update_postgresql(rows) if connection.vendor == "postgresql" else _update_sqlite(rows)
    tally.count(
        (delivery.space_id, delivery.rule_id, kind)
        for delivery, _, transition in rows
        if (kind := _COUNTED.get(transition.state)) is not None and delivery.id in held
    )
    return held


def _present_limits(finished: Sequence[Finished]) -> dict[tuple[int, str], int]:
    """Return how many tries the actions of those that failed give now, which may be others than at the lease."""
    failed = {_action_of(item) for item in finished if not item.outcome.reason.is_ok}
    if not failed:
        return {}
    spaces, public_ids = zip(*failed, strict=True)
    found = Action.objects.filter(space__in=set(spaces), public_id__in=set(public_ids))
    limits = found.order_by().values_list("space_id", "public_id", "max_attempts")
    return {(space_id, public_id): limit for space_id, public_id, limit in limits}


def _action_of(finished: Finished) -> tuple[int, str]:
    return finished.delivery.space_id, finished.delivery.action_id


Row = tuple[Leased, Outcome, _Transition]


def _update_postgresql(rows: Sequence[Row]) -> set[int]:
    """Move rows set by set: the delivered ones, by far the most, need no more than their keys."""
    delivered: dict[uuid.UUID, list[int]] = {}
    others = []
    for row in rows:
        delivery, _, transition = row
        if transition.state is State.DELIVERED:
            delivered.setdefault(delivery.token, []).append(delivery.id)
        else:
            others.append(row)
    held: set[int] = set()
    with connection.cursor() as cursor:
        for token, ids in delivered.items():
            cursor.execute(
                f"UPDATE {_TABLE} SET state = 'delivered', attempts = attempts + 1, lease_token = NULL, "  # noqa: S608  constant names
                "lease_until = NULL, last_reason = 'ok', last_detail = '', finished_at = now() "
                "WHERE id = ANY(%s) AND lease_token = %s RETURNING id",
                [ids, token],
            )
            held.update(row[0] for row in cursor.fetchall())
    return held | _update_each(others) if others else held


def _update_each(rows: Sequence[Row]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_TABLE} AS d SET state = v.state, attempts = d.attempts + 1, lease_token = NULL, "  # noqa: S608  constant names
            "lease_until = NULL, last_reason = v.reason, last_detail = v.detail, "
            "due_at = CASE WHEN v.state = 'pending' THEN now() + v.delay * interval '1 second' ELSE d.due_at END, "
            "finished_at = CASE WHEN v.state = 'pending' THEN NULL ELSE now() END "
            "FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::float8[], %s::text[], %s::text[]) "
            "AS v(id, token, state, delay, reason, detail) "
            "WHERE d.id = v.id AND d.lease_token = v.token RETURNING d.id",
            [
                [delivery.id for delivery, _, _ in rows],
                [delivery.token for delivery, _, _ in rows],
                [transition.state.value for _, _, transition in rows],
                [transition.delay for _, _, transition in rows],
                [outcome.reason.value for _, outcome, _ in rows],
                ["" if outcome.reason.is_ok else outcome.detail for _, outcome, _ in rows],
            ],
        )
        return {row[0] for row in cursor.fetchall()}


def _update_sqlite(rows: Sequence[Row]) -> set[int]:
    # The write lock of BEGIN IMMEDIATE holds from here to the commit, so what is read stays true.
    tokens = dict(Delivery.objects.filter(pk__in=[row[0].id for row in rows]).values_list("id", "lease_token"))
    held: set[int] = {row[0].id for row in rows if tokens.get(row[0].id) == row[0].token}
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {_TABLE} SET state = %s, attempts = attempts + 1, lease_token = NULL, lease_until = NULL, "  # noqa: S608  constant names
            f"last_reason = %s, last_detail = %s, due_at = CASE WHEN %s THEN {now_plus()} ELSE due_at END, "
            f"finished_at = CASE WHEN %s THEN NULL ELSE {now_plus()} END WHERE id = %s",
            [
                (
                    transition.state.value,
                    outcome.reason.value,
                    "" if outcome.reason.is_ok else outcome.detail,
                    transition.state is State.PENDING,
                    transition.delay,
                    transition.state is State.PENDING,
                    0,
                    delivery.id,
                )
                for delivery, outcome, transition in rows
                if delivery.id in held
            ],
        )
    return held


def _log_row(finished: Finished, *, held: bool) -> bulk.Row:
    delivery, outcome = finished.delivery, finished.outcome
    message = outcome.detail
    if not held:
        message = f"The lease had ended before this outcome ({outcome.reason}: {outcome.detail}) came back."
    return log.row(
        space_id=delivery.space_id,
        action="execute",
        outcome=("success" if outcome.reason.is_ok else "failure") if held else "unknown",
        reason=outcome.reason if held else Reason.LOST_LEASE,
        duration=outcome.duration,
        message=message,
        event_id=delivery.event_id,
        rule_id=delivery.rule_id,
        action_id=delivery.action_id,
        connector_id=finished.connector_id,
        delivery_id=delivery.id,
        attempt=delivery.attempts + 1 if held else None,
        request=outcome.request,
        response=outcome.response,
    )
