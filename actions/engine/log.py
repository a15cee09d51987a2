"""Rows for the event log, in the order of COLUMNS."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from actions import bulk
from actions.models import Action, Delivery, EventLogEntry
from connectors.models import Connector
from connectors.outcomes import Reason

COLUMNS: Final = (
    "space_id",
    "provider",
    "action",
    "outcome",
    "reason",
    "duration",
    "message",
    "event_id",
    "rule_id",
    "action_id",
    "connector_id",
    "delivery_id",
    "attempt",
    "request",
    "response",
)

_NOTHING: Final[Mapping[str, Any]] = {}


def row(
    *,
    space_id: int,
    action: str,
    outcome: str,
    message: str,
    provider: str = "actions",
    reason: Reason | str = "",
    duration: float = 0.0,
    event_id: int | None = None,
    rule_id: str = "",
    action_id: str = "",
    connector_id: str = "",
    delivery_id: int | None = None,
    attempt: int | None = None,
    request: Mapping[str, Any] = _NOTHING,
    response: Mapping[str, Any] = _NOTHING,
) -> bulk.Row:
    """Return one row; ``duration`` is in seconds here and in nanoseconds in the log, as ECS has it."""
    return (
        space_id,
        provider,
        action,
        outcome,
        str(reason),
        int(duration * 1e9),
        message,
        event_id,
        rule_id,
        action_id,
        connector_id,
        delivery_id,
        attempt,
        orjson.dumps(request).decode(),
        orjson.dumps(response).decode(),
    )


def rows_of(
    deliveries: Sequence[Delivery],
    *,
    action: str,
    outcome: str,
    message: Callable[[Delivery], str],
    reason: Reason | str = "",
) -> list[bulk.Row]:
    """Return a row for each delivery; the ids of an action or a connector that was deleted are left empty."""
    actions = dict(Action.objects.filter(pk__in={each.action_id for each in deliveries}).values_list("pk", "public_id"))
    used = {each.connector_id for each in deliveries if each.connector_id is not None}
    connectors = dict(Connector.objects.filter(pk__in=used).values_list("pk", "public_id"))
    return [
        row(
            space_id=each.space_id,
            action=action,
            outcome=outcome,
            reason=reason,
            message=message(each),
            event_id=each.event_id,
            rule_id=each.rule_id,
            action_id=actions.get(each.action_id, ""),
            connector_id=connectors.get(each.connector_id or 0, ""),
            delivery_id=each.pk,
        )
        for each in deliveries
    ]


def append(rows: Iterable[bulk.Row]) -> None:
    """Append rows to the event log, in the caller's transaction."""
    bulk.insert_rows(EventLogEntry, COLUMNS, rows)
