"""Messages reach Discord as "Execute Webhook" takes them.

Sources, at docs.discord.com/developers: resources/webhook, resources/message ("Embed Limits", "Allowed Mentions"),
topics/rate-limits, topics/opcodes-and-status-codes, reference ("Error Messages").
"""

from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.discord import connector_type
from connectors.types.discord.schemas import DiscordConfig, DiscordParams, DiscordSecrets
from tests.connectors.types.discord.receiver import ID, KEY, discord
from tests.connectors.types.sending import rendered
from tests.vendors import Answer, Vendor, vendor


def connection(running: Vendor, key: str = KEY) -> Connection[DiscordConfig, DiscordSecrets]:
    secrets = DiscordSecrets.model_validate({"webhook_url": f"{running.url}/api/webhooks/{ID}/{key}"})
    return Connection(1, 1, DiscordConfig(), secrets)


def deliver(running: Vendor, key: str = KEY, **params: Any) -> Outcome:
    message = Message(7, "0d9f", DiscordParams.model_validate({"content": "Hot"} | params))
    (outcome,) = connector_type.deliver(connection(running, key), [message])
    return outcome


def test_a_message_carries_every_field() -> None:
    embed = {
        "title": "Too hot",
        "description": "31 degrees",
        "url": "https://a.test",
        "timestamp": "2026-11-30T08:00:00Z",
        "color": 0,
        "author": {"name": "sensor 7"},
        "footer": {"text": "Berlin"},
        "image": {"url": "https://a.test/i.png"},
        "thumbnail": {"url": "https://a.test/t.png"},
        "fields": [{"name": "site", "value": "7", "inline": True}],
    }
    with vendor(discord) as running:
        outcome = deliver(
            running,
            embeds=[embed, {"title": "t"}],
            username="Switchyard",
            avatar_url="https://a.test/a.png",
            mentions=["roles"],
            thread_id="42",
            silent=True,
        )
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Discord took it as 1.")
    assert KEY not in repr(outcome)
    assert running.calls[0].query["thread_id"] == ["42"]
    assert running.calls[0].json == {
        "content": "Hot",
        "embeds": [embed, {"title": "t"}],
        "username": "Switchyard",
        "avatar_url": "https://a.test/a.png",
        "allowed_mentions": {"parse": ["roles"]},
        "flags": 4096,
    }


def test_a_message_notifies_nobody_unless_its_author_says_so() -> None:
    with vendor(discord) as running:
        deliver(running, content="@everyone <@&123>", thread_name="n" * 200)
    assert running.calls[0].json["allowed_mentions"] == {"parse": []}


def test_values_mention_nobody_even_where_the_author_lets_others_be_mentioned() -> None:
    data = {"x": "@everyone <@80351110224678912> **b** [x](https://evil.test)"}
    params = {
        "content": "**Alert** @here {{ event.data.x }}",
        "mentions": ["everyone"],
        "embeds": [
            {
                "title": "{{ event.data.x }}",
                "url": "https://a.test/?q={{ event.data.x | urlencode }}",
                "author": {"name": "{{ event.data.x }}"},
                "fields": [{"name": "{{ event.data.x }}", "value": "_{{ event.data.x }}_"}],
            }
        ],
    }
    with vendor(discord) as running:
        deliver(running, **rendered(connector_type, DiscordConfig(), params, data))
    sent = running.calls[0].json
    escaped = "@\u200beveryone \\<@\u200b80351110224678912> \\*\\*b\\*\\* \\[x\\](https\\://evil.test)"
    assert sent["content"] == f"**Alert** @here {escaped}"
    embed = sent["embeds"][0]
    assert embed["title"] == escaped
    assert embed["fields"][0] == {"name": escaped, "value": f"_{escaped}_", "inline": False}
    assert embed["author"]["name"] == data["x"]
    assert "%40everyone" in embed["url"]


@pytest.mark.parametrize("text", ["x" * 2001, "é" * 5000, "x" * 1998 + "\\*\\*"])
def test_a_text_that_is_too_long_is_cut_where_no_escape_is_split(text: str) -> None:
    with vendor(discord) as running:
        assert deliver(running, content=text, username="u" * 200).reason is Reason.OK
    sent = running.calls[0].json["content"]
    assert sent.endswith("…")
    assert not sent.endswith("\\…")
    assert len(sent) >= 1999


def test_a_long_message_that_discord_sends_back_was_taken() -> None:
    embed = {"description": "é" * 3000, "fields": [{"name": "é" * 200, "value": "é" * 1000}]}
    with vendor(discord) as running:
        assert deliver(running, content="é" * 2000, embeds=[embed]).reason is Reason.OK


@pytest.mark.parametrize(
    ("embed", "place"),
    [
        ({"title": "x" * 257}, "embeds[0].title has 257"),
        ({"description": "x" * 4097}, "embeds[0].description has 4,097"),
        ({"author": {"name": "x" * 257}}, "embeds[0].author.name has 257"),
        ({"footer": {"text": "x" * 2049}}, "embeds[0].footer.text has 2,049"),
        ({"fields": [{"name": "x", "value": "x" * 1025}]}, "embeds[0].fields[0].value has 1,025"),
        ({"description": "x" * 4096, "footer": {"text": "x" * 2000}}, "embeds have 6,096"),
    ],
)
def test_an_embed_that_is_too_long_is_refused_by_its_place(embed: dict[str, Any], place: str) -> None:
    with vendor(discord) as running:
        outcome = deliver(running, embeds=[embed])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail.startswith(place)
    assert not running.calls


@pytest.mark.parametrize("is_global", [False, True])
def test_past_the_rate_limit_the_message_waits_as_the_body_says(is_global: bool) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 64.57, "global": is_global}
    with vendor(lambda _: Answer(429, limited, {"retry-after": "65"})) as running:
        outcome = deliver(running)
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 64.57)


def test_a_rate_limit_without_a_body_is_that_of_the_header() -> None:
    with vendor(lambda _: Answer(429, b"error code: 1015", {"retry-after": "65"})) as running:
        assert deliver(running).retry_after == 65.0


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, 10015, Reason.BAD_CONFIG),
        (401, 50027, Reason.BAD_CONFIG),
        (404, 10003, Reason.PERMANENT_4XX),
        (400, 50006, Reason.PERMANENT_4XX),
        (500, 0, Reason.RETRY_HTTP_5XX),
    ],
)
def test_what_discord_refuses_has_its_reason(status: int, code: int, reason: Reason) -> None:
    with vendor(lambda _: Answer(status, {"message": "Told why", "code": code})) as running:
        outcome = deliver(running)
    assert outcome.reason is reason
    assert outcome.detail.startswith(f"HTTP {status}: Told why")


def test_what_is_wrong_with_a_form_is_told_by_its_place() -> None:
    error = {"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}
    form = {"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": {"0": {"url": {"_errors": [error]}}}}}
    with vendor(lambda _: Answer(400, form)) as running:
        outcome = deliver(running)
    assert outcome.detail == "HTTP 400: Invalid Form Body embeds.0.url: This field is required"


@pytest.mark.parametrize("thread", ["abc", "1/../2", "١"])
def test_a_thread_that_is_no_number_is_refused_when_sent(thread: str) -> None:
    with vendor(discord) as running:
        params = DiscordParams.model_construct(content="x", thread_id=thread, embeds=[])
        (outcome,) = connector_type.deliver(connection(running), [Message(7, "0d9f", params)])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail.startswith("thread_id is ")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"content": " "},
        {"content": "x", "thread_id": "general"},
        {"content": "x", "thread_id": "1", "thread_name": "n"},
        {"content": "x", "mentions": ["here"]},
        {"embeds": [{"titel": "t"}]},
    ],
)
def test_what_discord_would_not_take_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        DiscordParams.model_validate(params)


def test_an_address_with_a_query_is_refused_without_being_told() -> None:
    with pytest.raises(ValueError, match="question mark") as caught:
        DiscordSecrets.model_validate({"webhook_url": f"https://discord.com/api/webhooks/{ID}/{KEY}?wait=true"})
    assert KEY not in str(caught.value)


def test_the_test_of_a_webhook_says_what_it_is() -> None:
    with vendor(discord) as running:
        step = list(connector_type.probe(connection(running), timeout=5))[-1]
    assert (step.name, step.reason) == ("webhook", Reason.OK)
    assert step.detail == "The webhook alerts posts to channel 199737254929760256."


def test_the_test_of_a_webhook_finds_that_it_is_gone() -> None:
    with vendor(discord) as running:
        step = list(connector_type.probe(connection(running, key="0" * 68), timeout=5))[-1]
    assert (step.name, step.reason) == ("webhook", Reason.BAD_CONFIG)
    assert "Invalid Webhook Token" in step.detail
