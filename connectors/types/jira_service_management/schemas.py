"""What a person fills in for a Jira Service Management connector. What an action says: see ops_alert_fields."""

from typing import Final

from pydantic import Field

from connectors.net.urls import MAX_URL
from connectors.types.ops_alert_fields import OpsAlertConfig

DEFAULT_URL: Final = "https://api.atlassian.com"


class JiraServiceManagementConfig(OpsAlertConfig):
    """Where alerts go."""

    api_url: str = Field(
        DEFAULT_URL,
        title="API URL",
        description="The same for all accounts: https://api.atlassian.com.",
        min_length=1,
        max_length=MAX_URL,
    )
