"""Spaces, connectors, actions, sources and rules for tests, made by the services."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from actions.models import Action
from actions.services import create_action
from connectors.models import Connector
from connectors.services import create_connector
from rules.links import Link
from rules.models import MaintenanceWindow, Rule, Source
from rules.services import create_rule, create_source
from rules.services.windows import create_window
from spaces.models import Space
from spaces.services import create_space

_numbers = count(1)


def make_space(slug: str | None = None) -> Space:
    number = next(_numbers)
    return create_space(slug or f"space-{number}", f"Space {number}")


def make_connector(
    space: Space,
    url: str = "https://receiver.example/hook",
    *,
    secrets: Mapping[str, str | None] | None = None,
    name: str | None = None,
    public_id: str | None = None,
    enabled: bool = True,
    **config: Any,
) -> Connector:
    """Make an HTTP connector to ``url``; further keywords go into its config."""
    return create_connector(
        space,
        type="http",
        name=name or f"Connector {next(_numbers)}",
        public_id=public_id,
        config={"url": url, **config},
        secrets=secrets or {},
        enabled=enabled,
    )


def space_of(connector: Connector) -> Space:
    """Return the space of a connector that is not preconfigured."""
    assert connector.space is not None
    return connector.space


def connector_of(action: Action) -> Connector:
    """Return the connector of an action that has one."""
    assert action.connector is not None
    return action.connector


def make_action(
    connector: Connector, *, params: dict[str, Any] | None = None, name: str | None = None, **policy: Any
) -> Action:
    """Make an action that sends through the connector; without ``params``, the event as JSON."""
    return create_action(
        space_of(connector),
        connector=connector,
        name=name or f"Action {next(_numbers)}",
        params=params or {},
        **policy,
    )


def make_rule(
    space: Space,
    *,
    params: dict[str, Any] | None = None,
    name: str | None = None,
    condition: str = "",
    actions: Iterable[Action | Link] = (),
    **rest: Any,
) -> Rule:
    """Make an event rule; without ``params`` and ``condition``, it matches every event."""
    return create_rule(
        space,
        name=name or f"Rule {next(_numbers)}",
        params=params or {},
        condition=condition,
        actions=actions,
        **rest,
    )


def make_kafka_connector(space: Space, *, name: str | None = None, public_id: str | None = None) -> Connector:
    """Make a connector to a cluster that is not there."""
    return create_connector(
        space,
        type="kafka",
        name=name or f"Kafka {next(_numbers)}",
        public_id=public_id,
        config={"bootstrap_servers": "kafka.example:9092"},
        secrets={},
    )


def make_source(
    connector: Connector, *, params: dict[str, Any] | None = None, name: str | None = None, **rest: Any
) -> Source:
    """Make a source that reads through a Kafka connector."""
    return create_source(
        space_of(connector),
        connector=connector,
        name=name or f"Source {next(_numbers)}",
        params=params or {"topics": ["orders"]},
        **rest,
    )


def make_window(space: Space, **rest: Any) -> MaintenanceWindow:
    """Make a maintenance window of the whole space that is over."""
    schedule = {"start": "2026-01-04T01:00:00Z", "duration": 3600}
    return create_window(space, **{"name": f"Window {next(_numbers)}", "schedule": schedule} | rest)
