"""Telegram in the contract tests."""

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.telegram.schemas import TelegramConfig, TelegramParams, TelegramSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

TAKEN = http_answer(200, b'{"ok": true, "result": {"message_id": 7, "username": "works_bot", "type": "group"}}')


def message(key: int) -> Message[TelegramParams]:
    return Message(key, f"msg_{key}", TelegramParams(text=f"event {key}"))


def connect(url: str, ca: str = "") -> Connection[TelegramConfig, TelegramSecrets]:
    secrets = TelegramSecrets.model_validate({"token": f"110201543:{CANARY}"})
    return Connection(1, 1, TelegramConfig(api_url=url, chat_id="-100123", timeout=TIMEOUT, ca=ca), secrets)


SCENARIOS = http_scenarios(connect, TAKEN, flood=Reason.RETRY_HTTP_5XX)
