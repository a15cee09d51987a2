"""Messages through a connection to a scripted MQTT broker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import AnyMessage, Message
from connectors.types.mqtt import connector_type
from connectors.types.mqtt.connector import MqttConnectorType
from connectors.types.mqtt.schemas import MqttParams
from connectors.types.mqtt.sessions import MqttConnection
from tests.connectors.types.mqtt.scenarios import connect
from tests.contract.scripted import Peer, ScriptedServer, scripted
from tests.mqtt_wire import (
    PUBLISH,
    Packet,
)


def message(key: int = 0, **params: Any) -> Message[MqttParams]:
    return Message(key, f"msg_{key}", MqttParams.model_validate({"topic": "a/b", **params}))


@contextmanager
def serving(script: Callable[[Peer], None], **config: Any) -> Iterator[tuple[ScriptedServer, MqttConnection]]:
    with scripted(script) as server:
        yield server, connect(f"127.0.0.1:{server.port}", **config)


def deliver(mqtt: MqttConnectorType, connection: MqttConnection, *messages: AnyMessage) -> dict[int, Outcome]:
    return {outcome.key: outcome for outcome in mqtt.deliver(connection, messages)}


def reasons(outcomes: dict[int, Outcome]) -> dict[int, Reason]:
    return {key: outcome.reason for key, outcome in sorted(outcomes.items())}


def probe(connection: MqttConnection) -> dict[str, Step]:
    return {step.name: step for step in connector_type.probe(connection, timeout=5)}


def published(seen: list[Packet]) -> list[Packet]:
    return [each for each in seen if each.kind == PUBLISH]
