"""What a person fills in for a ServiceNow connector, and what an action says to it.

The fields are those of Kibana's connector ``.servicenow`` and of ServiceNow's table ``incident``.
"""

from typing import Any, Final, Literal

from pydantic import Field, JsonValue, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.net.certificates import read_key
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.http_fields import MAX_PEM, PEM
from connectors.types.rendered import LONG, leave_unsaid, one_of

SUB_ACTIONS: Final = ("pushToService", "createIncident", "updateIncident", "closeIncident")
OWN_FIELDS: Final = frozenset(
    {
        "short_description",
        "description",
        "severity",
        "urgency",
        "impact",
        "priority",
        "category",
        "subcategory",
        "correlation_id",
        "correlation_display",
        "work_notes",
        "comments",
    }
)


class ServiceNowConfig(HttpApiConfig):
    """Which instance, and who asks."""

    api_url: str = Field(
        title="URL",
        description="The address of the instance.",
        min_length=1,
        max_length=MAX_URL,
        examples=["https://example.service-now.com"],
    )
    auth: Literal["basic", "oauth2_client", "oauth2_password", "oauth2_jwt"] = Field(
        "basic",
        title="Authentication",
        description=(
            "basic: user name and password. oauth2_client: client credentials. oauth2_password: these with a user's "
            "password. oauth2_jwt: these with a token that a private key signs."
        ),
    )
    client_id: str = Field("", title="Client ID", description="For OAuth 2.", max_length=1024, validate_default=True)
    token_url: str = Field(
        "",
        title="Token endpoint",
        description="For OAuth 2. Empty: /oauth_token.do of the instance.",
        max_length=MAX_URL,
    )
    user_identifier_value: str = Field(
        "",
        title="User identifier",
        description="For oauth2_jwt: the user to act for, in the field that the instance looks in.",
        max_length=1024,
        validate_default=True,
    )
    jwt_key_id: str = Field(
        "",
        title="JWT verifier key ID",
        description="For oauth2_jwt: the key ID of the JWT verifier map.",
        max_length=1024,
        validate_default=True,
    )

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value

    @field_validator("token_url")
    @classmethod
    def _is_token_url(cls, value: str) -> str:
        if value:
            parse_url(value)
        return value

    @field_validator("client_id")
    @classmethod
    def _names_the_client(cls, value: str, info: ValidationInfo) -> str:
        if not value and str(info.data.get("auth")).startswith("oauth2"):
            raise ValueError("OAuth 2 needs a client ID.")
        return value

    @field_validator("user_identifier_value", "jwt_key_id")
    @classmethod
    def _is_there_for_a_jwt(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.data.get("auth") == "oauth2_jwt":
            raise ValueError("Authentication with a JWT needs this.")
        return value


class ServiceNowSecrets(Secrets):
    """Who asks."""

    username: SecretStr | None = Field(
        None, title="User name", description="For basic and oauth2_password.", max_length=256
    )
    password: SecretStr | None = Field(
        None, title="Password", description="For basic and oauth2_password.", max_length=1024
    )
    client_secret: SecretStr | None = Field(None, title="Client secret", description="For OAuth 2.", max_length=8000)
    private_key_password: SecretStr | None = Field(
        None, title="Password of the private key", description="Where the key has one.", max_length=1024
    )
    private_key: SecretStr | None = Field(
        None,
        title="Private key",
        description="For oauth2_jwt: RSA, PEM.",
        max_length=MAX_PEM,
        json_schema_extra=PEM,
    )

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and value.get_secret_value():
            password = info.data.get("private_key_password")
            read_key(value.get_secret_value(), password.get_secret_value() if password else "")
        return value

    @field_validator("username")
    @classmethod
    def _fits_basic_authentication(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and ":" in value.get_secret_value():
            raise ValueError("A user name has no colon.")
        return value


class ServiceNowParams(Params):
    """One thing to do with one incident. Every string may be a template."""

    sub_action: str = Field(
        "pushToService",
        title="What happens",
        description=(
            "pushToService makes an incident, or updates the active one with the same correlation ID. createIncident "
            "leaves one that is there as it is, updateIncident makes none. closeIncident closes the active one, if any."
        ),
        max_length=256,
    )
    correlation_id: str = Field(
        "",
        title="Correlation ID",
        description=(
            "What the incident is about, in your words: it is found again by it. Without one, an incident is found "
            "again by retries of the same delivery only. What does not fit the field is replaced by its hash."
        ),
        max_length=LONG,
    )
    correlation_display: str = Field(
        "",
        title="Correlation display",
        description="Who correlates, cut after 100 characters. Empty: Switchyard, with the ID of the delivery.",
        max_length=LONG,
    )
    external_id: str = Field(
        "",
        title="sys_id",
        description="Of an incident that is there, in place of a correlation ID.",
        max_length=256,
    )
    short_description: str = Field(
        "{{ event.type }} from {{ event.source }}",
        title="Short description",
        description=(
            "One line, cut after 160 characters. Needed to make an incident; updateIncident leaves it as it is where "
            "none is given."
        ),
        max_length=LONG,
    )
    description: str = Field("", title="Description", description="Cut after 4,000 characters.", max_length=LONG)
    urgency: str = Field("", title="Urgency", description="1, high, to 3, low.", max_length=256)
    impact: str = Field("", title="Impact", description="1, high, to 3, low.", max_length=256)
    severity: str = Field("", title="Severity", description="1, high, to 3, low.", max_length=256)
    priority: str = Field(
        "",
        title="Priority",
        description="1, critical, to 5, planning. Most instances work it out from urgency and impact.",
        max_length=256,
    )
    category: str = Field("", title="Category", description="Its value, such as software.", max_length=256)
    subcategory: str = Field("", title="Subcategory", description="Its value, such as os.", max_length=256)
    work_notes: str = Field(
        "",
        title="Work notes",
        description="Added for those who work on the incident. HTML stands between [code] and [/code].",
        max_length=LONG,
    )
    comments: str = Field(
        "",
        title="Comments",
        description="Added for the caller as well. HTML stands between [code] and [/code].",
        max_length=LONG,
    )
    close_state: str = Field(
        "7",
        title="State when closed",
        description="For closeIncident: 7 is closed, 6 resolved.",
        max_length=256,
    )
    close_code: str = Field(
        "Closed/Resolved by Caller",
        title="Close code",
        description="For closeIncident, as the instance knows it, such as Solution provided.",
        max_length=256,
    )
    close_notes: str = Field(
        "Closed by Switchyard.",
        title="Close notes",
        description="For closeIncident, cut after 4,000 characters.",
        max_length=LONG,
    )
    additional_fields: dict[str, JsonValue] = Field(
        default_factory=dict,
        title="Additional fields",
        description=(
            "By column, such as assignment_group or u_site. References take a sys_id. A time in ISO 8601 is written as "
            "ServiceNow takes it, in UTC."
        ),
        max_length=20,
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_unsaid(cls, params: Any) -> Any:
        return leave_unsaid(params, "updateIncident", "short_description")

    @field_validator("sub_action")
    @classmethod
    def _is_sub_action(cls, value: str) -> str:
        return one_of(SUB_ACTIONS, value)

    @field_validator("additional_fields")
    @classmethod
    def _leave_the_own_ones(cls, fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if own := fields.keys() & OWN_FIELDS:
            raise ValueError(f"{min(own)} has a field of its own here.")
        return fields
