"""From an event to Slack, by a bot."""

from tests.connectors.types.slack.receiver import TOKEN, slack
from tests.services.transcripts.declared import COOL, HOT, SAYS, Step, Walk
from tests.services.transcripts.receivers import receiver

WALK = Walk(
    receiver(lambda: slack, {"api_url": "{url}/api", "channel": "C123ABC456"}, {"token": TOKEN}),
    r"Oven \"7\" &lt;!channel&gt; @everyone &lt;b&gt;" "\u200b*hot*\u200b" r"&lt;/b&gt;\n[x](https://a.test)",
    (
        Step("A text", HOT, {"text": f"*Too hot*: {SAYS}"}, ("POST /api/chat.postMessage", '"text":"*Too hot*: ')),
        Step(
            "Block Kit",
            COOL,
            {
                "text": "Cool again",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": f"_Cool_: {SAYS}"}}],
            },
            ("POST /api/chat.postMessage", '"text":"_Cool_: '),
        ),
    ),
)
