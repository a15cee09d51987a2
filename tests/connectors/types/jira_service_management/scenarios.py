"""Jira Service Management in the contract tests."""

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.jira_service_management.schemas import JiraServiceManagementConfig
from connectors.types.ops_alert_fields import OpsAlertParams, OpsAlertSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

TAKEN = http_answer(202, b'{"result": "Request will be processed", "took": 0.3, "requestId": "43a2"}')


def message(key: int) -> Message[OpsAlertParams]:
    return Message(key, f"msg_{key}", OpsAlertParams(message=f"event {key}", source="tests", alias=f"k{key}"))


def connect(url: str, ca: str = "") -> Connection[JiraServiceManagementConfig, OpsAlertSecrets]:
    secrets = OpsAlertSecrets.model_validate({"api_key": CANARY})
    return Connection(1, 1, JiraServiceManagementConfig(api_url=url, timeout=TIMEOUT, ca=ca), secrets)


SCENARIOS = http_scenarios(connect, TAKEN, flood=Reason.RETRY_HTTP_5XX)
