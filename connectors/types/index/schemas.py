"""What a person fills in for an Elasticsearch or OpenSearch connector, and what an action says to it.

The fields are those of the bulk API (Elasticsearch, "Bulk index or delete documents"; OpenSearch, "Bulk") and of
Kibana's connector ``.index``.
"""

from typing import Final, Literal

import orjson
from pydantic import Field, JsonValue, SecretStr, ValidationInfo, field_validator

from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets, is_template
from connectors.types.http_api import HttpApiConfig
from connectors.types.index.names import check_index, check_index_template
from connectors.types.rendered import one_of

Auth = Literal["none", "basic", "api_key", "bearer"]
Refresh = Literal["false", "true", "wait_for"]

OP_TYPES: Final = ("create", "index")
MAX_DOCUMENTS: Final = 1000
MAX_BYTES: Final = 50 * 1024 * 1024  # half of what Elasticsearch takes unless http.max_content_length says otherwise
MAX_ID: Final = 512  # bytes


class IndexConfig(HttpApiConfig):
    """Where documents go and how."""

    url: str = Field(
        title="URL",
        description="The address of Elasticsearch or OpenSearch, with its port and path, if any.",
        min_length=1,
        max_length=MAX_URL,
        examples=["https://elasticsearch.example.com:9200"],
    )
    auth: Auth = Field(
        "none",
        title="Authentication",
        description="basic: user name and password. api_key: a key of Elasticsearch. bearer: a token of a service.",
    )
    username: str = Field(
        "", title="User name", description="For basic authentication.", max_length=256, validate_default=True
    )
    index: str = Field(
        "",
        title="Index",
        description=(
            "The index, alias or data stream of actions that name none. A test looks whether it may be written to."
        ),
        max_length=255,
        examples=["alerts"],
    )
    refresh: Refresh = Field(
        "false",
        title="Refresh",
        description=(
            "When documents can be found. false: within the index's own interval. wait_for: the answer waits for "
            "that. true: at once, which costs the cluster much."
        ),
    )
    execution_time_field: str = Field(
        "",
        title="Time field",
        description="A field of each document that gets the time at which it is sent. Data streams need @timestamp.",
        max_length=256,
    )
    max_documents: int = Field(
        500,
        title="Documents in one request",
        description="What is due at the same time goes together, up to so many; nothing waits for a request to fill.",
        ge=1,
        le=MAX_DOCUMENTS,
    )
    max_bytes: int = Field(
        5 * 1024 * 1024,
        title="Bytes in one request",
        description="The most that one request has, unless a single document is larger.",
        ge=64 * 1024,
        le=MAX_BYTES,
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        if "?" in value:
            raise ValueError("The URL has no query.")
        return value

    @field_validator("username")
    @classmethod
    def _fits_auth(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "basic" and not value:
            raise ValueError("Basic authentication needs a user name.")
        if ":" in value or not value.isprintable():
            raise ValueError("A user name has no colon and no control characters.")
        return value

    @field_validator("index")
    @classmethod
    def _is_index(cls, value: str) -> str:
        return check_index(value) if value else value


class IndexSecrets(Secrets):
    """What lets documents in."""

    password: SecretStr | None = Field(None, title="Password", description="For basic authentication.", max_length=1024)
    api_key: SecretStr | None = Field(
        None,
        title="API key",
        description="Encoded, as Elasticsearch shows it, or as its id and key with a colon between.",
        max_length=4096,
    )
    token: SecretStr | None = Field(None, title="Token", description="For bearer authentication.", max_length=16 * 1024)


def default_document() -> dict[str, JsonValue]:
    """Return a document that an index and a data stream take, with the whole event in it."""
    return {"@timestamp": "{{ event.time }}", "event": "{{ event }}"}


class IndexParams(Params):
    """One document. Every string may be a template."""

    document: dict[str, JsonValue] | str = Field(
        default_factory=default_document,
        title="Document",
        description="A JSON object. A value that is a single {{ … }} keeps its type.",
    )
    index: str = Field(
        "", title="Index", description="The index, alias or data stream. Empty: the connector's.", max_length=1024
    )
    op_type: str = Field(
        "create",
        title="Operation",
        description=(
            "create leaves a document that is there already as it is. index replaces it. Data streams take create only."
        ),
        max_length=256,
    )
    id: str = Field(
        "",
        title="Document ID",
        description="Empty: the id of the delivery, so that no retry makes a second document.",
        max_length=2048,
    )
    pipeline: str = Field(
        "", title="Pipeline", description="The ingest pipeline. Empty: the index's own, if any.", max_length=1024
    )

    @field_validator("document")
    @classmethod
    def _is_object(cls, value: dict[str, JsonValue] | str) -> dict[str, JsonValue] | str:
        if isinstance(value, str) and not is_template(value):
            read_document(value)
        return value

    @field_validator("index")
    @classmethod
    def _is_index(cls, value: str) -> str:
        return check_index_template(value)

    @field_validator("op_type")
    @classmethod
    def _is_op_type(cls, value: str) -> str:
        return one_of(OP_TYPES, value)


def read_document(value: dict[str, JsonValue] | str) -> dict[str, JsonValue]:
    """Return the document; raise ValueError for a text that is no JSON object."""
    if isinstance(value, dict):
        return dict(value)
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"A document is JSON: {error}.") from None
    if not isinstance(found, dict):
        raise ValueError("A document is a JSON object.")
    return found
