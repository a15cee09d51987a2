"""A wrong Kafka connector or action is refused when it is saved, with the field and the reason."""

from typing import Any

import pytest
import trustme
from pydantic import ValidationError
from pytest_django import Settings

from connectors.types.kafka import connector_type
from connectors.types.kafka.schemas import KafkaConfig, KafkaParams, KafkaSecrets

SERVERS = "kafka-1.example.com:9092"
LEAF = trustme.CA().issue_cert("client.test")
CERTIFICATE = LEAF.cert_chain_pems[0].bytes().decode()
KEY = LEAF.private_key_pem.bytes().decode()
OAUTH = {"auth": "oauth", "token_url": "https://id.example.com/token", "oauth_client_id": "me"}


def refused(model: type[Any], values: dict[str, Any]) -> list[tuple[int | str, ...]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return [details["loc"] for details in caught.value.errors()]


def test_servers_are_all_that_is_needed() -> None:
    config = KafkaConfig(bootstrap_servers=SERVERS)
    assert (config.auth, config.tls, config.acks, config.idempotence, config.compression) == (
        "none",
        False,
        "all",
        True,
        "none",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bootstrap_servers", ""),
        ("bootstrap_servers", " , "),
        ("bootstrap_servers", "kafka://kafka-1.example.com:9092"),
        ("bootstrap_servers", "kafka-1.example.com:port"),
        ("bootstrap_servers", "kafka-1.example.com:0"),
        ("bootstrap_servers", "user@kafka-1.example.com"),
        ("bootstrap_servers", "a.example.com\nb.example.com"),
        ("auth", "gssapi"),
        ("timeout", 0.5),
        ("timeout", 301),
        ("acks", "most"),
        ("compression", "brotli"),
        ("linger", -1),
        ("linger", 501),
        ("linger", 1.5),
        ("batch_size", 999),
        ("max_message_size", 100_000_001),
        ("client_id", ""),
        ("client_id", "a\r\nFLUSHALL"),
        ("client_id", "ü"),
        ("probe_topic", "a topic"),
        ("probe_topic", ".."),
        ("token_fields", {"scope": "x"}),
        ("token_url", "ftp://id.example.com"),
        ("sasl_extensions", {"auth": "x"}),
        ("sasl_extensions", {"a-b": "x"}),
        ("sasl_extensions", {"a": "x\x01y"}),
        ("verify", "maybe"),
        ("ca", "no certificate"),
        ("client_cert", KEY),
        ("brokers", SERVERS),
    ],
)
def test_a_value_that_cannot_work_is_refused(field: str, value: Any) -> None:
    assert refused(KafkaConfig, {"bootstrap_servers": SERVERS, field: value}) == [(field,)]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"auth": "plain"}, "username"),
        ({"auth": "scram_sha_512"}, "username"),
        ({"auth": "plain", "username": "a\0b"}, "username"),
        ({**OAUTH, "token_url": ""}, "token_url"),
        ({**OAUTH, "oauth_client_id": ""}, "oauth_client_id"),
        ({"acks": "leader"}, "idempotence"),
        ({"acks": "none", "idempotence": True}, "idempotence"),
    ],
)
def test_what_does_not_go_together_is_refused(config: dict[str, Any], field: str) -> None:
    values = {"bootstrap_servers": SERVERS, "idempotence": True, **config}
    assert refused(KafkaConfig, values) == [(field,)]


@pytest.mark.parametrize(("acks", "idempotence"), [("all", True), ("leader", False), ("none", False)])
def test_idempotence_that_nobody_set_follows_the_acknowledgement(acks: str, idempotence: bool) -> None:
    config = KafkaConfig.model_validate({"bootstrap_servers": SERVERS, "acks": acks})
    assert config.idempotence is idempotence
    stored = config.model_dump(mode="json")
    assert KafkaConfig.model_validate(stored).model_dump(mode="json") == stored


@pytest.mark.parametrize(
    "servers",
    ["a.example.com", "a.example.com:1,b.example.com:2", " a.example.com , 93.184.216.34:9093 ", "[2606:2800::1]:9092"],
)
def test_servers_may_be_several_and_leave_the_port_out(servers: str) -> None:
    assert connector_type.targets(KafkaConfig(bootstrap_servers=servers))


def test_targets_name_every_server_with_its_port_and_whether_over_tls() -> None:
    config = KafkaConfig.model_validate({"bootstrap_servers": "A.example.com, b.example.com:1", "tls": True, **OAUTH})
    assert connector_type.targets(config) == {
        "kafka+tls://a.example.com:9092",
        "kafka+tls://b.example.com:1",
        "https://id.example.com:443",
    }


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({}, []),
        ({"auth": "plain", "username": "u"}, ["password"]),
        ({"auth": "scram_sha_256", "username": "u"}, ["password"]),
        (OAUTH, ["client_secret"]),
        ({"tls": True, "client_cert": CERTIFICATE}, ["client_key"]),
    ],
)
def test_the_secrets_that_a_config_needs_are_named(config: dict[str, Any], missing: list[str]) -> None:
    parsed = KafkaConfig.model_validate({"bootstrap_servers": SERVERS, **config})
    assert connector_type.missing_secrets(parsed, KafkaSecrets()) == missing


def test_a_key_that_is_none_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        KafkaSecrets.model_validate({"client_key": "S3CR3T-canary"})
    assert "S3CR3T" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "pointer"),
    [
        ({"bootstrap_servers": "10.0.0.1"}, "/bootstrap_servers"),
        ({"bootstrap_servers": "a.example.com, 169.254.169.254:80"}, "/bootstrap_servers"),
        ({"bootstrap_servers": "localhost"}, "/bootstrap_servers"),
        ({**OAUTH, "token_url": "http://127.0.0.1/token"}, "/token_url"),
        ({"timeout": 31}, "/timeout"),
    ],
)
def test_what_the_installation_forbids_is_refused(settings: Settings, config: dict[str, Any], pointer: str) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    parsed = KafkaConfig.model_validate({"bootstrap_servers": SERVERS, **config})
    assert [error.pointer for error in connector_type.check(parsed)] == [pointer]


def test_the_ports_that_http_may_not_use_are_kafkas(settings: Settings) -> None:
    assert connector_type.check(KafkaConfig(bootstrap_servers="a.example.com:9092, b.example.com:6379")) == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "topic"),
        ({"topic": ""}, "topic"),
        ({"topic": "two words"}, "topic"),
        ({"topic": "x" * 250}, "topic"),
        ({"topic": "t", "headers": {"Webhook-Id": "x"}}, "headers"),
        ({"topic": "t", "partition": 1}, "partition"),
        ({"topic": "t", "body": "x"}, "body"),
    ],
)
def test_params_that_cannot_work_are_refused(params: dict[str, Any], field: str) -> None:
    assert refused(KafkaParams, params) == [(field,)]


def test_a_topic_may_be_a_template() -> None:
    assert KafkaParams(topic="readings-{{ event.data.site }}").topic.startswith("readings-")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "json"),
        ({"Content-Type": "application/cloudevents+json; charset=utf-8"}, "json"),
        ({"content-type": "text/plain"}, "text"),
        ({"content-type": "application/x-yaml"}, "text"),
    ],
)
def test_the_value_is_json_unless_a_header_says_otherwise(headers: dict[str, str], expected: str) -> None:
    config = KafkaConfig(bootstrap_servers=SERVERS)
    assert connector_type.template_format(config, {"headers": headers}, "value") == expected
    assert connector_type.template_format(config, {"headers": headers}, "key") == "text"
