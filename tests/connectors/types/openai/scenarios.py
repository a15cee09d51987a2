"""OpenAI in the contract tests."""

import json

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.openai.schemas import DEFAULT_MODEL, OpenAiConfig, OpenAiParams, OpenAiSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer


def message(key: int) -> Message[OpenAiParams]:
    return Message(key, f"msg_{key}", OpenAiParams(data=f"event {key}", answer_event=True))


def connect(url: str, ca: str = "") -> Connection[OpenAiConfig, OpenAiSecrets]:
    secrets = OpenAiSecrets.model_validate({"api_key": CANARY})
    return Connection(1, 1, OpenAiConfig(url=url, timeout=TIMEOUT, ca=ca), secrets)


def accept(request: bytes) -> bytes:
    if request.startswith(b"GET"):
        return http_answer(200, json.dumps({"object": "list", "data": [{"id": DEFAULT_MODEL}]}).encode())
    # A model may repeat what it was told, and more.
    said = {"role": "assistant", "content": f"{CANARY} {'x' * 200_000}"}
    answered = {"model": CANARY, "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    return http_answer(200, json.dumps(answered).encode())


SCENARIOS = http_scenarios(connect, accept, flood=Reason.TOO_LARGE)
