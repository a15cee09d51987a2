"""The walks: for each type of connector its destination, what its actions say, and what must arrive."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from tests.connectors.types import ops_alerts
from tests.connectors.types.apprise.scenarios import TAKEN
from tests.connectors.types.discord import receiver as discord
from tests.connectors.types.index import receiver as index
from tests.connectors.types.jira import site as jira
from tests.connectors.types.openai import receiver as openai
from tests.connectors.types.pagerduty import receiver as pagerduty
from tests.connectors.types.servicenow import instance as servicenow
from tests.connectors.types.slack import receiver as slack
from tests.connectors.types.teams import receiver as teams
from tests.connectors.types.telegram import receiver as telegram
from tests.services.transcripts import destinations
from tests.services.transcripts.declared import Step, Walk
from tests.services.transcripts.destinations import receiver
from tests.vendors import Answer

CLICKSEND_KEY: Final = "C11CKS3ND-0123456789abcdef"
HOT, SEEN, COOL = "oven.hot", "oven.seen", "oven.cool"
_OVEN: Final = "oven/{{ event.data.oven }}"
_TEXT: Final = "{{ event.data.text }}"
# The event's text where all of it stands in a JSON string.
_JSON: Final = r"Oven \"7\" <!channel> @everyone <b>*hot*</b>\n[x](https://a.test)"
_FOLDED: Final = r"Oven \"7\" <!channel> @everyone <b>*hot*</b> [x](https://a.test)"

BROKERS: Final = (
    Walk(
        "kafka",
        destinations.kafka,
        _JSON,
        (
            Step(
                "An oven's text goes to a topic, in the order of the oven",
                HOT,
                {"topic": "ovens", "key": _OVEN, "value": {"text": _TEXT, "at": "{{ event.time }}"}},
                ("topic ovens", "key oven/7"),
            ),
        ),
    ),
    Walk(
        "mqtt",
        destinations.mqtt,
        _JSON,
        (
            Step(
                "An oven's text goes to a topic",
                HOT,
                {"topic": "ovens/{{ event.data.oven }}/text", "payload": {"text": _TEXT}, "qos": 2},
                ("topic ovens/7/text, QoS 2",),
            ),
        ),
    ),
    Walk(
        "redis_stream",
        destinations.redis_stream,
        _JSON,
        (
            Step(
                "An oven's text becomes an entry of a stream",
                HOT,
                {"stream": "ovens", "fields": {"oven": "{{ event.data.oven }}", "data": {"text": _TEXT}}},
                ("stream ovens", "oven: 7"),
            ),
        ),
    ),
)

MAIL: Final = (
    Walk(
        "email",
        destinations.mail,
        "Oven &quot;7&quot; &lt;!channel&gt; @everyone &lt;b&gt;*hot*&lt;/b&gt;<br />\n[x](https://a.test)",
        (
            Step(
                "A mail to two people",
                HOT,
                {
                    "to": ["ops@example.com"],
                    "cc": ["Boss <boss@example.com>"],
                    "subject": "Oven {{ event.data.oven }} is too hot",
                    "message": f"**Too hot**: {_TEXT}",
                },
                ("RCPT TO:<ops@example.com>, <boss@example.com>", "<strong>Too hot</strong>"),
            ),
        ),
        apart="mail",
    ),
)

CHAT: Final = (
    Walk(
        "slack",
        receiver(lambda: slack.slack, {"api_url": "{url}/api", "channel": "C123ABC456"}, {"token": slack.TOKEN}),
        r"Oven \"7\" &lt;!channel&gt; @everyone &lt;b&gt;" "\u200b*hot*\u200b" r"&lt;/b&gt;\n[x](https://a.test)",
        (
            Step("A text", HOT, {"text": f"*Too hot*: {_TEXT}"}, ("POST /api/chat.postMessage", '"text":"*Too hot*: ')),
            Step(
                "Block Kit",
                COOL,
                {
                    "text": "Cool again",
                    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": f"_Cool_: {_TEXT}"}}],
                },
                ("POST /api/chat.postMessage", '"text":"_Cool_: '),
            ),
        ),
    ),
    Walk(
        "teams",
        receiver(
            lambda: teams.teams,
            {},
            {
                "webhook_url": f"{{url}}{teams.PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0"
                f"&sig={teams.SIGNATURE}"
            },
        ),
        r"Oven \"7\" \\<\\!channel\\> \\@everyone \\<b\\>\\*hot\\*\\</b\\>\n\\[x\\]\\(https\\://a\\.test\\)",
        (Step("A card of title and text", HOT, {"title": "Too hot", "message": f"**Now**: {_TEXT}"}, ("**Now**",)),),
    ),
    Walk(
        "discord",
        receiver(lambda: discord.discord, {}, {"webhook_url": f"{{url}}/api/webhooks/{discord.ID}/{discord.KEY}"}),
        r"Oven \"7\" \\<!channel> @" "\u200b" r"everyone \\<b>\\*hot\\*\\</b>\n\\[x\\](https\\://a.test)",
        (Step("A text that may notify nobody", HOT, {"content": f"**Too hot**: {_TEXT}"}, ('"parse":[]',)),),
    ),
    Walk(
        "telegram",
        receiver(lambda: telegram.telegram, {"api_url": "{url}", "chat_id": telegram.GROUP}, {"token": telegram.TOKEN}),
        "Oven &quot;7&quot; &lt;!channel&gt; @\u200beveryone &lt;b&gt;*hot*&lt;/b&gt;" r"\n[x](https://a.test)",
        (Step("A text in HTML", HOT, {"text": f"<b>Too hot</b>: {_TEXT}"}, ("/sendMessage", "<b>Too hot</b>")),),
    ),
)

APPRISE: Final = Walk(
    "apprise",
    destinations.services_behind_a_proxy(TAKEN, "rest.clicksend.com", f"clicksend://ovens:{CLICKSEND_KEY}@15551234567"),
    _JSON,
    (Step("A text message to a telephone", HOT, {"title": "Too hot", "body": _TEXT}, ("POST /v3/sms/send",)),),
)

_OPS_ALERT: Final = (
    Step(
        "An alert opens",
        HOT,
        {"alias": _OVEN, "message": f"Too hot: {_TEXT}", "description": _TEXT, "priority": "P2"},
        ('"alias":"oven/7"',),
    ),
    Step(
        "Somebody has seen it",
        SEEN,
        {"sub_action": "acknowledgeAlert", "alias": _OVEN, "note": "Seen."},
        ("/oven%2F7/acknowledge?identifierType=alias",),
    ),
    Step(
        "It closes",
        COOL,
        {"sub_action": "closeAlert", "alias": _OVEN, "note": "Cool again."},
        ("/oven%2F7/close?identifierType=alias",),
    ),
)

ON_CALL: Final = (
    Walk(
        "pagerduty",
        receiver(lambda: pagerduty.pagerduty, {"api_url": "{url}/v2/enqueue"}, {"routing_key": pagerduty.KEY}),
        _JSON,
        (
            Step(
                "An incident opens",
                HOT,
                {
                    "dedup_key": _OVEN,
                    "summary": f"Too hot: {_TEXT}",
                    "severity": "critical",
                    "custom_details": {"text": _TEXT},
                },
                ('"event_action":"trigger"', '"dedup_key":"oven/7"'),
            ),
            Step(
                "Somebody has seen it",
                SEEN,
                {"event_action": "acknowledge", "dedup_key": _OVEN},
                ('"event_action":"acknowledge"', '"dedup_key":"oven/7"'),
            ),
            Step(
                "It is resolved",
                COOL,
                {"event_action": "resolve", "dedup_key": _OVEN},
                ('"event_action":"resolve"', '"dedup_key":"oven/7"'),
            ),
        ),
    ),
    Walk(
        "opsgenie",
        receiver(lambda: ops_alerts.AlertDesk("/v2/alerts"), {"api_url": "{url}"}, {"api_key": ops_alerts.KEY}),
        _FOLDED,
        _OPS_ALERT,
    ),
    Walk(
        "jira_service_management",
        receiver(
            lambda: ops_alerts.AlertDesk("/jsm/ops/integration/v2/alerts"),
            {"api_url": "{url}"},
            {"api_key": ops_alerts.KEY},
        ),
        _FOLDED,
        _OPS_ALERT,
    ),
)

TICKETS: Final = (
    Walk(
        "jira",
        receiver(
            jira.JiraSystem,
            {"api_url": "{url}", "project_key": "OPS"},
            {"email": jira.EMAIL, "api_token": jira.TOKEN},
        ),
        _FOLDED,
        (
            Step(
                "An issue is made",
                HOT,
                {"external_id": _OVEN, "summary": f"Too hot: {_TEXT}", "description": _TEXT, "labels": ["ovens"]},
                ("POST /rest/api/3/issue",),
            ),
            Step(
                "A comment is added",
                SEEN,
                {"sub_action": "addComment", "external_id": _OVEN, "comments": [f"Seen: {_TEXT}"]},
                ("POST /rest/api/3/issue/OPS-1/comment",),
            ),
            Step(
                "It is done",
                COOL,
                {"sub_action": "transitionIssue", "external_id": _OVEN, "transition": "Done"},
                ("POST /rest/api/3/issue/OPS-1/transitions", '"transition":{"id":"31"}'),
            ),
        ),
    ),
    Walk(
        "servicenow",
        receiver(
            servicenow.Instance,
            {"api_url": "{url}"},
            {"username": servicenow.USER, "password": servicenow.PASSWORD},
        ),
        _FOLDED,
        (
            Step(
                "An incident is made",
                HOT,
                {"correlation_id": _OVEN, "short_description": f"Too hot: {_TEXT}", "description": _TEXT},
                ("POST /api/now/table/incident", '"correlation_id":"oven/7"'),
            ),
            Step(
                "A work note is added",
                SEEN,
                {
                    "sub_action": "updateIncident",
                    "correlation_id": _OVEN,
                    "short_description": "",
                    "work_notes": f"Seen: {_TEXT}",
                },
                ("PATCH /api/now/table/incident/", '"work_notes":"Seen: '),
            ),
            Step(
                "It is closed",
                COOL,
                {"sub_action": "closeIncident", "correlation_id": _OVEN, "close_notes": "Cool again."},
                ("PATCH /api/now/table/incident/", '"state":"7"'),
            ),
        ),
    ),
)

SEARCH: Final = (
    Walk(
        "index",
        receiver(
            lambda: index.elasticsearch,
            {"url": "{url}", "auth": "basic", "username": "writer", "index": "ovens"},
            {"password": index.PASSWORD},
        ),
        _JSON,
        (
            Step(
                "A document is added",
                HOT,
                {"document": {"@timestamp": "{{ event.time }}", "oven": "{{ event.data.oven }}", "text": _TEXT}},
                ("POST /ovens/_bulk", '{"create":'),
            ),
        ),
        apart="search",
    ),
)

MODELS: Final = (
    Walk(
        "openai",
        receiver(lambda: openai.openai_platform, {"url": "{url}/v1"}, {"api_key": openai.KEY}),
        _JSON,
        (
            Step(
                "A model is asked what to do; what the event says stands between marks, as no order to it",
                HOT,
                {"prompt": "What is to be done?", "data": _TEXT},
                ("POST /v1/chat/completions", '"What is to be done?'),
            ),
        ),
    ),
)

LOGS: Final = (
    Walk(
        "server_log",
        destinations.server_log,
        r'Oven "7" <!channel> @everyone <b>*hot*</b>\n[x](https://a.test)',
        (Step("A line, and no second one", HOT, {"message": f"Too hot: {_TEXT}", "level": "warn"}, ("Too hot: ",)),),
    ),
)

HTTP: Final = (
    Walk(
        "http",
        receiver(
            lambda: lambda _: Answer(204),
            {"url": "{url}/hook", "auth": "bearer", "signed": True},
            {"token": "t0ken-of-the-hook-4711", "signing_secret": "whsec_b3ZlbnMtc2lnbmluZy1rZXktMDEyMzQ1Njc4OQ=="},
            "a receiver that takes all",
        ),
        _JSON,
        (
            Step(
                "A signed request",
                HOT,
                {"body": '{"oven": {{ event.data.oven }}, "text": {{ event.data.text }}}'},
                ("POST /hook", "webhook-signature"),
            ),
        ),
    ),
)

WALKS: Final = (*BROKERS, *MAIL, *CHAT, *ON_CALL, *TICKETS, *SEARCH, *MODELS, *LOGS, *HTTP)
FAMILIES: Final = tuple(dict.fromkeys(walk.family for walk in WALKS))


def walks_of(families: Sequence[str]) -> list[Walk]:
    """Return the walks of these families, in the order of the table. apprise is among them where it is installed."""
    there = [*WALKS, *([APPRISE] if find_spec("apprise") else [])]
    return [walk for family in FAMILIES if family in families for walk in there if walk.family == family]
