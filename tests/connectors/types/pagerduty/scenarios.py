"""PagerDuty in the contract tests."""

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.pagerduty.schemas import PagerDutyConfig, PagerDutyParams, PagerDutySecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

TAKEN = http_answer(202, b'{"status": "success", "message": "Event processed", "dedup_key": "k"}')


def message(key: int) -> Message[PagerDutyParams]:
    params = PagerDutyParams(summary=f"event {key}", source="tests", severity="info", dedup_key=f"k{key}")
    return Message(key, f"msg_{key}", params)


def connect(url: str, ca: str = "") -> Connection[PagerDutyConfig, PagerDutySecrets]:
    secrets = PagerDutySecrets.model_validate({"routing_key": CANARY})
    return Connection(1, 1, PagerDutyConfig(api_url=url, timeout=TIMEOUT, ca=ca), secrets)


SCENARIOS = http_scenarios(connect, TAKEN, flood=Reason.RETRY_HTTP_5XX)
