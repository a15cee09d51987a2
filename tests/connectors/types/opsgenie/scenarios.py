"""Opsgenie in the contract tests."""

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.ops_alert_fields import OpsAlertParams, OpsAlertSecrets
from connectors.types.opsgenie.schemas import OpsgenieConfig
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

COUNT = http_answer(200, b'{"data": {"count": 7}, "took": 0.04, "requestId": "9b2b"}')
TAKEN = http_answer(202, b'{"result": "Request will be processed", "took": 0.3, "requestId": "43a2"}')


def message(key: int) -> Message[OpsAlertParams]:
    return Message(key, f"msg_{key}", OpsAlertParams(message=f"event {key}", source="tests", alias=f"k{key}"))


def connect(url: str, ca: str = "") -> Connection[OpsgenieConfig, OpsAlertSecrets]:
    secrets = OpsAlertSecrets.model_validate({"api_key": CANARY})
    return Connection(1, 1, OpsgenieConfig(api_url=url, timeout=TIMEOUT, ca=ca), secrets)


def accept(request: bytes) -> bytes:
    return COUNT if request.startswith(b"GET") else TAKEN


SCENARIOS = http_scenarios(connect, accept, flood=Reason.RETRY_HTTP_5XX)
