"""Dead deliveries that never ran, for tests that need many."""

from typing import Any

from actions.models import Action, Delivery, EventLogEntry
from spaces.models import Space
from tests.api.client import make_delivery, make_event
from tests.factories import make_action, make_connector
from tests.rules.dead_letters.pipeline import State, send_now

MESSAGE = {"path": "", "method": "POST", "query": {}, "headers": {}, "body": {"n": 1}}


def dead_letters(space: Space, count: int, action: Action | None = None, **values: Any) -> list[Delivery]:
    """Make dead deliveries without attempts; the oldest first."""
    action = action or make_action(make_connector(space))
    given = {"state": State.DEAD, "last_reason": "expired", "finished_at": "2026-01-01T00:00:00Z", "message": MESSAGE}
    rows = [make_delivery(action, event_id=make_event(space).pk, **given | values) for _ in range(count)]
    for row in rows:
        if row.state == State.DEAD:
            about = {"delivery_id": row.pk, "event_id": row.event_id, "reason": row.last_reason}
            EventLogEntry.objects.create(space=space, action="execute", outcome="failure", **about)
    return rows


def sent(count: int) -> bool:
    """Have a worker take up what is due; whether so many are delivered."""
    send_now()
    return Delivery.objects.filter(state=State.DELIVERED).count() == count
