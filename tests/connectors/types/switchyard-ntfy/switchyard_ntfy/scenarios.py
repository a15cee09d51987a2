"""ntfy in the contract tests."""

from connectors.types.base import Connection, Message
from switchyard_ntfy.schemas import NtfyConfig, NtfyParams, NtfySecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

TAKEN = http_answer(200, b'{"id": "sPs71M8A2T", "event": "message", "healthy": true}')


def message(key: int) -> Message[NtfyParams]:
    return Message(key, f"msg_{key}", NtfyParams(topic="ops", title="test", message=f"event {key}"))


def connect(url: str, ca: str = "") -> Connection[NtfyConfig, NtfySecrets]:
    secrets = NtfySecrets.model_validate({"token": CANARY})
    return Connection(1, 1, NtfyConfig(url=url, timeout=TIMEOUT, ca=ca), secrets)


SCENARIOS = http_scenarios(connect, TAKEN)
