"""ServiceNow in the contract tests."""

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.servicenow.schemas import ServiceNowConfig, ServiceNowParams, ServiceNowSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

NONE = http_answer(200, b'{"result": []}')
MADE = http_answer(201, b'{"result": {"sys_id": "9d385017c611228701d22104cc95c371", "number": "INC0000060"}}')


def message(key: int) -> Message[ServiceNowParams]:
    return Message(key, f"msg_{key}", ServiceNowParams(short_description=f"event {key}", correlation_id=f"k{key}"))


def connect(url: str, ca: str = "") -> Connection[ServiceNowConfig, ServiceNowSecrets]:
    secrets = ServiceNowSecrets.model_validate({"username": CANARY, "password": CANARY})
    return Connection(1, 1, ServiceNowConfig(api_url=url, timeout=TIMEOUT, ca=ca), secrets)


def accept(request: bytes) -> bytes:
    return NONE if request.startswith(b"GET") else MADE


# An answer without an end is none that an incident could be found in.
SCENARIOS = http_scenarios(connect, accept, flood=Reason.BAD_CONFIG)
