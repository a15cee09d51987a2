"""Alerts reach Opsgenie and Jira Service Management as their APIs take them. Sources: see ops_alerts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types import jira_service_management, opsgenie
from connectors.types.base import Connection, Message
from connectors.types.ops_alert_fields import OpsAlertConfig, OpsAlertParams, OpsAlertSecrets
from connectors.types.ops_alerts import OpsAlertType
from tests.connectors.types.ops_alerts import KEY, AlertDesk
from tests.vendors import Answer, Call, Vendor, vendor


@dataclass
class Product:
    """One of the two, and the path of its alerts."""

    type: OpsAlertType
    root: str

    @contextmanager
    def desk(self) -> Iterator[tuple[AlertDesk, Vendor]]:
        desk = AlertDesk(self.root)
        with vendor(desk) as running:
            yield desk, running

    def deliver(self, running: Vendor, params: dict[str, Any], key: str = KEY, webhook_id: str = "msg_1") -> Outcome:
        message = Message(7, webhook_id, OpsAlertParams.model_validate({"source": "tests", "message": "m", **params}))
        (outcome,) = self.type.deliver(self.connect(running, key), [message])
        return outcome

    def probe(self, running: Vendor, key: str = KEY) -> Step:
        return list(self.type.probe(self.connect(running, key), timeout=5.0))[-1]

    def connect(self, running: Vendor, key: str) -> Connection[OpsAlertConfig, OpsAlertSecrets]:
        secrets = OpsAlertSecrets.model_validate({"api_key": key})
        return Connection(1, 1, self.type.config_model(api_url=running.url), secrets)


@pytest.fixture(params=["opsgenie", "jira_service_management"])
def product(request: pytest.FixtureRequest) -> Product:
    if request.param == "opsgenie":
        return Product(opsgenie.connector_type, "/v2/alerts")
    return Product(jira_service_management.connector_type, "/jsm/ops/integration/v2/alerts")


def test_an_alert_carries_every_field(product: Product) -> None:
    params = {
        "alias": "disk/7",
        "message": "disk\nfull",
        "description": "No space left.",
        "priority": "P1",
        "entity": "web-7",
        "source": "tests",
        "user": "Switchyard",
        "note": "opened",
        "tags": ["prod", ""],
        "actions": ["Restart"],
        "responders": [{"type": "team", "name": "ops"}, {"type": "user", "username": "a@example.com"}],
        "visible_to": [{"type": "team", "id": "4513b7ea"}],
        "details": {"free": 0, "host": "web-7", "more": {"a": [1]}},
    }
    with product.desk() as (desk, running):
        outcome = product.deliver(running, params)
    assert outcome.reason is Reason.OK
    assert outcome.detail == f"{product.type.name} took the request 43a29c5c-3dbf-4fa4-9c26-f4f71023e120."
    assert desk.alerts == [
        {
            "alias": "disk/7",
            "message": "disk full",
            "description": "No space left.",
            "priority": "P1",
            "entity": "web-7",
            "source": "tests",
            "user": "Switchyard",
            "note": "opened",
            "tags": ["prod"],
            "actions": ["Restart"],
            "responders": [{"type": "team", "name": "ops"}, {"type": "user", "username": "a@example.com"}],
            "visibleTo": [{"type": "team", "id": "4513b7ea"}],
            "details": {"free": "0", "host": "web-7", "more": '{"a": [1]}'},
            "status": "open",
            "count": 1,
        }
    ]


@pytest.mark.parametrize("alias", ["", "disk/7"])
def test_a_retry_after_a_lost_answer_opens_no_second_alert(product: Product, alias: str) -> None:
    with product.desk() as (desk, running):
        desk.lost = 1
        first = product.deliver(running, {"alias": alias})
        second = product.deliver(running, {"alias": alias})
    assert (first.reason, second.reason) == (Reason.RETRY_HTTP_5XX, Reason.OK)
    assert [alert["alias"] for alert in desk.alerts] == [alias or "msg_1"]


@pytest.mark.parametrize(
    ("sub_action", "status"), [("closeAlert", "closed"), ("acknowledgeAlert", "acknowledged"), ("addNote", "noted")]
)
@pytest.mark.parametrize("alias", ["disk/7 ?#é", "k" * 600])
def test_an_open_alert_is_found_by_its_alias(product: Product, sub_action: str, status: str, alias: str) -> None:
    with product.desk() as (desk, running):
        product.deliver(running, {"alias": alias})
        outcome = product.deliver(running, {"sub_action": sub_action, "alias": alias, "note": "seen"})
    assert outcome.reason is Reason.OK
    assert [alert["status"] for alert in desk.alerts] == [status]


def test_what_is_too_long_is_cut_and_a_long_alias_hashed(product: Product) -> None:
    long = {
        "message": "🔥" * 100,
        "description": "x" * 15_000,
        "entity": "x" * 20_000,
        "source": "x" * 20_000,
        "user": "x" * 20_000,
    }
    with product.desk() as (desk, running):
        assert product.deliver(running, {**long, "alias": "k" * 9000}).reason is Reason.OK
    (alert,) = desk.alerts
    assert alert["message"] == "🔥" * 63 + "..."
    assert alert["alias"] == f"sha-{sha256(b'k' * 9000).hexdigest()}"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"sub_action": "{{ event.data.what }}"}, "sub_action"),
        ({"sub_action": "closeAlert"}, "alias"),
        ({"sub_action": "addNote", "alias": "k"}, "note"),
        ({"priority": "{{ high }}"}, "priority"),
        ({"message": " \n"}, "message"),
        ({"tags": ["t" * 51]}, "tags"),
        ({"actions": ["a" * 51]}, "actions"),
        ({"details": {"a": "x" * 8000}}, "details"),
        ({"responders": [{"type": "team"}]}, "responders"),
        ({"sub_action": "closeAlert", "alias": ".."}, "address"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(
    product: Product, params: dict[str, Any], said: str
) -> None:
    with product.desk() as (_, running):
        outcome = product.deliver(running, params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert said in outcome.detail
    assert not running.calls


@pytest.mark.parametrize(
    "params", [{"priority": "high"}, {"sub_action": "deleteAlert"}, {"responders": [{"type": "x"}]}]
)
def test_a_value_that_is_not_known_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Use one of|Input should be"):
        OpsAlertParams.model_validate(params)


def test_a_fault_is_told_by_field(product: Product) -> None:
    said = "Request body is not processable. Please check the errors."

    def refuse(call: Call) -> Answer:
        errors = {"message": "Message can not be empty."}
        return Answer(422, {"message": said, "errors": errors, "took": 0.0, "requestId": "r"})

    with vendor(refuse) as running:
        outcome = product.deliver(running, {})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == f"HTTP 422: {said}; message: Message can not be empty."


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 40301, "message": "Feature is not available"}),
        (200, {"result": "Request will be processed", "requestId": "r"}),
        (202, {"code": 40301}),
        (202, {"result": "Request will be processed"}),
        (202, b"<html>Welcome</html>"),
        (204, b""),
    ],
)
def test_an_answer_that_takes_no_request_is_no_success_whatever_its_status(
    product: Product, status: int, body: Any
) -> None:
    with vendor(lambda _: Answer(status, body)) as running:
        outcome = product.deliver(running, {})
    assert outcome.reason is Reason.RETRY_HTTP_5XX
    assert f"no answer of {product.type.name}" in outcome.detail
    assert "Feature is not available" in outcome.detail or "message" not in str(body)


def test_past_the_rate_limit_the_alert_waits(product: Product) -> None:
    def throttle(call: Call) -> Answer:
        said = {"message": "You are making too many requests!", "took": 0.0, "requestId": "r"}
        return Answer(429, said, {"retry-after": "60", "x-ratelimit-state": "THROTTLED"})

    with vendor(throttle) as running:
        outcome = product.deliver(running, {})
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 60.0)
    assert "too many requests" in outcome.detail


def test_a_wrong_key_is_told(product: Product) -> None:
    with product.desk() as (_, running):
        outcome = product.deliver(running, {}, key="another")
        step = product.probe(running, key="another")
    assert outcome.reason is Reason.PERMANENT_4XX
    assert (step.name, step.reason) == ("authenticate", Reason.BAD_CONFIG)
    assert "Could not authenticate" in step.detail
    assert "API integration" in step.advice


def test_a_good_key_is_told_and_the_probe_opens_nothing(product: Product) -> None:
    with product.desk() as (desk, running):
        step = product.probe(running)
    assert (step.name, step.reason) == ("authenticate", Reason.OK)
    assert not desk.alerts
    assert {call.method for call in running.calls} == {"GET"}


def test_another_api_at_the_address_is_told(product: Product) -> None:
    with vendor(lambda _: Answer(404, b"<html>")) as running:
        step = product.probe(running)
    assert (step.reason, step.advice) == (
        Reason.BAD_CONFIG,
        "Check the API URL: the scheme and host, without a path.",
    )


def test_kibanas_connector_brings_its_address(product: Product) -> None:
    adopted = product.type.adopt({"apiUrl": "https://api.eu.opsgenie.com"})
    assert (adopted.config, adopted.awaited) == ({"api_url": "https://api.eu.opsgenie.com"}, ("api_key",))
