"""What a person fills in for an HTTP connector, and what an action says to it."""

from typing import Literal

from pydantic import Field, JsonValue, SecretStr, ValidationInfo, field_validator

from connectors.net.policy import MAX_URL, parse_url
from connectors.net.tls import check_certificates
from connectors.types.base import Config, Params, Secrets
from connectors.types.http.headers import check_name, check_value

Method = Literal["POST", "PUT", "PATCH", "DELETE", "GET"]
Auth = Literal["none", "basic", "bearer"]
Verify = Literal["full", "certificate", "none"]

DEFAULT_TIMEOUT = 15.0  # seconds
JSON_TYPE = "application/json"
_MAX_PEM = 256 * 1024
_PEM: dict[str, JsonValue] = {"contentMediaType": "application/x-pem-file"}


class HttpConfig(Config):
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
    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for a whole request, from connecting to the last byte.",
        ge=1,
        le=300,
    )
    auth: Auth = Field("none", title="Authentication", description="Basic (RFC 7617) or a bearer token (RFC 6750).")
    username: str = Field(
        "", title="User name", description="For basic authentication.", max_length=256, validate_default=True
    )
    verify: Verify = Field(
        "full",
        title="TLS verification",
        description="full: certificate and host name. certificate: not the host name. none: nothing, for tests only.",
    )
    ca: str = Field(
        "",
        title="Certificate authorities",
        description="PEM. Trusted in place of the system's.",
        max_length=_MAX_PEM,
        json_schema_extra=_PEM,
    )
    client_cert: str = Field(
        "",
        title="Client certificate",
        description="PEM, with its chain. Its key is a secret.",
        max_length=_MAX_PEM,
        json_schema_extra=_PEM,
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

    @field_validator("auth")
    @classmethod
    def _sets_its_header_alone(cls, value: Auth, info: ValidationInfo) -> Auth:
        if value != "none" and any(name.lower() == "authorization" for name in info.data.get("headers", ())):
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

    @field_validator("ca", "client_cert")
    @classmethod
    def _is_pem(cls, value: str) -> str:
        if "PRIVATE KEY" in value:
            raise ValueError("Take out the private key: it is a secret and has a field of its own.")
        if value:
            check_certificates(value)
        return value


class HttpSecrets(Secrets):
    """What must not be seen."""

    password: SecretStr | None = Field(None, title="Password", description="For basic authentication.", max_length=1024)
    token: SecretStr | None = Field(
        None, title="Bearer token", description="For bearer authentication.", max_length=8000
    )
    client_key: SecretStr | None = Field(
        None,
        title="Key of the client certificate",
        description="PEM, without a passphrase.",
        max_length=_MAX_PEM,
        json_schema_extra=_PEM,
    )

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("authorization", value.get_secret_value())
        return value

    @field_validator("client_key")
    @classmethod
    def _is_plain_key(cls, value: SecretStr | None) -> SecretStr | None:
        pem = value.get_secret_value() if value else ""
        if pem and ("PRIVATE KEY" not in pem or "ENCRYPTED" in pem):
            raise ValueError("This is not a private key in PEM without a passphrase.")
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
        description="A text, sent as it is, or a JSON value. null sends no body. GET never sends one.",
    )

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            check_name(name)
            if "{" not in value:  # or else it may be a template, and is checked when it is sent
                check_value(name, value)
        return headers
