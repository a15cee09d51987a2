"""From an event to a document of Elasticsearch."""

from tests.connectors.types.index.receiver import PASSWORD, elasticsearch
from tests.services.transcripts.declared import AS_JSON, HOT, SAYS, Step, Walk
from tests.services.transcripts.receivers import receiver

_CONFIG = {"url": "{url}", "auth": "basic", "username": "writer", "index": "ovens"}

WALK = Walk(
    receiver(lambda: elasticsearch, _CONFIG, {"password": PASSWORD}),
    AS_JSON,
    (
        Step(
            "A document is added",
            HOT,
            {"document": {"@timestamp": "{{ event.time }}", "oven": "{{ event.data.oven }}", "text": SAYS}},
            ("POST /ovens/_bulk", '{"create":'),
        ),
    ),
    family="search",
)
