"""Jira in the contract tests."""

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.jira.schemas import JiraConfig, JiraParams, JiraSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import http_scenarios
from tests.contract.scripted import http_answer

ANSWERS = {
    b"GET /rest/api/3/myself": http_answer(200, b'{"displayName": "Robot"}'),
    b"GET /rest/api/3/project/OPS": http_answer(200, b'{"key": "OPS", "name": "Operations"}'),
    b"GET /rest/api/3/mypermissions": http_answer(
        200,
        b'{"permissions": {"CREATE_ISSUES": {"havePermission": true}, "EDIT_ISSUES": {"havePermission": true}, '
        b'"ADD_COMMENTS": {"havePermission": true}, "TRANSITION_ISSUES": {"havePermission": true}}}',
    ),
    b"POST /rest/api/3/search/jql": http_answer(200, b'{"issues": [], "isLast": true}'),
    b"POST /rest/api/3/issue ": http_answer(201, b'{"id": "10000", "key": "OPS-24"}'),
}


def message(key: int) -> Message[JiraParams]:
    return Message(key, f"msg_{key}", JiraParams(summary=f"event {key}", external_id=f"k{key}"))


def connect(url: str, ca: str = "") -> Connection[JiraConfig, JiraSecrets]:
    secrets = JiraSecrets.model_validate({"email": f"{CANARY}@example.com", "api_token": CANARY})
    return Connection(1, 1, JiraConfig(api_url=url, project_key="OPS", timeout=TIMEOUT, ca=ca), secrets)


def accept(request: bytes) -> bytes:
    return next(answer for start, answer in ANSWERS.items() if request.startswith(start))


# An answer without an end is none that an issue could be found in.
SCENARIOS = http_scenarios(connect, accept, flood=Reason.BAD_CONFIG)
