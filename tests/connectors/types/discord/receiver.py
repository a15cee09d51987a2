"""A webhook of Discord, as the tests know it.

Sources, at docs.discord.com/developers: resources/webhook, resources/message ("Embed Limits", "Allowed Mentions").
"""

from tests.vendors import Answer, Call

ID, KEY = "223704706495545344", "3d89bb7572e0fb30d8128367b3b1b44fecd1726de135cbe28a41f8b2f777c372ba29"
_FIELDS = {"content", "embeds", "username", "avatar_url", "allowed_mentions", "flags", "thread_name"}
_EMBED_LIMITS = {"title": 256, "description": 4096}


def discord(call: Call) -> Answer:
    path, _, key = call.path.rpartition("/")
    assert path == f"/api/webhooks/{ID}"
    if key != KEY:
        return Answer(401, {"message": "Invalid Webhook Token", "code": 50027})
    if call.method == "GET":
        about = {"id": ID, "type": 1, "name": "alerts", "channel_id": "199737254929760256", "token": KEY}
        return Answer(200, about)
    assert call.method == "POST"
    assert call.headers["content-type"] == "application/json"
    assert call.query["wait"] == ["true"]
    assert call.query.keys() <= {"wait", "thread_id"}
    sent = call.json
    assert sent.keys() <= _FIELDS
    assert sent.get("content") or sent.get("embeds")
    assert len(sent.get("content", "")) <= 2000
    assert set(sent["allowed_mentions"]["parse"]) <= {"everyone", "roles", "users"}
    assert len(sent.get("username", "x")) <= 80
    assert len(sent.get("thread_name", "x")) <= 100
    assert len(sent.get("embeds", [])) <= 10
    for embed in sent.get("embeds", []):
        assert all(len(embed.get(name, "")) <= most for name, most in _EMBED_LIMITS.items())
    posted = {"content": sent.get("content", ""), "embeds": sent.get("embeds", []), "mentions": []}
    return Answer(200, {"id": "1", "channel_id": "199737254929760256", **posted})
