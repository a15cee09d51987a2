"""What a person fills in for an HTTP connector, and what an action says to it."""

from typing import Literal

from pydantic import Field, JsonValue, ValidationInfo, field_validator

from connectors.net.headers import check_name, check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params
from connectors.types.http_api import HttpApiConfig
from connectors.types.http_fields import JSON_TYPE, essence_of
from connectors.types.oauth2 import check_token_fields
from connectors.types.tls_fields import TlsConfig

Method = Literal["POST", "PUT", "PATCH", "DELETE", "GET"]
Auth = Literal["none", "basic", "bearer", "api_key", "oauth2"]
ClientAuth = Literal["header", "body"]
ProbeMethod = Literal["HEAD", "GET", "OPTIONS", "none"]

NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"})
MAX_BATCH = 100  # whose ids fit one header


class HttpConfig(TlsConfig, HttpApiConfig):
    """Where requests go and how."""

    url: str = Field(
        title="URL",
        description="Absolute, with http:// or https://. An action may add a path and a query.",
        min_length=1,
        max_length=MAX_URL,
        examples=["https://hooks.example.com/events"],
    )
    method: Method = Field("POST", title="Method", description="An action may choose another. GET sends no body.")
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="Headers",
        description="Sent with every request; an action's headers win. Not the place for secrets.",
        max_length=50,
    )
    auth: Auth = Field(
        "none",
        title="Authentication",
        description=(
            "basic (RFC 7617), bearer: a token of its own (RFC 6750), api_key: a key in a header, oauth2: tokens from "
            "a token endpoint (client credentials, RFC 6749, section 4.4)."
        ),
    )
    username: str = Field(
        "", title="User name", description="For basic authentication.", max_length=256, validate_default=True
    )
    api_key_header: str = Field(
        "X-API-Key", title="API key header", description="The header that carries the API key.", max_length=256
    )
    token_url: str = Field(
        "",
        title="Token endpoint",
        description="For OAuth 2. The client secret goes there, by the terms of this connector.",
        max_length=MAX_URL,
        validate_default=True,
    )
    client_id: str = Field("", title="Client ID", description="For OAuth 2.", max_length=1024, validate_default=True)
    scope: str = Field("", title="Scope", description="For OAuth 2: the scopes to ask for, by space.", max_length=2048)
    token_fields: dict[str, str] = Field(
        default_factory=dict,
        title="Further token fields",
        description="For OAuth 2: what else the token endpoint wants, such as an audience.",
        max_length=20,
    )
    client_auth: ClientAuth = Field(
        "header",
        title="Client authentication",
        description="For OAuth 2: the client's ID and secret go in a header (basic) or in the body.",
    )
    signed: bool = Field(
        False,
        title="Sign messages",
        description=(
            "As Standard Webhooks has it, with the signing secret. A secret that is replaced signs along for 24 hours."
        ),
    )
    probe_method: ProbeMethod = Field(
        "HEAD",
        title="Test method",
        description="What a test and the health checks ask with. none: they end once the connection stands.",
    )
    proxy_url: str = Field(
        "",
        title="Proxy",
        description="http://host:port or https://host:port; direct: none. Empty: as the installation has it.",
        max_length=MAX_URL,
    )
    proxy_username: str = Field(
        "", title="User name at the proxy", description="Where the proxy wants one.", max_length=256
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            check_name(name)
            check_value(name, value)
        if len({name.lower() for name in headers}) < len(headers):
            raise ValueError("A header stands here twice; names do not differ by upper and lower case.")
        return headers

    @field_validator("api_key_header")
    @classmethod
    def _is_name(cls, value: str) -> str:
        check_name(value)
        return value

    @field_validator("token_url")
    @classmethod
    def _is_token_url(cls, value: str, info: ValidationInfo) -> str:
        if value:
            parse_url(value)
        elif info.data.get("auth") == "oauth2":
            raise ValueError("OAuth 2 needs a token endpoint.")
        return value

    @field_validator("client_id")
    @classmethod
    def _names_the_client(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "oauth2" and not value:
            raise ValueError("OAuth 2 needs a client ID.")
        return value

    @field_validator("token_fields")
    @classmethod
    def _leave_the_standard_ones(cls, fields: dict[str, str]) -> dict[str, str]:
        check_token_fields(fields)
        return fields

    @field_validator("proxy_url")
    @classmethod
    def _is_proxy(cls, value: str) -> str:
        if value in ("", "direct"):
            return value
        origin, rest = parse_url(value)
        if rest != "/":
            raise ValueError("Write the scheme, host and port of the proxy only.")
        return f"{origin.scheme}://{origin.authority}"

    @field_validator("proxy_username")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        if ":" in value or not value.isprintable():
            raise ValueError("A user name has no colon and no control characters.")
        return value

    @field_validator("auth")
    @classmethod
    def _sets_its_header_alone(cls, value: Auth, info: ValidationInfo) -> Auth:
        if value not in ("none", "api_key") and any(
            name.lower() == "authorization" for name in info.data.get("headers", ())
        ):
            raise ValueError("The headers have an authorization already; take it out.")
        return value

    @field_validator("username")
    @classmethod
    def _fits_auth(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "basic" and not value:
            raise ValueError("Basic authentication needs a user name.")
        if ":" in value or not value.isprintable():
            raise ValueError("A user name has no colon and no control characters.")
        return value


class HttpParams(Params):
    """What one request says. Every string may be a template."""

    path: str = Field(
        "", title="Path", description="Added to the URL's path. Values in it are encoded.", max_length=MAX_URL
    )
    method: Method | None = Field(None, title="Method", description="In place of the connector's.")
    query: dict[str, str | int | float | bool] = Field(
        default_factory=dict, title="Query", description="Added to the URL's query, encoded.", max_length=100
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="Headers",
        description=f"Added to the connector's, or in place of them. The content type is {JSON_TYPE} unless set.",
        max_length=50,
    )
    body: JsonValue = Field(
        "{{ event }}",
        title="Body",
        description=(
            "A JSON value, or a text that is JSON once rendered: event values in it are written as JSON. For a text "
            "that is no JSON set the header content-type, such as to text/plain; it is sent as it is, and event values "
            "in it too. null sends no body. GET never sends one."
        ),
    )

    batch_size: int = Field(
        1,
        title="Batch size",
        description=(
            "Up to so many messages go in one request, as a JSON array or, where the content type says so, as NDJSON. "
            "For receivers that take it. What is due at the same time goes together; nothing waits for a batch to fill."
        ),
        ge=1,
        le=MAX_BATCH,
    )

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            check_name(name)
            if "{" not in value:  # or else it may be a template, and is checked when it is sent
                check_value(name, value)
        return headers


def content_type_of(headers: object) -> str:
    """Return the content type that stands among headers; empty when none does."""
    if not isinstance(headers, dict):
        return ""
    return next((str(value) for name, value in headers.items() if str(name).lower() == "content-type"), "")


def is_ndjson(content_type: str) -> bool:
    """Whether a body of this content type is lines of JSON."""
    return essence_of(content_type) in NDJSON_TYPES
