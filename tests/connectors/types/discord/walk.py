"""From an event to Discord, through the webhook of a channel."""

from tests.connectors.types.discord.receiver import ID, KEY, discord
from tests.services.transcripts.declared import HOT, SAYS, Step, Walk
from tests.services.transcripts.receivers import receiver

WALK = Walk(
    receiver(lambda: discord, {}, {"webhook_url": f"{{url}}/api/webhooks/{ID}/{KEY}"}),
    r"Oven \"7\" \\<!channel> @" "\u200b" r"everyone \\<b>\\*hot\\*\\</b>\n\\[x\\](https\\://a.test)",
    (Step("A text that may notify nobody", HOT, {"content": f"**Too hot**: {SAYS}"}, ('"parse":[]',)),),
    keys=(KEY,),
)
