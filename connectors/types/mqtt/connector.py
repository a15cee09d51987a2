"""The MQTT connector type."""

from collections.abc import Iterable, Iterator
from typing import Any

from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.outcomes import Outcome
from connectors.steps import Step
from connectors.types.base import ConnectorType, Message, TemplateFormat
from connectors.types.http_fields import is_json
from connectors.types.mqtt.links import Links
from connectors.types.mqtt.outcomes import RESULTS
from connectors.types.mqtt.probing import CHECKS, probe_mqtt
from connectors.types.mqtt.schemas import DEFAULT_TIMEOUT, MqttConfig, MqttParams, MqttSecrets
from connectors.types.mqtt.sending import Sending
from connectors.types.mqtt.sessions import MqttConnection, origin_of
from spaces.errors import FieldError


class MqttConnectorType(ConnectorType[MqttConfig, MqttSecrets, MqttParams]):
    """Publishes a message to a topic for each message."""

    id = "mqtt"
    name = "MQTT"
    description = "Publishes messages to topics of an MQTT broker, with MQTT 5 or 3.1.1."
    categories = ("data",)
    icon = "sensors"
    checks = CHECKS
    results = RESULTS
    config_model = MqttConfig
    secrets_model = MqttSecrets
    params_model = MqttParams

    def __init__(self) -> None:
        self._links = Links()

    def check(self, config: MqttConfig) -> list[FieldError]:
        policy, origin = NetworkPolicy.current(), origin_of(config)
        try:
            policy.check_host(origin)
        except BlockedTarget as error:
            return [FieldError("/server", str(error))]
        # The default stands for "as long as usual" and gives way to a lower limit without a word.
        limit = policy.terms_for(origin).timeout
        if config.timeout > limit and config.timeout != DEFAULT_TIMEOUT:
            return [FieldError("/timeout", f"Use at most {limit:g} s: the installation sets the limit.")]
        return []

    def missing_secrets(self, config: MqttConfig, secrets: MqttSecrets) -> list[str]:
        # Some brokers take a token for the user name, and no password.
        return ["client_key"] if config.tls and config.client_cert and not secrets.client_key else []

    def targets(self, config: MqttConfig) -> frozenset[str]:
        origin = origin_of(config)
        return frozenset({f"{origin.scheme}://{origin.authority}"})

    def template_format(self, config: MqttConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "json" if field == "payload" and is_json(str(params.get("content_type") or "")) else "text"

    def instead_of_json(self, field: str) -> str:
        return "For a text that is no JSON, set content_type to text/plain." if field == "payload" else ""

    def default_params(self) -> dict[str, Any]:
        return {"topic": "switchyard/events", "payload": "{{ event }}"}

    def deliver(self, connection: MqttConnection, messages: Iterable[Message[MqttParams]]) -> Iterator[Outcome]:
        yield from Sending(self._links, connection, messages).outcomes()

    def probe(self, connection: MqttConnection, *, timeout: float) -> Iterator[Step]:
        yield from probe_mqtt(connection, NetworkPolicy.current(), timeout=timeout)
