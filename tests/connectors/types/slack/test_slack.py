"""Messages reach Slack as its Web API and its webhooks take them.

Sources, at docs.slack.dev: reference/methods/chat.postMessage, auth.test and conversations.info;
apis/web-api/rate-limits; reference/block-kit/blocks and composition-objects/text-object;
messaging/sending-messages-using-incoming-webhooks, "Handling errors".
"""

from collections.abc import Callable
from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Connection, Message
from connectors.types.slack import connector_type
from connectors.types.slack.schemas import SlackConfig, SlackParams, SlackSecrets
from tests.connectors.types.sending import rendered
from tests.connectors.types.slack.receiver import HOOK, TOKEN, slack, slack_webhook
from tests.vendors import Answer, Call, Vendor, vendor

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*Hot*"}}


def refusing(error: str, **more: Any) -> Callable[[Call], Answer]:
    return lambda _: Answer(200, {"ok": False, "error": error, **more})


def bot(running: Vendor, token: str = TOKEN, **config: Any) -> Connection[SlackConfig, SlackSecrets]:
    made = SlackConfig.model_validate({"api_url": f"{running.url}/api", "channel": "C123ABC456", **config})
    return Connection(1, 1, made, SlackSecrets.model_validate({"token": token}))


def webhook(running: Vendor) -> Connection[SlackConfig, SlackSecrets]:
    secrets = SlackSecrets.model_validate({"webhook_url": f"{running.url}{HOOK}"})
    return Connection(2, 1, SlackConfig(method="webhook"), secrets)


def deliver(connection: Connection[SlackConfig, SlackSecrets], **params: Any) -> Outcome:
    message = Message(7, "0d9f", SlackParams.model_validate({"text": "Hot"} | params))
    (outcome,) = connector_type.deliver(connection, [message])
    return outcome


def probe(connection: Connection[SlackConfig, SlackSecrets]) -> Step:
    return list(connector_type.probe(connection, timeout=5))[-1]


def test_a_bot_posts_with_every_field() -> None:
    with vendor(slack) as running:
        outcome = deliver(
            bot(running), channel="#ops", blocks=[SECTION], thread_ts="1503435956.000247", unfurl=True, text="Hot"
        )
    assert outcome.reason is Reason.OK
    assert outcome.detail == "Slack took it as 1503435956.000247 in C123ABC456."
    assert running.calls[0].json == {
        "channel": "#ops",
        "text": "Hot",
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*Hot*", "verbatim": True}}],
        "thread_ts": "1503435956.000247",
        "parse": "none",
        "unfurl_links": True,
        "unfurl_media": True,
    }


def test_a_message_without_a_channel_goes_to_that_of_the_connector() -> None:
    with vendor(slack) as running:
        assert deliver(bot(running)).reason is Reason.OK
    assert running.calls[0].json["channel"] == "C123ABC456"


def test_a_webhook_gets_the_message_alone() -> None:
    with vendor(slack_webhook) as running:
        outcome = deliver(webhook(running), blocks=[SECTION])
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Slack took it.")
    assert "XXXX" not in repr(outcome)


def test_values_mention_nobody_and_link_nowhere_while_the_authors_markup_stays() -> None:
    data = {"who": "<!channel> <@U024BE7LH>", "text": "*x* & <https://evil.test|here>"}
    params = {
        "text": "*Alert* <!here> {{ event.data.who }} {{ event.data.text }}",
        "blocks": [
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "_{{ event.data.who }}_"},
                "fields": [{"type": "plain_text", "text": "{{ event.data.who }}"}],
                "accessory": {"type": "button", "url": "https://a.test/?q={{ event.data.text }}&b", "value": "v"},
            }
        ],
    }
    with vendor(slack) as running:
        deliver(bot(running), **rendered(connector_type, bot(running).config, params, data))
    sent = running.calls[0].json
    assert sent["text"] == (
        "*Alert* <!here> &lt;!channel&gt; &lt;@U024BE7LH&gt; \u200b*x*\u200b &amp; &lt;https://evil.test|here&gt;"
    )
    section = sent["blocks"][0]
    assert section["text"]["text"] == "_&lt;!channel&gt; &lt;@U024BE7LH&gt;_"
    assert section["text"]["verbatim"] is True
    assert section["fields"] == [{"type": "plain_text", "text": "<!channel> <@U024BE7LH>"}]
    assert section["accessory"]["url"] == f"https://a.test/?q={data['text']}&b"


def test_a_text_that_is_too_long_is_cut_where_no_escape_is_split() -> None:
    with vendor(slack) as running:
        assert deliver(bot(running), text="x" * 39_997 + "&amp;&amp;").reason is Reason.OK
    assert running.calls[0].json["text"] == "x" * 39_997 + "…"


def test_a_long_message_that_slack_sends_back_was_taken_and_is_not_kept_whole() -> None:
    with vendor(slack) as running:
        outcome = deliver(bot(running), text="é" * 40_000)
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Slack took it as 1503435956.000247 in C123ABC456.")
    assert len(outcome.response["body"]) <= 16 * 1024


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("ratelimited", Reason.RETRY_429),
        ("rate_limited", Reason.RETRY_429),
        ("message_limit_exceeded", Reason.RETRY_429),
        ("fatal_error", Reason.RETRY_HTTP_5XX),
        ("internal_error", Reason.RETRY_HTTP_5XX),
        ("service_unavailable", Reason.RETRY_HTTP_5XX),
        ("team_added_to_org", Reason.RETRY_HTTP_5XX),
        ("org_login_required", Reason.RETRY_HTTP_5XX),
        ("request_timeout", Reason.RETRY_TIMEOUT),
        ("account_inactive", Reason.BAD_CONFIG),
        ("invalid_auth", Reason.BAD_CONFIG),
        ("missing_scope", Reason.BAD_CONFIG),
        ("not_authed", Reason.BAD_CONFIG),
        ("not_allowed_token_type", Reason.BAD_CONFIG),
        ("token_expired", Reason.BAD_CONFIG),
        ("token_revoked", Reason.BAD_CONFIG),
        ("access_denied", Reason.BAD_CONFIG),
        ("team_access_not_granted", Reason.BAD_CONFIG),
        ("msg_too_long", Reason.TOO_LARGE),
        ("msg_blocks_too_long", Reason.TOO_LARGE),
        ("channel_not_found", Reason.PERMANENT_4XX),
        ("not_in_channel", Reason.PERMANENT_4XX),
        ("is_archived", Reason.PERMANENT_4XX),
        ("no_text", Reason.PERMANENT_4XX),
        ("restricted_action", Reason.PERMANENT_4XX),
        ("invalid_blocks", Reason.PERMANENT_4XX),
        ("an_error_of_tomorrow", Reason.PERMANENT_4XX),
    ],
)
def test_what_slack_refuses_with_a_200_has_its_reason(error: str, reason: Reason) -> None:
    with vendor(refusing(error)) as running:
        outcome = deliver(bot(running))
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"Slack refused: {error}.")


@pytest.mark.parametrize("status", [200, 429])
def test_past_the_rate_limit_the_message_waits_as_slack_says(status: int) -> None:
    limited = Answer(status, {"ok": False, "error": "ratelimited"}, {"retry-after": "30"})
    with vendor(lambda _: limited) as running:
        outcome = deliver(bot(running))
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 30.0)


def test_what_is_wrong_with_blocks_is_told_in_slacks_words() -> None:
    more = {"response_metadata": {"messages": ["[ERROR] unsupported type: sections [json-pointer:/blocks/0/type]"]}}
    with vendor(refusing("invalid_blocks", **more)) as running:
        outcome = deliver(bot(running), blocks=[{"type": "sections"}])
    assert "unsupported type: sections" in outcome.detail


def test_the_scope_that_is_missing_is_named() -> None:
    with vendor(refusing("missing_scope", needed="chat:write", provided="users:read")) as running:
        assert "It needs chat:write." in deliver(bot(running)).detail


def test_an_answer_that_says_yes_and_no_more_is_told_without_a_place() -> None:
    with vendor(lambda _: Answer(200, {"ok": True})) as running:
        assert deliver(bot(running)).detail == "Slack took it."


def test_a_200_that_is_not_slacks_is_tried_again() -> None:
    with vendor(lambda _: Answer(200, b"<html>Welcome to the Wi-Fi</html>")) as running:
        assert deliver(bot(running)).reason is Reason.RETRY_HTTP_5XX
        assert deliver(webhook(running)).reason is Reason.RETRY_HTTP_5XX


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, b"invalid_payload", Reason.PERMANENT_4XX),
        (400, b"user_not_found", Reason.PERMANENT_4XX),
        (400, b"no_text", Reason.PERMANENT_4XX),
        (403, b"action_prohibited", Reason.BAD_CONFIG),
        (403, b"invalid_token", Reason.BAD_CONFIG),
        (404, b"channel_not_found", Reason.BAD_CONFIG),
        (404, b"no_service", Reason.BAD_CONFIG),
        (404, b"no_active_hooks", Reason.BAD_CONFIG),
        (410, b"channel_is_archived", Reason.PERMANENT_410),
        (429, b"", Reason.RETRY_429),
        (500, b"rollup_error", Reason.RETRY_HTTP_5XX),
    ],
)
def test_what_a_webhook_answers_has_its_reason(status: int, body: bytes, reason: Reason) -> None:
    with vendor(lambda _: Answer(status, body, {"retry-after": "1"} if status == 429 else {})) as running:
        outcome = deliver(webhook(running))
    assert outcome.reason is reason
    assert body.decode() in outcome.detail


@pytest.mark.parametrize(
    ("config", "channel", "is_allowed"),
    [
        (["C0AAAAAAA", "#ops"], "C0AAAAAAA", True),
        (["C0AAAAAAA", "#ops"], "ops", True),
        (["C0AAAAAAA", "ops"], "#ops", True),
        (["C0AAAAAAA"], "C123ABC456", True),  # the connector's own
        (["C0AAAAAAA"], "#general", False),
        ([], "#general", True),
    ],
)
def test_a_bot_posts_to_allowed_channels_only(config: list[str], channel: str, is_allowed: bool) -> None:
    with vendor(slack) as running:
        outcome = deliver(bot(running, allowed_channels=config), channel=channel)
    assert outcome.reason is (Reason.OK if is_allowed else Reason.TEMPLATE_ERROR)
    assert len(running.calls) == is_allowed
    assert is_allowed or f"channel is {channel!r}" in outcome.detail


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}, "blocks[0].text.text"),
        ({"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}, "blocks[0].text.text"),
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}, "blocks[0].fields[0].text"),
        ({"type": "markdown", "text": "x" * 12_001}, "blocks[0].text"),
    ],
)
def test_a_block_that_is_too_long_is_refused_by_its_place(block: dict[str, Any], place: str) -> None:
    with vendor(slack) as running:
        outcome = deliver(bot(running), blocks=[block])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail.startswith(f"{place} has ")
    assert not running.calls


def test_a_bot_without_any_channel_says_so() -> None:
    with vendor(slack) as running:
        outcome = deliver(bot(running, channel=""))
    assert (outcome.reason, "channel is empty" in outcome.detail) == (Reason.TEMPLATE_ERROR, True)


def test_a_webhook_takes_no_channel() -> None:
    with vendor(slack_webhook) as running:
        assert "channel is set" in deliver(webhook(running), channel="#ops").detail


def test_an_author_may_let_slack_parse_a_text() -> None:
    text = {"type": "mrkdwn", "text": "https://a.test", "verbatim": False}
    with vendor(slack) as running:
        deliver(bot(running), blocks=[{"type": "section", "text": text}])
    assert running.calls[0].json["blocks"][0]["text"] == text


@pytest.mark.parametrize("params", [{}, {"text": "  "}, {"text": "", "blocks": []}])
def test_an_empty_message_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no empty message"):
        SlackParams.model_validate(params)


@pytest.mark.parametrize("config", [{"channel": "#ops"}, {"allowed_channels": ["#ops"]}])
def test_a_webhook_cannot_be_given_channels(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a webhook posts to the channel"):
        SlackConfig.model_validate({"method": "webhook", **config})


def test_the_test_of_a_bot_says_who_it_is_and_looks_its_channels_up() -> None:
    with vendor(slack) as running:
        steps = list(connector_type.probe(bot(running, allowed_channels=["C0OTHERS0", "#named"]), timeout=5))
    assert [step.name for step in steps[-2:]] == ["authenticate", "channels"]
    assert steps[-2].detail == "The token belongs to switchyard in Works."
    assert steps[-1].reason is Reason.OK
    assert "invite it" in steps[-1].advice
    assert [call.path for call in running.calls][1:] == ["/api/conversations.info"] * 2


@pytest.mark.parametrize("channel", ["C0GONE0000", "C0ARCHIVED"])
def test_the_test_of_a_bot_finds_a_channel_that_cannot_be_posted_to(channel: str) -> None:
    with vendor(slack) as running:
        step = probe(bot(running, channel=channel))
    assert (step.name, step.reason) == ("channels", Reason.BAD_CONFIG)


def test_the_test_of_a_bot_finds_a_wrong_token() -> None:
    with vendor(slack) as running:
        step = probe(bot(running, token="xoxb-2"))
    assert (step.name, step.reason) == ("authenticate", Reason.BAD_CONFIG)
    assert "invalid_auth" in step.detail


def test_the_test_of_a_webhook_posts_nothing_and_does_not_show_its_address() -> None:
    with vendor(lambda _: Answer(200)) as running:
        step = probe(webhook(running))
    assert (step.name, step.reason) == ("webhook", Reason.OK)
    assert [(call.method, call.path) for call in running.calls] == [("HEAD", "/")]


def test_a_webhook_of_kibana_becomes_a_connector() -> None:
    adopted = connector_type.adopt_as(".slack", {})
    assert (adopted.config, adopted.awaited) == ({"method": "webhook"}, ("webhook_url",))
    SlackConfig.model_validate(adopted.config)


def test_an_api_connector_of_kibana_becomes_a_connector_with_its_channels() -> None:
    channels = [{"id": "C024BE91L", "name": "ops"}, {"name": "general"}]
    adopted = connector_type.adopt_as(".slack_api", {"allowedChannels": channels})
    assert adopted.awaited == ("token",)
    assert SlackConfig.model_validate(adopted.config).allowed_channels == ["C024BE91L", "ops", "general"]
    assert connector_type.adopt_as(".slack_api", {"allowedChannels": None}).usable


def test_only_the_secret_of_its_way_is_missing() -> None:
    assert connector_type.missing_secrets(SlackConfig(), SlackSecrets()) == ["token"]
    assert connector_type.missing_secrets(SlackConfig(method="webhook"), SlackSecrets()) == ["webhook_url"]
