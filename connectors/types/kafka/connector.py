"""The Kafka connector type."""

from collections.abc import Iterable, Iterator
from typing import Any

from connectors.net.brokers import parse_servers
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.urls import BadUrl, parse_url
from connectors.outcomes import Outcome
from connectors.steps import Step
from connectors.types.base import ConnectorType, Message, TemplateFormat
from connectors.types.http_fields import JSON_TYPE
from connectors.types.kafka.links import Links
from connectors.types.kafka.outcomes import RESULTS
from connectors.types.kafka.probing import CHECKS, probe_kafka
from connectors.types.kafka.schemas import DEFAULT_TIMEOUT, KafkaConfig, KafkaParams, KafkaSecrets
from connectors.types.kafka.sending import Sending
from connectors.types.kafka.settings import KafkaConnection
from spaces.errors import FieldError


class KafkaConnectorType(ConnectorType[KafkaConfig, KafkaSecrets, KafkaParams]):
    """Sends a record to a topic for each message."""

    id = "kafka"
    name = "Kafka"
    description = "Sends messages to the topics of an Apache Kafka cluster, or of one that speaks its protocol."
    categories = ("data",)
    icon = "hub"
    batch = 10
    checks = CHECKS
    results = RESULTS
    config_model = KafkaConfig
    secrets_model = KafkaSecrets
    params_model = KafkaParams

    def __init__(self) -> None:
        self._links = Links()

    def check(self, config: KafkaConfig) -> list[FieldError]:
        policy = NetworkPolicy.current()
        errors = []
        servers = parse_servers("kafka", config.bootstrap_servers)
        try:
            for server in servers:
                policy.check_host(server)
        except BlockedTarget as error:
            errors.append(FieldError("/bootstrap_servers", str(error)))
        if config.auth == "oauth":
            try:
                policy.check_url(config.token_url)
            except (BadUrl, BlockedTarget) as error:
                errors.append(FieldError("/token_url", str(error)))
        # The default stands for "as long as usual" and gives way to a lower limit without a word.
        limit = min(policy.terms_for(server).timeout for server in servers)
        if config.timeout > limit and config.timeout != DEFAULT_TIMEOUT:
            errors.append(FieldError("/timeout", f"Use at most {limit:g} s: the installation sets the limit."))
        return errors

    def missing_secrets(self, config: KafkaConfig, secrets: KafkaSecrets) -> list[str]:
        needed = {
            "password": config.auth not in ("none", "oauth"),
            "client_secret": config.auth == "oauth",
            "client_key": config.tls and bool(config.client_cert),
        }
        return [name for name, is_needed in needed.items() if is_needed and not getattr(secrets, name)]

    def targets(self, config: KafkaConfig) -> frozenset[str]:
        scheme = "kafka+tls" if config.tls else "kafka"
        found = {f"{scheme}://{server.authority}" for server in parse_servers("kafka", config.bootstrap_servers)}
        if config.auth == "oauth":
            origin, _ = parse_url(config.token_url)
            found.add(f"{origin.scheme}://{origin.authority}")
        return frozenset(found)

    def template_format(self, config: KafkaConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "json" if field == "value" and _is_json(params.get("headers")) else "text"

    def instead_of_json(self, field: str) -> str:
        return "For a text that is no JSON, add the header content-type: text/plain." if field == "value" else ""

    def default_params(self) -> dict[str, Any]:
        return {"topic": "switchyard", "value": "{{ event }}"}

    def deliver(self, connection: KafkaConnection, messages: Iterable[Message[KafkaParams]]) -> Iterator[Outcome]:
        yield from Sending(self._links, connection, messages).outcomes()

    def probe(self, connection: KafkaConnection, *, timeout: float) -> Iterator[Step]:
        yield from probe_kafka(connection, NetworkPolicy.current(), timeout=timeout)


def _is_json(headers: object) -> bool:
    found = headers if isinstance(headers, dict) else {}
    content_type = next((str(value) for name, value in found.items() if str(name).lower() == "content-type"), JSON_TYPE)
    essence = content_type.partition(";")[0].strip().lower()
    return essence == JSON_TYPE or essence.endswith("+json")
