"""The pipeline run by hand inside a test: events, rounds, and waiting until what is under way has ended."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from actions.engine.lanes import lanes
from actions.models import Action, Delivery
from connectors.models import Connector
from rules.evaluation.rounds import evaluate_round
from rules.incoming import IncomingEvent, Origin
from rules.models import Event
from rules.services.accept import accept_events
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule
from tests.receiver import Receiver
from tests.servers import wait_until

State = Delivery.State


def incoming(
    event_id: str = "", type_: str = "test.ping", origin: Origin | None = None, data: Any = None
) -> IncomingEvent:
    return IncomingEvent(
        source="/tests",
        event_id=event_id or uuid.uuid4().hex,
        type=type_,
        subject="",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datacontenttype="application/json",
        dataschema="",
        extensions="{}",
        data=json.dumps(data or {}),
        is_binary=False,
        digest=uuid.uuid4().bytes,
        origin=origin,
    )


def wire(space: Space, to: Receiver, *event_types: str, **policy: Any) -> tuple[Connector, Action]:
    """Have events of these types sent to the receiver."""
    connector = make_connector(space, url=to.url)
    action = make_action(connector, **policy)
    make_rule(space, params={"event_types": list(event_types)}, actions=[action])
    return connector, action


def send(space: Space, *events: IncomingEvent) -> list[int]:
    """Accept the events, and evaluate and deliver all there is; return their keys."""
    keys = [acceptance.id for acceptance in accept_events(space.pk, events)]
    run()
    return keys


def run() -> None:
    """Evaluate what waits, and wait until no delivery is under way."""
    while evaluate_round():
        pass
    due = Delivery.objects.filter(state=State.LEASED) | Delivery.objects.filter(state=State.PENDING, attempts=0)
    wait_until(lambda: not due.filter(connector__enabled=True).exists(), "each delivery had its first try", 20)


def stop() -> None:
    lanes.stop()


def own_events(space: Space, type_: str) -> list[Event]:
    """Return the installation's own events of this type, oldest first."""
    return list(Event.objects.filter(space=space, type=f"switchyard.{type_}").order_by("id"))


def data_of(event: Event) -> dict[str, Any]:
    assert isinstance(event.data, dict)
    return event.data
