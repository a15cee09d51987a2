"""Elasticsearch in the contract tests."""

import json

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.index.schemas import IndexConfig, IndexParams, IndexSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer


def message(key: int) -> Message[IndexParams]:
    return Message(key, f"msg_{key}", IndexParams(document={"n": key}))


def connect(url: str, ca: str = "") -> Connection[IndexConfig, IndexSecrets]:
    config = IndexConfig(url=url, auth="basic", username="u", index="tests", timeout=TIMEOUT, ca=ca)
    return Connection(1, 1, config, IndexSecrets.model_validate({"password": CANARY}))


def accept(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    if b"/_bulk?" not in head:
        answered: dict[str, object] = {
            "cluster_name": "tests",
            "version": {"number": "9.2.0"},
            "username": "u",
            "has_all_requested": True,
        }
        return http_answer(200, b"" if head.startswith(b"HEAD") else json.dumps(answered).encode())
    actions = [json.loads(line) for line in body.splitlines()[::2]]
    items = [{"create": {"_index": "tests", "_id": each["create"]["_id"], "status": 201}} for each in actions]
    return http_answer(200, json.dumps({"errors": False, "items": items}).encode())


SCENARIOS = http_scenarios(connect, accept, flood=Reason.RETRY_HTTP_5XX)
