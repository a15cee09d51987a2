"""Rows for the event log, in the order of COLUMNS."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from actions import bulk
from actions.models import EventLogEntry
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


def append(rows: Iterable[bulk.Row]) -> None:
    """Append rows to the event log, in the caller's transaction."""
    bulk.insert_rows(EventLogEntry, COLUMNS, rows)
