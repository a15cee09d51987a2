"""The demo: a space whose rules deliver to a page of this installation. Loaded once, on the first run."""

from typing import Any

from django.conf import settings

from actions.services import create_action
from connectors.models import Connector
from connectors.services import create_connector, update_connector
from connectors_project.addresses import receiver_url
from rules.services import create_rule
from spaces.models import Space
from spaces.services import create_space

DEMO_SPACE = "demo"
_RECEIVER = "receiver"


def load_demo() -> Space:
    """Create the space with its connector, action and rules; return the space."""
    space = create_space(
        DEMO_SPACE, "Demo", "Events that a generator makes up, delivered to a page of this installation."
    )
    connector = create_connector(
        space, type="http", public_id=_RECEIVER, name="Built-in receiver", config=_config(), secrets={}
    )
    report = create_action(
        space,
        connector=connector,
        public_id="report",
        name="Report to the receiver",
        params={"body": {"event": "{{ event.type }}", "from": "{{ event.source }}", "data": "{{ event.data }}"}},
    )
    for public_id, name, event_type, condition in (
        ("overheating", "A sensor is above 30 °C", "sensor.reading", "event.data.temperature > 30.0"),
        ("failed-login", "A login failed", "user.login", "!event.data.success"),
        ("large-order", "An order is worth more than 1000", "order.placed", "event.data.total > 1000.0"),
    ):
        create_rule(
            space,
            public_id=public_id,
            name=name,
            params={"event_types": [event_type]},
            condition=condition,
            tags=["demo"],
            actions=[report],
        )
    return space


def point_demo_to_receiver() -> None:
    """Give the demo's connector the receiver's URL, which moves with HOST and PORT; no demo, nothing to do.

    Raise InvalidInput when what a person made of the connector forbids it.
    """
    connector = Connector.objects.filter(space__slug=DEMO_SPACE, public_id=_RECEIVER, type="http").first()
    if connector and connector.config["url"] != receiver_url():
        update_connector(connector, config={**connector.config, **_config()})


def _config() -> dict[str, Any]:
    return {"url": receiver_url(), "timeout": min(5, settings.NETWORK_TIMEOUT)}
