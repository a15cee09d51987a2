"""What the tests of the console share: a signed-in client, and rows as the pipeline writes them."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

import connectors.types
from actions.models import Action, Delivery, EventLogEntry
from connectors.models import Connector
from connectors.types.registry import all_types
from rules.models import Event
from spaces.models import Space
from spaces.services import add_member
from tests.factories import space_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"{{7*7}}"


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create(username="admin", is_staff=True, is_superuser=True)


@pytest.fixture
def console(admin: User, client: Client) -> Client:
    """A browser with the admin signed in."""
    client.force_login(admin)
    return client


def make_member(space: Space, role: str, name: str = "staff") -> User:
    """Somebody who may sign in to the console, with this role in the space."""
    user = User.objects.create(username=name, is_staff=True)
    add_member(space, user, role)
    return user


@pytest.fixture
def space(db: None) -> Space:
    return Space.objects.get_or_create(slug="default", defaults={"name": "Default"})[0]


@pytest.fixture
def other_space(db: None) -> Space:
    return Space.objects.create(slug="other", name="Other")


@pytest.fixture
def sample_type() -> Iterator[str]:
    """The id of a connector type that is installed by its folder alone."""
    folder = str(Path(__file__).parent / "connector_types")
    connectors.types.__path__.append(folder)
    all_types.cache_clear()
    yield "sample"
    connectors.types.__path__.remove(folder)
    sys.modules.pop("connectors.types.sample", None)
    all_types.cache_clear()


def make_event(space: Space, number: int = 1, **fields: Any) -> Event:
    given = {"type": "order.paid", "source": "/shop", "event_id": f"e{number}", "data": {"amount": number}, **fields}
    digest = hashlib.sha256(str(number).encode()).digest()[:16]
    return Event.objects.create(space=space, time=timezone.now(), digest=digest, **given)


def make_connector(space: Space, number: int = 1, **fields: Any) -> Connector:
    """A connector as the tables hold it, whether or not its type is installed."""
    given = {"public_id": f"con-{number}", "name": f"Connector {number}", "type": "http", **fields}
    return Connector.objects.create(space=space, **given)


def make_action(connector: Connector, number: int = 1, **fields: Any) -> Action:
    given = {"public_id": f"act-{number}", "name": f"Action {number}", **fields}
    return Action.objects.create(space=space_of(connector), connector=connector, **given)


def make_delivery(event: Event, action: Action, **fields: Any) -> Delivery:
    given = {"rule_id": "rule-1", "message": {"body": "text"}, **fields}
    return Delivery.objects.create(
        space=event.space, event_id=event.pk, action=action, connector_id=action.connector_id, **given
    )


def make_entry(delivery: Delivery, **fields: Any) -> EventLogEntry:
    given = {
        "action": "execute",
        "outcome": "failure",
        "reason": "retry_http_5xx",
        "message": "The answer was 503.",
        "duration": 12_000_000,
        "attempt": 1,
        "rule_id": delivery.rule_id,
        "action_id": "act-1",
        "connector_id": "con-1",
        "request": {"method": "POST", "url": "https://example.com/hook"},
        "response": {"status": 503, "body": "busy"},
        **fields,
    }
    return EventLogEntry.objects.create(
        space=delivery.space, event_id=delivery.event_id, delivery_id=delivery.pk, **given
    )
