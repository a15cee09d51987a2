"""Access tokens for OAUTHBEARER: what keeps one from being had is told before a message is taken."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_django import Settings

from connectors.outcomes import Reason
from connectors.types.base import Connection
from connectors.types.kafka import connector_type
from connectors.types.kafka.schemas import KafkaConfig, KafkaSecrets
from tests.connectors.types.kafka.conftest import messages, send
from tests.contract.scripted import answering, http_answer, scripted
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "S3CR3T-canary-oauth"


def through(token_url: str) -> Any:
    config = {"auth": "oauth", "token_url": token_url, "oauth_client_id": "me", "timeout": 2}
    secrets = KafkaSecrets.model_validate({"client_secret": CANARY})
    return Connection(1, 1, KafkaConfig.model_validate({"bootstrap_servers": "127.0.0.1:1", **config}), secrets)


@contextmanager
def endpoint(status: int, answer: dict[str, Any]) -> Iterator[str]:
    with scripted(answering(http_answer(status, json.dumps(answer).encode()))) as server:
        yield server.url


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (401, {"error": "invalid_client", "error_description": CANARY}, Reason.BAD_CONFIG),
        (503, {}, Reason.RETRY_HTTP_5XX),
        (200, {"token_type": "mac"}, Reason.BAD_CONFIG),
    ],
)
def test_what_the_token_endpoint_says_is_the_outcome(status: int, answer: dict[str, Any], reason: Reason) -> None:
    with endpoint(status, answer) as url:
        connection = through(url)
        outcomes = send(connection, messages("any", 2))
        last = list(connector_type.probe(connection, timeout=5))[-1]
    assert [outcome.reason for outcome in outcomes] == [reason, reason]
    assert (last.name, last.reason) == ("token", reason)
    assert CANARY not in f"{outcomes}{last}"


def test_a_token_endpoint_that_is_forbidden_blocks_the_connector(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.1/32"]
    (outcome,) = send(through("http://10.0.0.1/token"), messages("any"))
    assert outcome.reason is Reason.BLOCKED_TARGET


def test_a_token_endpoint_that_is_down_is_tried_again_later() -> None:
    (outcome,) = send(through(f"http://127.0.0.1:{free_port()}/"), messages("any"))
    assert outcome.reason is Reason.RETRY_CONNECT


def test_with_a_token_the_cluster_is_asked() -> None:
    with endpoint(200, {"access_token": f"token-{CANARY}", "token_type": "Bearer", "expires_in": 300}) as url:
        (outcome,) = send(through(url), messages("any"))
    assert outcome.reason is Reason.RETRY_CONNECT
    assert "Connection refused" in outcome.detail
    assert CANARY not in repr(outcome)
