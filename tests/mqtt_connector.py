"""Stands in for the connector type ``mqtt`` where it is not installed, so that sources can be tried with real brokers.

``python -m tests.mqtt_connector run_sources`` is ``manage.py run_sources`` with it.
"""

import os
import sys
from collections.abc import Iterable, Iterator

from connectors.outcomes import Outcome
from connectors.steps import Step
from connectors.types import registry
from connectors.types.base import ConnectorType, Message, Params
from connectors.types.mqtt.schemas import MqttConfig, MqttSecrets
from connectors.types.mqtt.sessions import MqttConnection, origin_of


class NoParams(Params):
    """Nothing is sent."""


class MqttStandIn(ConnectorType[MqttConfig, MqttSecrets, NoParams]):
    id = "mqtt"
    name = "MQTT"
    description = "For tests."
    categories = ("data",)
    icon = "sensors"
    config_model = MqttConfig
    secrets_model = MqttSecrets
    params_model = NoParams

    def deliver(self, connection: MqttConnection, messages: Iterable[Message[NoParams]]) -> Iterator[Outcome]:
        raise NotImplementedError

    def probe(self, connection: MqttConnection, *, timeout: float) -> Iterator[Step]:
        raise NotImplementedError

    def targets(self, config: MqttConfig) -> frozenset[str]:
        return frozenset({origin_of(config).authority})


def install() -> None:
    """Register it in this process, unless the real one is there."""
    registry.all_types().setdefault("mqtt", MqttStandIn())


if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_project.settings")
    install()
    execute_from_command_line(["manage.py", *sys.argv[1:]])
