"""From an event to any system that takes a request."""

from tests.services.transcripts.declared import AS_JSON, HOT, Step, Walk
from tests.services.transcripts.receivers import receiver
from tests.vendors import Answer

_SECRETS = {"token": "t0ken-of-the-hook-4711", "signing_secret": "whsec_b3ZlbnMtc2lnbmluZy1rZXktMDEyMzQ1Njc4OQ=="}

WALK = Walk(
    receiver(
        lambda: lambda _: Answer(204),
        {"url": "{url}/hook", "auth": "bearer", "signed": True},
        _SECRETS,
        "a receiver that takes all",
    ),
    AS_JSON,
    (
        Step(
            "A signed request",
            HOT,
            {"body": '{"oven": {{ event.data.oven }}, "text": {{ event.data.text }}}'},
            ("POST /hook", "webhook-signature"),
        ),
    ),
)
