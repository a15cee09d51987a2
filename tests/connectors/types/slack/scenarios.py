"""Slack in the contract tests: by a bot token, and by a webhook."""

from dataclasses import replace

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.slack.schemas import SlackConfig, SlackParams, SlackSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

WHOAMI = http_answer(200, b'{"ok": true, "team": "Works", "user": "switchyard", "bot_id": "B1"}')
POSTED = http_answer(200, b'{"ok": true, "channel": "C0123ABCD", "ts": "1503435956.000247"}')


def message(key: int) -> Message[SlackParams]:
    return Message(key, f"msg_{key}", SlackParams(text=f"event {key}"))


def connect(url: str, ca: str = "") -> Connection[SlackConfig, SlackSecrets]:
    secrets = SlackSecrets.model_validate({"token": CANARY})
    return Connection(1, 1, SlackConfig(api_url=url, channel="#ops", timeout=TIMEOUT, ca=ca), secrets)


def connect_webhook(url: str, ca: str = "") -> Connection[SlackConfig, SlackSecrets]:
    secrets = SlackSecrets.model_validate({"webhook_url": f"{url}services/T0/B0/{CANARY}"})
    return Connection(2, 1, SlackConfig(method="webhook", timeout=TIMEOUT, ca=ca), secrets)


def take(request: bytes) -> bytes:
    return WHOAMI if b"auth.test" in request else POSTED


SCENARIOS = (
    *http_scenarios(connect, take, flood=Reason.RETRY_HTTP_5XX),
    *(
        replace(scenario, name=f"webhook: {scenario.name}")
        for scenario in http_scenarios(connect_webhook, http_answer(200, b"ok"), flood=Reason.RETRY_HTTP_5XX)
    ),
)
