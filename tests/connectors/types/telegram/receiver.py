"""Telegram's Bot API, as the tests know it.

Source: core.telegram.org/bots/api: "Making requests", "sendMessage", "getMe", "getChat", "ResponseParameters".
"""

from typing import Any

from tests.vendors import Answer, Call

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
GROUP = "-1001234567890"
_FIELDS = {
    "chat_id",
    "text",
    "parse_mode",
    "link_preview_options",
    "disable_notification",
    "message_thread_id",
    "reply_parameters",
}


def telegram(call: Call) -> Answer:
    _, bot, method = call.path.split("/")
    if bot != f"bot{TOKEN}":
        return refused(401, "Unauthorized")
    if method == "getMe":
        return Answer(200, {"ok": True, "result": {"id": 110201543, "is_bot": True, "username": "works_bot"}})
    if method == "getChat":
        if call.query["chat_id"] != [GROUP]:
            return refused(400, "Bad Request: chat not found")
        return Answer(200, {"ok": True, "result": {"id": int(GROUP), "type": "supergroup", "title": "Operators"}})
    assert (call.method, method) == ("POST", "sendMessage")
    assert call.headers["content-type"] == "application/json"
    sent = call.json
    assert sent.keys() <= _FIELDS
    assert sent.get("parse_mode") in {None, "HTML", "MarkdownV2"}
    assert sent["text"]
    if "parse_mode" not in sent:
        assert len(sent["text"].encode("utf-16-le")) <= 4096 * 2
    entities = [{"type": "bold", "offset": n, "length": 1} for n in range(sent["text"].count("<b>"))]
    posted = {"message_id": 42, "chat": {"id": int(GROUP)}, "text": sent["text"], "entities": entities}
    return Answer(200, {"ok": True, "result": posted})


def refused(status: int, description: str, **parameters: Any) -> Answer:
    more = {"parameters": parameters} if parameters else {}
    return Answer(status, {"ok": False, "error_code": status, "description": description, **more})
