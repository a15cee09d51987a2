"""Messages reach Microsoft Teams as its workflows, and the older connectors, take them.

Sources, at learn.microsoft.com: connectors/teams, "Microsoft Teams Webhook" and "Known issues and limitations";
microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using, "Rate limiting for connectors";
adaptive-cards/authoring-cards/text-features; azure/logic-apps, error codes of the request trigger.
"""

from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.teams import connector_type
from connectors.types.teams.schemas import TeamsConfig, TeamsParams, TeamsSecrets
from tests.connectors.types.sending import rendered
from tests.connectors.types.teams.receiver import LIMIT, PATH, SIGNATURE, teams
from tests.vendors import Answer, Vendor, vendor

THROTTLED = (
    "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId "
    "tcid=0,server=PublicEndpoint,cv=abc"
)


def connection(running: Vendor) -> Connection[TeamsConfig, TeamsSecrets]:
    url = f"{running.url}{PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
    return Connection(1, 1, TeamsConfig(), TeamsSecrets.model_validate({"webhook_url": url}))


def deliver(running: Vendor, **params: Any) -> Outcome:
    message = Message(7, "0d9f", TeamsParams.model_validate(params))
    (outcome,) = connector_type.deliver(connection(running), [message])
    return outcome


def card(running: Vendor) -> Any:
    return running.calls[0].json["attachments"][0]["content"]


def test_a_message_is_a_card_of_title_and_text() -> None:
    with vendor(teams) as running:
        outcome = deliver(running, title="Too hot", message="**31** degrees")
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Teams took it.")
    assert SIGNATURE not in repr(outcome)
    assert card(running)["body"] == [
        {"type": "TextBlock", "text": "Too hot", "size": "Large", "weight": "Bolder", "wrap": True},
        {"type": "TextBlock", "text": "**31** degrees", "wrap": True},
    ]


def test_a_card_is_sent_as_it_was_written() -> None:
    written = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "x"}]}
    with vendor(teams) as running:
        assert deliver(running, card=written).reason is Reason.OK
    assert card(running) == written


def test_values_link_nowhere_and_format_nothing_while_the_authors_markup_stays() -> None:
    data = {"x": "**a** [b](https://evil.test) <at>Everyone</at>", "url": "https://a.test/?q=1&r=_x_"}
    escaped = r"\*\*a\*\* \[b\]\(https\://evil\.test\) \<at\>Everyone\</at\>"
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": "_{{ event.data.x }}_"},
        {"type": "FactSet", "facts": [{"title": "{{ event.data.x }}", "value": "{{ event.data.x }}"}]},
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "{{ event.data.x }}"}]},
        {
            "type": "ActionSet",
            "actions": [{"type": "Action.OpenUrl", "title": "{{ event.data.x }}", "url": "{{ event.data.url }}"}],
        },
    ]
    with vendor(teams) as running:
        params: dict[str, Any] = {"title": "# {{ event.data.x }}", "message": "[see]({{ event.data.x }})"}
        deliver(running, **rendered(connector_type, TeamsConfig(), params, data))
        params = {"card": {"type": "AdaptiveCard", "version": "1.4", "body": body}}
        deliver(running, **rendered(connector_type, TeamsConfig(), params, data))
    first, second = (call.json["attachments"][0]["content"]["body"] for call in running.calls)
    assert first[0]["text"] == f"# {escaped}"
    assert first[1]["text"] == f"[see]({escaped})"
    assert second[0]["text"] == f"_{escaped}_"
    assert second[1]["facts"] == [{"title": escaped, "value": escaped}]
    assert second[2]["inlines"][0]["text"] == data["x"]
    assert second[3]["actions"][0] == {"type": "Action.OpenUrl", "title": data["x"], "url": data["url"]}


@pytest.mark.parametrize("text", ["x" * 40_000, "é" * 40_000, "\U0001f525" * 40_000, '"' * 40_000, r"\." * 20_000])
def test_a_message_that_is_too_long_is_cut_to_what_fits(text: str) -> None:
    with vendor(teams) as running:
        assert deliver(running, title="t" * 5000, message=text).reason is Reason.OK
    assert LIMIT - 16 < len(running.calls[0].body) <= LIMIT
    sent = card(running)["body"][1]["text"]
    assert sent.endswith("…")
    assert not sent.endswith("\\…")


def test_a_card_that_is_too_large_is_refused_by_its_field() -> None:
    large = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "x" * LIMIT}]}
    with vendor(teams) as running:
        outcome = deliver(running, card=large)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail.startswith("card makes a message of ")
    assert not running.calls


def test_a_card_that_is_none_is_refused_by_its_field() -> None:
    with vendor(teams) as running:
        assert "card.type is 'MessageCard'" in deliver(running, card={"type": "MessageCard"}).detail


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"1", Reason.OK),
        (202, b"", Reason.OK),
        (200, THROTTLED.encode(), Reason.RETRY_429),
        (200, b"{'ErrorCode':'ApplicationThrottled'}", Reason.RETRY_429),
        (200, THROTTLED.replace("429", "413").encode(), Reason.TOO_LARGE),
        (200, THROTTLED.replace("429", "502").encode(), Reason.RETRY_HTTP_5XX),
        (200, THROTTLED.replace("429", "403").encode(), Reason.PERMANENT_4XX),
        (200, b"Webhook message delivery failed with error: no reason", Reason.PERMANENT_4XX),
        (400, b"Summary or Text is required.", Reason.PERMANENT_4XX),
        (413, b"", Reason.TOO_LARGE),
        (429, b"", Reason.RETRY_429),
        (500, b"", Reason.RETRY_HTTP_5XX),
    ],
)
def test_what_teams_answers_has_its_reason(status: int, body: bytes, reason: Reason) -> None:
    with vendor(lambda _: Answer(status, body)) as running:
        assert deliver(running, message="m").reason is reason


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "WorkflowNotFound", Reason.BAD_CONFIG),
        (400, "WorkflowTriggerIsNotEnabled", Reason.BAD_CONFIG),
        (401, "DirectApiAuthorizationRequired", Reason.BAD_CONFIG),
        (400, "TriggerInputSchemaMismatch", Reason.PERMANENT_4XX),
        (429, "WorkflowRunActionRateLimitExceeded", Reason.RETRY_429),
    ],
)
def test_what_a_workflow_refuses_has_its_reason(status: int, code: str, reason: Reason) -> None:
    with vendor(lambda _: Answer(status, {"error": {"code": code, "message": "Told why."}})) as running:
        outcome = deliver(running, message="m")
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"HTTP {status}: {code}.")


def test_past_the_rate_limit_the_message_waits_as_teams_says() -> None:
    with vendor(lambda _: Answer(429, b"", {"retry-after": "17"})) as running:
        assert deliver(running, message="m").retry_after == 17.0


@pytest.mark.parametrize("params", [{}, {"title": " "}, {"message": "m", "card": {"type": "AdaptiveCard"}}])
def test_a_message_is_a_text_or_a_card(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a title and a message, or a card"):
        TeamsParams.model_validate(params)


def test_the_test_of_a_workflow_posts_nothing() -> None:
    with vendor(lambda _: Answer(200)) as running:
        steps = list(connector_type.probe(connection(running), timeout=5))
    assert steps[-1].reason is Reason.OK
    assert "shows with the first message" in steps[-1].detail
    assert [(call.method, call.path, call.query) for call in running.calls] == [("HEAD", "/", {})]


def test_a_connector_of_kibana_becomes_one_that_waits_for_its_address() -> None:
    adopted = connector_type.adopt_as(".teams", {})
    assert (adopted.config, adopted.awaited) == ({}, ("webhook_url",))
