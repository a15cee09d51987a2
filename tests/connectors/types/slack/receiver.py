"""Slack's Web API and its webhooks, as the tests know them.

Sources, at docs.slack.dev: reference/methods/chat.postMessage, auth.test and conversations.info;
reference/block-kit/blocks; messaging/sending-messages-using-incoming-webhooks.
"""

from typing import Any, Final

from tests.vendors import Answer, Call

TOKEN: Final = "xoxb-" + "1" * 24
HOOK: Final = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXX1"
_ARGUMENTS: Final = {"channel", "text", "blocks", "thread_ts", "parse", "unfurl_links", "unfurl_media"}
_HOOK_ARGUMENTS: Final = {"text", "blocks", "thread_ts", "unfurl_links", "unfurl_media"}


def slack(call: Call) -> Answer:
    """Answer a request of a bot; what is wrong with it fails the test."""
    if call.headers.get("authorization") != f"Bearer {TOKEN}":
        return Answer(200, {"ok": False, "error": "invalid_auth"})
    if call.path == "/api/auth.test":
        assert call.method == "POST"
        return Answer(
            200,
            {
                "ok": True,
                "url": "https://works.slack.com/",
                "team": "Works",
                "user": "switchyard",
                "team_id": "T12345678",
                "user_id": "W12345678",
                "bot_id": "B12345678",
            },
        )
    if call.path == "/api/conversations.info":
        assert call.method == "GET"
        (channel,) = call.query["channel"]
        if channel == "C0GONE0000":
            return Answer(200, {"ok": False, "error": "channel_not_found"})
        about = {
            "id": channel,
            "name": "ops",
            "is_archived": channel == "C0ARCHIVED",
            "is_member": channel != "C0OTHERS0",
        }
        return Answer(200, {"ok": True, "channel": about})
    assert (call.method, call.path) == ("POST", "/api/chat.postMessage")
    assert call.headers["content-type"] == "application/json; charset=utf-8"
    sent = call.json
    assert sent.keys() <= _ARGUMENTS
    assert sent["parse"] == "none"
    _check(sent)
    posted = {"type": "message", "text": sent.get("text", ""), "blocks": sent.get("blocks", [])}
    return Answer(200, {"ok": True, "channel": "C123ABC456", "ts": "1503435956.000247", "message": posted})


def slack_webhook(call: Call) -> Answer:
    """Answer a request to a webhook; what is wrong with it fails the test."""
    assert (call.method, call.path) == ("POST", HOOK)
    assert call.headers["content-type"] == "application/json"
    assert "authorization" not in call.headers
    assert call.json.keys() <= _HOOK_ARGUMENTS
    _check(call.json)
    return Answer(200, b"ok")


def _check(sent: dict[str, Any]) -> None:
    assert sent.get("text") or sent.get("blocks")
    assert len(sent.get("text", "")) <= 40_000
    assert len(sent.get("blocks", [])) <= 50
