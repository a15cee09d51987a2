"""What a person fills in for a Jira connector, and what an action says to it.

The fields are those of Kibana's connector ``.jira``; limits are from the Jira Cloud platform REST API v3.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, SecretStr, field_validator, model_validator

from connectors.net.headers import check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets, is_template
from connectors.types.http_api import HttpApiConfig
from connectors.types.rendered import LONG, leave_unsaid, one_of

SUB_ACTIONS: Final = ("pushToService", "createIssue", "updateIssue", "addComment", "transitionIssue")
OWN_FIELDS: Final = frozenset({"project", "summary", "description", "issuetype", "priority", "labels", "parent"})
MAX_LABEL: Final = 255
_PROJECT_KEY: Final = re.compile(r"[A-Z][A-Z0-9_]*")


class JiraConfig(HttpApiConfig):
    """Which Jira, which project, and who asks."""

    api_url: str = Field(
        title="URL",
        description="Where people open Jira, without /browse or /rest.",
        min_length=1,
        max_length=MAX_URL,
        examples=["https://example.atlassian.net"],
    )
    deployment: Literal["cloud", "server"] = Field(
        "cloud",
        title="Deployment",
        description=(
            "cloud: REST API v3, texts as they are. server: Server or Data Center, REST API v2, texts in wiki markup."
        ),
    )
    project_key: str = Field(
        title="Project key",
        description="What the keys of its issues begin with, such as OPS.",
        max_length=255,
        examples=["OPS"],
    )
    auth: Literal["basic", "bearer"] = Field(
        "basic",
        title="Authentication",
        description=(
            "basic: an email address and an API token (Cloud), or a user name and a password. bearer: a personal "
            "access token of Server or Data Center."
        ),
    )

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value

    @field_validator("project_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if not _PROJECT_KEY.fullmatch(value):
            raise ValueError("A project key begins with an upper case letter and has no others, but digits and _.")
        return value


class JiraSecrets(Secrets):
    """Who asks."""

    email: SecretStr | None = Field(
        None,
        title="Email address",
        description="Of the account that the API token is from. On Server and Data Center: the user name.",
        max_length=255,
    )
    api_token: SecretStr | None = Field(
        None,
        title="API token",
        description="On Server and Data Center: the password, or with bearer a personal access token.",
        max_length=2048,
    )

    @field_validator("email", "api_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("authorization", value.get_secret_value())
        return value


class JiraParams(Params):
    """One thing to do with one issue. Every string may be a template."""

    sub_action: str = Field(
        "pushToService",
        title="What happens",
        description=(
            "pushToService makes an issue, or updates the open one with the same external ID, and adds the comments. "
            "createIssue leaves one that is there as it is. updateIssue, addComment and transitionIssue are for one "
            "that is there."
        ),
        max_length=256,
    )
    external_id: str = Field(
        "",
        title="External ID",
        description=(
            "What the issue is about, in your words. It stands as a label at the issue, which is found again by it. "
            "Without one, an issue is found again by retries of the same delivery only. What does not fit a label is "
            "replaced by its hash."
        ),
        max_length=LONG,
    )
    issue_key: str = Field(
        "",
        title="Issue key",
        description="An issue that is there, such as OPS-7, in place of an external ID.",
        max_length=256,
    )
    summary: str = Field(
        "{{ event.type }} from {{ event.source }}",
        title="Summary",
        description=(
            "One line, cut after 255 characters. Needed to make an issue; updateIssue leaves it as it is where none is "
            "given."
        ),
        max_length=LONG,
    )
    description: str = Field(
        "",
        title="Description",
        description=(
            "Cloud shows it as text in paragraphs; Server and Data Center read wiki markup, of which values bring "
            "none. Cut after 32,000 characters."
        ),
        max_length=LONG,
    )
    issue_type: str = Field(
        "Task", title="Issue type", description="Its name or number. Needed to make an issue.", max_length=256
    )
    priority: str = Field("", title="Priority", description="Its name or number.", max_length=256)
    labels: list[Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=list, title="Labels", description="Without spaces. Empty ones are left out.", max_length=100
    )
    parent: str = Field(
        "", title="Parent", description="The key of the issue that this one is part of.", max_length=256
    )
    transition: str = Field(
        "",
        title="Transition",
        description="For transitionIssue: the name of the status to reach, or of the transition, such as Done.",
        max_length=256,
    )
    comments: list[Annotated[str, Field(max_length=LONG)]] = Field(
        default_factory=list,
        title="Comments",
        description="Added in this order, each cut after 32,000 characters. Empty ones are left out.",
        max_length=20,
    )
    other_fields: dict[str, JsonValue] = Field(
        default_factory=dict,
        title="Other fields",
        description=(
            'By their IDs, each as the API takes it, such as "customfield_10010": {"value": "prod"}. Values stand in '
            "them as they are."
        ),
        max_length=20,
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_unsaid(cls, params: Any) -> Any:
        return leave_unsaid(params, "updateIssue", "summary")

    @field_validator("sub_action")
    @classmethod
    def _is_sub_action(cls, value: str) -> str:
        return one_of(SUB_ACTIONS, value)

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: list[str]) -> list[str]:
        for label in labels:
            if not is_template(label) and any(map(str.isspace, label)):
                raise ValueError("A label has no spaces.")
        return labels

    @field_validator("other_fields")
    @classmethod
    def _leave_the_own_ones(cls, fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if own := fields.keys() & OWN_FIELDS:
            raise ValueError(f"{min(own)} has a field of its own here.")
        return fields
