"""The system's own troubles as events, so that rules can act on them: types that begin with ``switchyard.``."""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from actions.services.connectors import spaces_served
from connectors.models import StatusChange
from rules.incoming import IncomingEvent
from rules.services.accept import accept_events

SOURCE: Final = "/switchyard"


def announce_status_change(change: StatusChange) -> None:
    """Accept ``switchyard.connector.<status>`` in each space that the connector serves, in the caller's transaction."""
    connector = change.connector
    event = own_event(
        f"switchyard.connector.{change.status}",
        subject=f"connectors/{connector.public_id}",
        time=change.time,
        data={
            "connector": {"id": connector.public_id, "name": connector.name, "connector_type_id": connector.type},
            "status": change.status,
            "former_status": change.former,
            "reason": change.reason,
            "detail": change.detail,
        },
    )
    for space_id in spaces_served(connector):
        accept_events(space_id, [event])


def own_event(event_type: str, *, subject: str, time: datetime, data: Mapping[str, Any]) -> IncomingEvent:
    """Return an event of the system's own; its id is random."""
    event_id = str(uuid.uuid4())
    return IncomingEvent(
        source=SOURCE,
        event_id=event_id,
        type=event_type,
        subject=subject,
        time=time,
        datacontenttype="application/json",
        dataschema="",
        extensions="{}",
        data=orjson.dumps(data).decode(),
        is_binary=False,
        digest=hashlib.blake2b(event_id.encode(), digest_size=16).digest(),
    )
