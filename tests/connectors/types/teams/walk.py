"""From an event to Microsoft Teams, through the webhook of a workflow."""

from tests.connectors.types.teams.receiver import PATH, SIGNATURE, teams
from tests.services.transcripts.declared import HOT, SAYS, Step, Walk
from tests.services.transcripts.receivers import receiver

_URL = f"{{url}}{PATH}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"

WALK = Walk(
    receiver(lambda: teams, {}, {"webhook_url": _URL}),
    r"Oven \"7\" \\<\\!channel\\> \\@everyone \\<b\\>\\*hot\\*\\</b\\>\n\\[x\\]\\(https\\://a\\.test\\)",
    (Step("A card of title and text", HOT, {"title": "Too hot", "message": f"**Now**: {SAYS}"}, ("**Now**",)),),
    keys=(SIGNATURE,),
)
