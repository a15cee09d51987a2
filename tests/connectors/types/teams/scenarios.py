"""Microsoft Teams in the contract tests."""

from connectors.types.base import Connection, Message
from connectors.types.teams.schemas import TeamsConfig, TeamsParams, TeamsSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer


def message(key: int) -> Message[TeamsParams]:
    return Message(key, f"msg_{key}", TeamsParams(message=f"event {key}"))


def connect(url: str, ca: str = "") -> Connection[TeamsConfig, TeamsSecrets]:
    secrets = TeamsSecrets.model_validate(
        {"webhook_url": f"{url}workflows/1/triggers/manual/paths/invoke?sig={CANARY}"}
    )
    return Connection(1, 1, TeamsConfig(timeout=TIMEOUT, ca=ca), secrets)


SCENARIOS = http_scenarios(connect, http_answer(202))
