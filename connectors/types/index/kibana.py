"""Kibana's index connectors (``.index``) here.

Fields: https://www.elastic.co/docs/reference/kibana/connectors-kibana/index-action-type
"""

from collections.abc import Mapping
from typing import Any, Final

from connectors.types.base import Adopted

# Kibana writes to the Elasticsearch that it belongs to, and so has no address of one.
UNKNOWN_URL: Final = "https://enter-the-address.invalid:9200"
_ENTER_IT: Final = (
    "Kibana's index connectors have no address: enter that of Elasticsearch and how to authenticate there, and enable "
    "the connector."
)


def adopt_index(config: Mapping[str, Any]) -> Adopted:
    """Return the connector for an index connector's config. What cannot be read is left for the type's own checks."""
    adopted: dict[str, Any] = {
        "url": UNKNOWN_URL,
        "index": config.get("index") or "",
        "refresh": "true" if config.get("refresh") else "false",
        "execution_time_field": config.get("executionTimeField") or "",
    }
    return Adopted(adopted, warnings=(_ENTER_IT,), usable=False)
