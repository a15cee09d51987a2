"""Messages reach Telegram as the Bot API takes them.

Source: core.telegram.org/bots/api: "Making requests", "sendMessage", "ReplyParameters", "LinkPreviewOptions", "getMe",
"getChat", "ResponseParameters".
"""

from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.telegram import connector_type
from connectors.types.telegram.schemas import TelegramConfig, TelegramParams, TelegramSecrets
from tests.connectors.types.sending import rendered
from tests.connectors.types.telegram.receiver import GROUP, TOKEN, refused, telegram
from tests.vendors import Answer, Vendor, vendor


def connection(running: Vendor, token: str = TOKEN, chat: str = GROUP) -> Connection[TelegramConfig, TelegramSecrets]:
    config = TelegramConfig(api_url=running.url, chat_id=chat)
    return Connection(1, 1, config, TelegramSecrets.model_validate({"token": token}))


def deliver(running: Vendor, token: str = TOKEN, chat: str = GROUP, **params: Any) -> Outcome:
    message = Message(7, "0d9f", TelegramParams.model_validate({"text": "Hot"} | params))
    (outcome,) = connector_type.deliver(connection(running, token, chat), [message])
    return outcome


def test_a_message_carries_every_field() -> None:
    with vendor(telegram) as running:
        outcome = deliver(
            running,
            chat_id="@alerts",
            text="<b>Hot</b>",
            message_thread_id="3",
            reply_to_message_id="41",
            previews=True,
            silent=True,
        )
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Telegram took it as message 42.")
    assert running.calls[0].json == {
        "chat_id": "@alerts",
        "text": "<b>Hot</b>",
        "parse_mode": "HTML",
        "message_thread_id": 3,
        "reply_parameters": {"message_id": 41, "allow_sending_without_reply": True},
        "link_preview_options": {"is_disabled": False},
        "disable_notification": True,
    }


@pytest.mark.parametrize("token", [TOKEN, "1:wrong-token-of-a-bot"])
def test_the_token_is_told_nowhere(token: str) -> None:
    with vendor(telegram) as running:
        told = [
            repr(deliver(running, token=token)),
            repr(connection(running, token)),
            repr(list(connector_type.probe(connection(running, token), timeout=5))),
        ]
    for text in told:
        assert token not in text
        assert token.partition(":")[2] not in text


def test_a_message_without_a_chat_goes_to_that_of_the_connector() -> None:
    with vendor(telegram) as running:
        deliver(running)
        outcome = deliver(running, chat="")
    assert running.calls[0].json["chat_id"] == GROUP
    assert (outcome.reason, len(running.calls)) == (Reason.TEMPLATE_ERROR, 1)
    assert outcome.detail.startswith("chat_id is empty")


@pytest.mark.parametrize(
    ("mode", "template", "expected"),
    [
        (
            "HTML",
            '<b>{{ event.data.x }}</b> <a href="{{ event.data.url }}">see</a> @ops',
            '<b>&lt;b&gt; @\u200bops _*x*_</b> <a href="https://a.test/?a=&quot;&amp;b=%40c">see</a> @ops',
        ),
        (
            "MarkdownV2",
            "*{{ event.data.x }}* [see]({{ event.data.url }})",
            '*<b\\> @\u200bops \\_\\*x\\*\\_* [see](https://a\\.test/?a\\="&b\\=%40c)',
        ),
        ("none", "{{ event.data.x }}", "<b> @\u200bops _*x*_"),
    ],
)
def test_values_mention_nobody_and_format_nothing_while_the_authors_markup_stays(
    mode: str, template: str, expected: str
) -> None:
    data = {"x": "<b> @ops _*x*_", "url": 'https://a.test/?a="&b=@c'}
    with vendor(telegram) as running:
        params = rendered(connector_type, TelegramConfig(), {"text": template, "parse_mode": mode}, data)
        deliver(running, **params)
    assert running.calls[0].json["text"] == expected
    assert running.calls[0].json.get("parse_mode", "none") == mode


def test_a_long_message_that_telegram_sends_back_was_taken() -> None:
    with vendor(telegram) as running:
        assert deliver(running, text="<b>x</b>" * 2000).reason is Reason.OK


def test_past_the_rate_limit_the_message_waits_as_the_body_says() -> None:
    with vendor(lambda _: refused(429, "Too Many Requests: retry after 35", retry_after=35)) as running:
        outcome = deliver(running)
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 35.0)


@pytest.mark.parametrize(
    ("status", "description", "reason"),
    [
        (400, "Bad Request: chat not found", Reason.PERMANENT_4XX),
        (400, 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0', Reason.PERMANENT_4XX),
        (400, "Bad Request: message is too long", Reason.TOO_LARGE),
        (401, "Unauthorized", Reason.BAD_CONFIG),
        (403, "Forbidden: bot was kicked from the supergroup chat", Reason.PERMANENT_4XX),
        (404, "Not Found", Reason.BAD_CONFIG),
        (500, "Internal Server Error: restart", Reason.RETRY_HTTP_5XX),
        (502, "Bad Gateway", Reason.RETRY_HTTP_5XX),
    ],
)
def test_what_telegram_refuses_has_its_reason(status: int, description: str, reason: Reason) -> None:
    with vendor(lambda _: refused(status, description)) as running:
        outcome = deliver(running)
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"Telegram refused: {description}.")


def test_a_group_that_moved_is_told_with_its_new_number() -> None:
    description = "Bad Request: group chat was upgraded to a supergroup chat"
    with vendor(lambda _: refused(400, description, migrate_to_chat_id=-1009)) as running:
        assert deliver(running).detail.endswith("Use the chat -1009.")


def test_a_200_that_is_not_telegrams_is_tried_again() -> None:
    with vendor(lambda _: Answer(200, b"<html>Welcome to the Wi-Fi</html>")) as running:
        assert deliver(running).reason is Reason.RETRY_HTTP_5XX


@pytest.mark.parametrize(
    ("field", "value"),
    [("chat_id", "ops"), ("chat_id", "12 3"), ("message_thread_id", "x"), ("reply_to_message_id", "9" * 40)],
)
def test_what_templates_yield_is_checked_with_the_field_named(field: str, value: str) -> None:
    with vendor(telegram) as running:
        plain = TelegramParams(text="Hot").model_copy(update={field: value})
        (outcome,) = connector_type.deliver(connection(running), [Message(7, "0d9f", plain)])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail.startswith(f"{field} is ")
    assert not running.calls


@pytest.mark.parametrize(
    "params",
    [{}, {"text": " "}, {"text": "x", "parse_mode": "Markdown"}, {"text": "x", "message_thread_id": "general"}],
)
def test_what_telegram_would_not_take_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TelegramParams.model_validate(params)


@pytest.mark.parametrize("chat", ["ops", "https://t.me/ops", "-"])
def test_a_chat_that_is_none_is_refused_when_saved(chat: str) -> None:
    with pytest.raises(ValueError, match="the number of a chat"):
        TelegramConfig(chat_id=chat)


def test_the_test_of_a_bot_says_who_it_is_and_where_messages_go() -> None:
    with vendor(telegram) as running:
        steps = list(connector_type.probe(connection(running), timeout=5))
    assert [(step.name, step.detail) for step in steps[-2:]] == [
        ("authenticate", "The token belongs to @works_bot."),
        ("chat", "Messages go to the supergroup Operators."),
    ]
    assert {call.method for call in running.calls} == {"GET"}


def test_the_test_of_a_bot_finds_a_wrong_token_and_a_wrong_chat() -> None:
    with vendor(telegram) as running:
        wrong_token = list(connector_type.probe(connection(running, token="1:x"), timeout=5))[-1]
        wrong_chat = list(connector_type.probe(connection(running, chat="@nobody"), timeout=5))[-1]
    assert (wrong_token.name, wrong_token.reason) == ("authenticate", Reason.BAD_CONFIG)
    assert (wrong_chat.name, wrong_chat.reason) == ("chat", Reason.BAD_CONFIG)
    assert "chat not found" in wrong_chat.detail
