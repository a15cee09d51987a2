"""What a person fills in for a PagerDuty connector, and what an action says to it.

The fields are those of PagerDuty's Events API v2 ("Send an Alert Event") and of Kibana's connector ``.pagerduty``.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator

from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.rendered import LONG, one_of, time_or_template

DEFAULT_URL: Final = "https://events.pagerduty.com/v2/enqueue"
EVENT_ACTIONS: Final = ("trigger", "acknowledge", "resolve")
SEVERITIES: Final = ("critical", "error", "warning", "info")


class PagerDutyConfig(HttpApiConfig):
    """Where events go."""

    api_url: str = Field(
        DEFAULT_URL,
        title="API URL",
        description="The events endpoint. Accounts in the EU: https://events.eu.pagerduty.com/v2/enqueue.",
        min_length=1,
        max_length=MAX_URL,
    )

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value


class PagerDutySecrets(Secrets):
    """What lets events in."""

    routing_key: SecretStr | None = Field(
        None,
        title="Integration key",
        description="The key of an Events API v2 integration on a service, or of an event orchestration.",
        max_length=256,
    )


class Link(BaseModel):
    """A link that stands with the incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    href: str = Field(title="Address", description="Where the link leads.", max_length=MAX_URL)
    text: str = Field("", title="Text", description="What the link says.", max_length=1024)


class PagerDutyParams(Params):
    """One event. Every string may be a template."""

    event_action: str = Field(
        "trigger",
        title="What happens",
        description="trigger opens an incident, acknowledge and resolve change the one with the same key.",
        max_length=256,
    )
    dedup_key: str = Field(
        "",
        title="Deduplication key",
        description=(
            "What has the same key is one incident. Needed to acknowledge and resolve; a trigger without one gets the "
            "id of its delivery, so that no retry opens a second incident."
        ),
        max_length=2048,
    )
    summary: str = Field(
        "{{ event.type }} from {{ event.source }}",
        title="Summary",
        description="One line, cut after 1,024 characters.",
        max_length=LONG,
    )
    source: str = Field("{{ event.source }}", title="Source", description="What has the problem.", max_length=2048)
    severity: str = Field("error", title="Severity", description="critical, error, warning or info.", max_length=256)
    timestamp: str = Field(
        "", title="Time", description="When it happened, ISO 8601. Empty: when PagerDuty gets it.", max_length=256
    )
    component: str = Field("", title="Component", description="The part that has the problem.", max_length=1024)
    group: str = Field("", title="Group", description="What the parts belong to.", max_length=1024)
    class_: str = Field("", alias="class", title="Class", description="The kind of the problem.", max_length=1024)
    links: list[Link] = Field(
        default_factory=list, title="Links", description="Shown with the incident.", max_length=50
    )
    custom_details: dict[str, JsonValue] = Field(
        default_factory=dict, title="Details", description="Shown as a table with the incident.", max_length=200
    )

    @field_validator("event_action")
    @classmethod
    def _is_event_action(cls, value: str) -> str:
        return one_of(EVENT_ACTIONS, value)

    @field_validator("timestamp")
    @classmethod
    def _is_time(cls, value: str) -> str:
        return time_or_template(value)

    @field_validator("severity")
    @classmethod
    def _is_severity(cls, value: str) -> str:
        return one_of(SEVERITIES, value)
