"""What a person fills in for an Opsgenie connector. What an action says: see ops_alert_fields."""

from typing import Final

from pydantic import Field

from connectors.net.urls import MAX_URL
from connectors.types.ops_alert_fields import OpsAlertConfig

DEFAULT_URL: Final = "https://api.opsgenie.com"


class OpsgenieConfig(OpsAlertConfig):
    """Where alerts go."""

    api_url: str = Field(
        DEFAULT_URL,
        title="API URL",
        description="Accounts in the EU: https://api.eu.opsgenie.com.",
        min_length=1,
        max_length=MAX_URL,
    )
