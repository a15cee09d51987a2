"""From an event to Telegram, by a bot."""

from tests.connectors.types.telegram.receiver import GROUP, TOKEN, telegram
from tests.services.transcripts.declared import HOT, SAYS, Step, Walk
from tests.services.transcripts.receivers import receiver

WALK = Walk(
    receiver(lambda: telegram, {"api_url": "{url}", "chat_id": GROUP}, {"token": TOKEN}),
    "Oven &quot;7&quot; &lt;!channel&gt; @\u200beveryone &lt;b&gt;*hot*&lt;/b&gt;" r"\n[x](https://a.test)",
    (Step("A text in HTML", HOT, {"text": f"<b>Too hot</b>: {SAYS}"}, ("/sendMessage", "<b>Too hot</b>")),),
)
