"""Fallbacks: where a delivery dies, another action takes over, in the transaction of the death.

No chain of fallbacks is longer than MOST, and none comes back to itself: actions.services.actions refuses it, and here
each delivery knows how many actions died before its own.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import orjson
from django.db import transaction

from actions import bulk, occasions
from actions.engine import log
from actions.engine.clock import database_time
from actions.engine.rendering import Fault, compiled_params, failure_of, key_of, render
from actions.engine.tally import tally
from actions.models import Action, Delivery
from actions.occasions import Key, Occasion
from actions.services.fallbacks import LONGEST_CHAIN
from actions.templating import CompiledParams
from actions.wakeups import DELIVER, wake
from connectors.outcomes import Reason

MOST: Final = LONGEST_CHAIN
# Who cancels wants no more of it; and what goes round in a loop is not to go on elsewhere.
WITHOUT: Final = (Reason.CANCELLED, Reason.LOOP)

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
    "expires_at",
    "finished_at",
    "last_reason",
    "last_detail",
    "former_id",
    "former_attempts",
    "fallbacks",
    "hop",
)


@dataclass(slots=True)
class _Plan:
    """What is written: deliveries and entries of the event log; which are dead already, and who is to be woken."""

    deliveries: list[bulk.Row] = field(default_factory=list)
    entries: list[bulk.Row] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    connectors: set[int] = field(default_factory=set)


def make_fallbacks(ids: Collection[int]) -> None:
    """Let the fallback of its action take over from each of these deliveries that is dead.

    Call it in the transaction of their death, once for each.
    """
    dying = ids
    # One that cannot be rendered is dead at once, and has a fallback itself; the count of those before it ends this.
    while dying:
        dying = _take_over(dying)


def _take_over(ids: Collection[int]) -> Collection[int]:
    """Make the fallbacks' deliveries; return the keys of those that are dead already."""
    former = list(
        Delivery.objects.filter(pk__in=ids, state=State.DEAD, action__fallback__isnull=False, fallbacks__lt=MOST)
        .exclude(last_reason__in=WITHOUT)
        .select_related("action", "connector")
        .order_by("pk")
    )
    if not former:
        return ()
    fallbacks = Action.objects.select_related("connector", "space").in_bulk({row.action.fallback_id for row in former})
    params = {key: compiled_params(action) for key, action in fallbacks.items()}
    known = occasions.source().occasions(key_of(row) for row in former)
    plan, now = _Plan(), database_time()
    for row, key in zip(former, bulk.reserve_ids(Delivery, len(former)), strict=True):
        action = fallbacks[row.action.fallback_id or 0]
        if refusal := _refusal(action, known.get(key_of(row))):
            plan.entries.append(
                _entry(row, "failure", f'The fallback "{action.public_id}" does not take over: {refusal}')
            )
            continue
        _plan(plan, key, row, action, params[action.pk], known, now)
    if plan.deliveries:
        bulk.insert_rows(Delivery, _COLUMNS, plan.deliveries)
    log.append(plan.entries)
    for connector_id in plan.connectors:
        transaction.on_commit(partial(wake, DELIVER, connector_id))
    return plan.dead


def _plan(
    plan: _Plan,
    key: int,
    row: Delivery,
    action: Action,
    params: CompiledParams | Fault,
    known: Mapping[Key, Occasion],
    now: datetime,
) -> None:
    message, fault = render(action, params, known[key_of(row)], failure_of(row))
    expires_at = now + timedelta(seconds=action.expires_after) if action.expires_after else None
    reason, detail = fault or ("", "")
    plan.deliveries.append(
        (
            key,
            uuid.uuid4(),
            row.space_id,
            row.event_id,
            row.rule_id,
            action.pk,
            action.connector_id,
            orjson.dumps(message).decode(),
            (State.DEAD if fault else State.PENDING).value,
            expires_at,
            now if fault else None,
            str(reason),
            detail,
            row.pk,
            row.attempts,
            row.fallbacks + 1,
            row.hop,
        )
    )
    plan.entries.append(_entry(row, "success", f'The fallback "{action.public_id}" takes over: delivery {key}.'))
    if fault:
        plan.dead.append(key)
        tally.count([(row.space_id, row.rule_id, "failed")])
        plan.entries.append(_death(key, row, action, *fault))
    elif action.connector is not None and action.connector.enabled:
        plan.connectors.add(action.connector.pk)


def _refusal(action: Action, occasion: Occasion | None) -> str:
    if not action.enabled:
        return "it is disabled."
    return "" if occasion is not None else "the event is not stored any more."


def _entry(row: Delivery, outcome: str, message: str) -> bulk.Row:
    return log.row(
        space_id=row.space_id,
        action="fallback",
        outcome=outcome,
        reason=row.last_reason,
        message=message,
        event_id=row.event_id,
        rule_id=row.rule_id,
        action_id=row.action.public_id,
        connector_id=failure_of(row)["connector"],
        delivery_id=row.pk,
    )


def _death(key: int, row: Delivery, action: Action, reason: Reason, detail: str) -> bulk.Row:
    return log.row(
        space_id=row.space_id,
        action="execute",
        outcome="failure",
        reason=reason,
        message=detail,
        event_id=row.event_id,
        rule_id=row.rule_id,
        action_id=action.public_id,
        connector_id=action.connector.public_id if action.connector else action.lost_connector_id,
        delivery_id=key,
    )
