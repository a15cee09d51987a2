"""What a person fills in for alerts of Opsgenie and of Jira Service Management, which took its API over.

Limits: docs.opsgenie.com, "Alert API"; developer.atlassian.com, "Jira Service Management ops REST API", "Integration
events". Names: Kibana's connectors ``.opsgenie`` and ``.jira-service-management``.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator

from connectors.net.headers import check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.rendered import LONG, one_of

SUB_ACTIONS: Final = ("createAlert", "closeAlert", "acknowledgeAlert", "addNote")
PRIORITIES: Final = ("P1", "P2", "P3", "P4", "P5")

MAX_MESSAGE: Final = 130
MAX_ALIAS: Final = 512
MAX_DESCRIPTION: Final = 15_000
MAX_NOTE: Final = 25_000
MAX_ENTITY: Final = 512
MAX_SOURCE: Final = 100
MAX_USER: Final = 100
MAX_TAG: Final = 50
MAX_ACTION: Final = 50
MAX_DETAILS: Final = 8_000


class OpsAlertConfig(HttpApiConfig):
    """Where alerts go."""

    api_url: str = Field(title="API URL", description="The API's address.", min_length=1, max_length=MAX_URL)

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value


class OpsAlertSecrets(Secrets):
    """What lets alerts in."""

    api_key: SecretStr | None = Field(
        None, title="API key", description="The key of an API integration.", max_length=256
    )

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("authorization", value.get_secret_value())
        return value


class Party(BaseModel):
    """Somebody who gets to know, by id, name or, for a user, user name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field("", title="ID", description="The only one that Jira Service Management takes.", max_length=256)
    name: str = Field("", title="Name", description="Of a team, an escalation or a schedule.", max_length=256)
    username: str = Field("", title="User name", description="Of a user.", max_length=256)


class Responder(Party):
    """Who is notified."""

    type: Literal["team", "user", "escalation", "schedule"] = Field(title="Kind", description="What it is.")


class Viewer(Party):
    """Who may see the alert and is not notified."""

    type: Literal["team", "user"] = Field(title="Kind", description="What it is.")


class OpsAlertParams(Params):
    """One request about an alert. Every string may be a template."""

    sub_action: str = Field(
        "createAlert",
        title="What happens",
        description=(
            "createAlert opens an alert, or counts one more occurrence of the open one with the same alias. "
            "closeAlert, acknowledgeAlert and addNote are for the open alert with the alias."
        ),
        max_length=256,
    )
    alias: str = Field(
        "",
        title="Alias",
        description=(
            "What has the same alias is one alert. Needed by all but createAlert; one without gets the id of its "
            "delivery, so that no retry opens a second alert. More than 512 characters are replaced by their hash."
        ),
        max_length=LONG,
    )
    message: str = Field(
        "{{ event.type }} from {{ event.source }}",
        title="Message",
        description="One line, cut after 130 characters.",
        max_length=LONG,
    )
    description: str = Field("", title="Description", description="Cut after 15,000 characters.", max_length=LONG)
    priority: str = Field("", title="Priority", description="P1, the highest, to P5. Empty: P3.", max_length=256)
    entity: str = Field(
        "",
        title="Entity",
        description="What the alert is about, such as a host; cut after 512 characters.",
        max_length=LONG,
    )
    source: str = Field(
        "{{ event.source }}",
        title="Source",
        description="Where it comes from; cut after 100 characters.",
        max_length=LONG,
    )
    user: str = Field(
        "",
        title="User",
        description="In whose name the request is made; cut after 100 characters.",
        max_length=LONG,
    )
    note: str = Field(
        "", title="Note", description="Stands in the activity log; cut after 25,000 characters.", max_length=LONG
    )
    tags: list[Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=list,
        title="Tags",
        description="Up to 20 of 50 characters. Empty ones are left out.",
        max_length=20,
    )
    actions: list[Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=list, title="Actions", description="Custom actions that the alert offers.", max_length=10
    )
    responders: list[Responder] = Field(
        default_factory=list,
        title="Responders",
        description="Who is notified, in place of those that the integration has.",
        max_length=50,
    )
    visible_to: list[Viewer] = Field(
        default_factory=list,
        title="Visible to",
        description="Who may see the alert besides the responders.",
        max_length=50,
    )
    details: dict[str, JsonValue] = Field(
        default_factory=dict,
        title="Details",
        description="Further properties, 8,000 characters in all. A value that is no text is written as JSON.",
        max_length=200,
    )

    @field_validator("sub_action")
    @classmethod
    def _is_sub_action(cls, value: str) -> str:
        return one_of(SUB_ACTIONS, value)

    @field_validator("priority")
    @classmethod
    def _is_priority(cls, value: str) -> str:
        return one_of(PRIORITIES, value) if value else value
