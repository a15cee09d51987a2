"""Discord in the contract tests."""

from connectors.types.base import Connection, Message
from connectors.types.discord.schemas import DiscordConfig, DiscordParams, DiscordSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

TAKEN = http_answer(200, b'{"id": "1234567890", "channel_id": "199737254929760256", "name": "alerts", "content": "x"}')


def message(key: int) -> Message[DiscordParams]:
    return Message(key, f"msg_{key}", DiscordParams(content=f"event {key}"))


def connect(url: str, ca: str = "") -> Connection[DiscordConfig, DiscordSecrets]:
    secrets = DiscordSecrets.model_validate({"webhook_url": f"{url}api/webhooks/1/{CANARY}"})
    return Connection(1, 1, DiscordConfig(timeout=TIMEOUT, ca=ca), secrets)


SCENARIOS = http_scenarios(connect, TAKEN)
