"""From an event to a language model: what the event says stands between marks, as no order to it."""

from tests.connectors.types.openai.receiver import KEY, openai_platform
from tests.services.transcripts.declared import AS_JSON, HOT, SAYS, Step, Walk
from tests.services.transcripts.receivers import receiver

WALK = Walk(
    receiver(lambda: openai_platform, {"url": "{url}/v1"}, {"api_key": KEY}),
    AS_JSON,
    (
        Step(
            "A model is asked what to do",
            HOT,
            {"prompt": "What is to be done?", "data": SAYS},
            ("POST /v1/chat/completions", r'"What is to be done?\n\n<data-'),
        ),
    ),
)
