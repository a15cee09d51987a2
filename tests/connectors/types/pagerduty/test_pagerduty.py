"""Events reach PagerDuty as its Events API v2 takes them.

Source: developer.pagerduty.com, "Send an Alert Event" and "Events API v2 Overview".
"""

from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.pagerduty import connector_type
from connectors.types.pagerduty.schemas import PagerDutyConfig, PagerDutyParams, PagerDutySecrets
from tests.connectors.types.pagerduty.receiver import KEY, pagerduty
from tests.vendors import Answer, Vendor, vendor


def connect(running: Vendor, key: str = KEY) -> Connection[PagerDutyConfig, PagerDutySecrets]:
    return Connection(
        1,
        1,
        PagerDutyConfig(api_url=f"{running.url}/v2/enqueue"),
        PagerDutySecrets.model_validate({"routing_key": key}),
    )


def deliver(running: Vendor, params: dict[str, Any], key: str = KEY) -> Outcome:
    message = Message(7, "0d9f", PagerDutyParams.model_validate(params))
    (outcome,) = connector_type.deliver(connect(running, key), [message])
    return outcome


def test_a_summary_is_one_line() -> None:
    with vendor(pagerduty) as running:
        deliver(running, {"summary": "hot\n  oven\r\n7", "source": "web-7"})
    assert running.calls[0].json["payload"]["summary"] == "hot oven 7"


def test_a_trigger_carries_every_field() -> None:
    with vendor(pagerduty) as running:
        outcome = deliver(
            running,
            {
                "dedup_key": "disk/7",
                "summary": "x" * 5000,
                "source": "web-7",
                "severity": "critical",
                "timestamp": "2026-11-30T08:00:00Z",
                "component": "disk",
                "group": "prod",
                "class": "full",
                "links": [{"href": "https://example.com", "text": "console"}],
                "custom_details": {"free": 0},
            },
        )
    assert outcome.reason is Reason.OK
    assert outcome.detail == "PagerDuty took the event for disk/7."
    sent = running.calls[0].json
    assert sent["dedup_key"] == "disk/7"
    assert len(sent["payload"].pop("summary")) == 1024
    assert sent["payload"] == {
        "source": "web-7",
        "severity": "critical",
        "timestamp": "2026-11-30T08:00:00Z",
        "component": "disk",
        "group": "prod",
        "class": "full",
        "custom_details": {"free": 0},
    }
    assert sent["links"] == [{"href": "https://example.com", "text": "console"}]


def test_a_retry_of_a_trigger_without_a_key_opens_no_second_incident() -> None:
    with vendor(pagerduty) as running:
        for _ in range(2):
            deliver(running, {"summary": "s", "source": "x"})
    assert {call.json["dedup_key"] for call in running.calls} == {"0d9f"}


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_acknowledge_and_resolve_carry_the_key_alone(action: str) -> None:
    with vendor(pagerduty) as running:
        assert deliver(running, {"event_action": action, "dedup_key": "disk/7"}).reason is Reason.OK
    assert running.calls[0].json == {"routing_key": KEY, "event_action": action, "dedup_key": "disk/7"}


def test_a_refused_key_is_told_with_what_pagerduty_says() -> None:
    with vendor(pagerduty) as running:
        outcome = deliver(running, {"summary": "s", "source": "x"}, key="wrong-key")
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == "HTTP 400: Event object is invalid. bad key"


def test_past_the_rate_limit_the_event_waits() -> None:
    with vendor(lambda _: Answer(429, {"message": "Requests are throttled"}, {"retry-after": "30"})) as running:
        outcome = deliver(running, {"summary": "s", "source": "x"})
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 30.0)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"event_action": "{{ event.data.what }}"}, "event_action"),
        ({"severity": "{{ fatal }}"}, "severity"),
        ({"event_action": "resolve"}, "dedup_key"),
        ({"dedup_key": "k" * 256}, "dedup_key"),
        ({"timestamp": "{{ yesterday }}"}, "timestamp is '{{ yesterday }}'; use ISO 8601"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, Any], said: str) -> None:
    with vendor(pagerduty) as running:
        outcome = deliver(running, params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert said in outcome.detail
    assert not running.calls


@pytest.mark.parametrize("yielded", ["yesterday", "2026-11-30", "2026-W49-1", "1796000000", "2026-11-30T25:00:00Z"])
def test_what_is_no_time_is_refused_before_pagerduty_sees_it(yielded: str) -> None:
    with vendor(pagerduty) as running:
        params = PagerDutyParams(summary="s", source="x").model_copy(update={"timestamp": yielded})
        (outcome,) = connector_type.deliver(connect(running), [Message(7, "0d9f", params)])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail == f"timestamp is {yielded!r}; use ISO 8601, such as 2026-11-30T08:00:00Z."
    assert not running.calls


@pytest.mark.parametrize("time", ["2026-11-30T08:00:00Z", "2026-11-30T08:00:00.123+01:00", "2026-11-30T08:00:00+0000"])
def test_a_time_goes_out_as_it_is(time: str) -> None:
    with vendor(pagerduty) as running:
        assert deliver(running, {"summary": "s", "source": "x", "timestamp": time}).reason is Reason.OK
    assert running.calls[0].json["payload"]["timestamp"] == time


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"status": "invalid event", "message": "Event object is invalid"}, "Event object is invalid"),
        (200, {"status": "success"}, "no answer of PagerDuty"),
        (202, {"status": "throttled"}, "no answer of PagerDuty"),
        (202, b"<html>Welcome</html>", "no answer of PagerDuty"),
        (202, ["success"], "no answer of PagerDuty"),
        (204, b"", "no answer of PagerDuty"),
    ],
)
def test_an_answer_that_takes_no_event_is_no_success_whatever_its_status(status: int, body: Any, said: str) -> None:
    with vendor(lambda _: Answer(status, body)) as running:
        outcome = deliver(running, {"summary": "s", "source": "x"})
    assert outcome.reason is Reason.RETRY_HTTP_5XX
    assert said in outcome.detail


@pytest.mark.parametrize("params", [{"severity": "fatal"}, {"event_action": "open"}, {"timestamp": "yesterday"}])
def test_a_value_that_pagerduty_does_not_know_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Use one of|Use ISO 8601"):
        PagerDutyParams.model_validate(params)
