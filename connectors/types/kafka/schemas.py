"""What a person fills in for a Kafka connector, and what an action says to it."""

import re
from typing import Any, Final, Literal

from pydantic import Field, JsonValue, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.net.brokers import parse_servers
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Config, Params, Secrets, is_template
from connectors.types.http_fields import ADVANCED
from connectors.types.oauth2 import check_token_fields
from connectors.types.tls_fields import TlsConfig, TlsSecrets

Auth = Literal["none", "plain", "scram_sha_256", "scram_sha_512", "oauth"]
Acks = Literal["all", "leader", "none"]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]

DEFAULT_TIMEOUT: Final = 15.0  # seconds
MAX_TOPIC: Final = 249
# What a broker takes: org.apache.kafka.common.internals.Topic.
_TOPIC: Final = re.compile(rf"[a-zA-Z0-9._-]{{1,{MAX_TOPIC}}}")
_EXTENSION: Final = re.compile(r"[A-Za-z]+")  # RFC 7628, section 3.1
_RESERVED_HEADERS: Final = frozenset({"webhook-id", "switchyard-hop"})


class _Cluster(Config):
    """Which cluster, as whom, and how messages go to it."""

    bootstrap_servers: str = Field(
        title="Bootstrap servers",
        description="host:port, several by comma; the port is 9092 unless it stands there. They name the others.",
        min_length=1,
        max_length=MAX_URL,
        examples=["kafka-1.example.com:9092, kafka-2.example.com:9092"],
    )
    auth: Auth = Field(
        "none",
        title="Authentication",
        description=(
            "plain (RFC 4616), scram_sha_256 and scram_sha_512 (RFC 5802): user name and password. oauth: tokens from "
            "a token endpoint (SASL OAUTHBEARER, RFC 7628; client credentials, RFC 6749). A client certificate needs "
            "none of these."
        ),
    )
    username: str = Field(
        "",
        title="User name",
        description="For plain and the two of scram.",
        max_length=256,
        validate_default=True,
    )
    token_url: str = Field(
        "",
        title="Token endpoint",
        description="For oauth. The client secret goes there, by the terms of this connector.",
        max_length=MAX_URL,
        validate_default=True,
    )
    oauth_client_id: str = Field(
        "",
        title="OAuth client ID",
        description="For oauth.",
        max_length=1024,
        validate_default=True,
    )
    scope: str = Field("", title="Scope", description="For oauth: the scopes to ask for, by space.", max_length=2048)
    token_fields: dict[str, str] = Field(
        default_factory=dict,
        title="Further token fields",
        description="For oauth: what else the token endpoint wants, such as an audience.",
        max_length=20,
        json_schema_extra=ADVANCED,
    )
    client_auth: Literal["header", "body"] = Field(
        "header",
        title="Client authentication",
        description="For oauth: the client's ID and secret go in a header (basic) or in the body.",
        json_schema_extra=ADVANCED,
    )
    sasl_extensions: dict[str, str] = Field(
        default_factory=dict,
        title="SASL extensions",
        description="For oauth: what the cluster wants to know beside the token, such as logicalCluster.",
        max_length=20,
        json_schema_extra=ADVANCED,
    )
    client_id: str = Field(
        "switchyard",
        title="Client ID",
        description="The name under which the cluster knows this client in its logs, metrics and quotas.",
        min_length=1,
        max_length=249,
        json_schema_extra=ADVANCED,
    )
    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for one try, from handing a message over to its acknowledgement.",
        ge=1,
        le=300,
    )
    acks: Acks = Field(
        "all",
        title="Acknowledgement",
        description=(
            "all: every replica in sync has the message. leader: the leader has it, and may lose it. none: nobody is "
            "asked, so that a delivery counts as done though it may be lost."
        ),
    )
    idempotence: bool = Field(
        True,
        title="Idempotent",
        description=(
            "The cluster drops what it has already when a try is repeated within its timeout, and keeps the order. "
            "Needs the acknowledgement of all: with another one it is off unless set, and cannot be switched on."
        ),
    )
    compression: Compression = Field("none", title="Compression", description="Of each batch of messages.")
    linger: int = Field(
        5,
        title="Linger",
        description="Milliseconds that a batch waits for more messages.",
        ge=0,
        le=500,
        json_schema_extra=ADVANCED,
    )
    batch_size: int = Field(
        1_000_000,
        title="Batch size",
        description="The most bytes of a batch, before compression.",
        ge=1_000,
        le=100_000_000,
        json_schema_extra=ADVANCED,
    )
    max_message_size: int = Field(
        1_000_000,
        title="Largest message",
        description="Bytes. A larger message is refused here; the cluster and the topic have limits of their own.",
        ge=1_000,
        le=100_000_000,
        json_schema_extra=ADVANCED,
    )
    create_topics: bool = Field(
        False,
        title="Create topics",
        description="Let the cluster create a topic that is missing, where it does that.",
    )
    probe_topic: str = Field(
        "",
        title="Test topic",
        description="A test and the health checks see that it exists and may be written. Nothing is written there.",
        max_length=MAX_TOPIC,
    )
    tls: bool = Field(False, title="TLS", description="Encrypt the connections, and check whom they lead to.")

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_servers(cls, value: str) -> str:
        parse_servers("kafka", value)
        return value

    @field_validator("username")
    @classmethod
    def _names_the_user(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") not in ("none", "oauth", None) and not value:
            raise ValueError("This authentication needs a user name.")
        if not value.isprintable():
            raise ValueError("A user name has no control characters.")
        return value

    @field_validator("token_url")
    @classmethod
    def _is_token_url(cls, value: str, info: ValidationInfo) -> str:
        if value:
            parse_url(value)
        elif info.data.get("auth") == "oauth":
            raise ValueError("oauth needs a token endpoint.")
        return value

    @field_validator("oauth_client_id")
    @classmethod
    def _names_the_oauth_client(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "oauth" and not value:
            raise ValueError("oauth needs a client ID.")
        return value

    @field_validator("token_fields")
    @classmethod
    def _leave_the_standard_ones(cls, fields: dict[str, str]) -> dict[str, str]:
        check_token_fields(fields)
        return fields

    @field_validator("sasl_extensions")
    @classmethod
    def _are_extensions(cls, extensions: dict[str, str]) -> dict[str, str]:
        for name, value in extensions.items():
            if not _EXTENSION.fullmatch(name) or name == "auth":
                raise ValueError(f"{name} is no name of an extension: those have letters only, and auth is taken.")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"The value of {name} has characters that an extension cannot have.")
        return extensions

    @field_validator("client_id")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        # It goes to whatever answers at the address, first of all: no line of another protocol may stand in it.
        if not (value.isascii() and value.isprintable()):
            raise ValueError("A client ID has printable ASCII characters only.")
        return value

    @model_validator(mode="before")
    @classmethod
    def _follow_the_acks(cls, values: Any) -> Any:
        # The default is for the acknowledgement of all: what nobody has set is no reason to refuse another one.
        if isinstance(values, dict) and values.get("acks", "all") != "all":
            return {"idempotence": False, **values}
        return values

    @field_validator("idempotence")
    @classmethod
    def _fits_the_acks(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("acks", "all") != "all":
            raise ValueError("Idempotence needs the acknowledgement of all: switch it off, or choose all.")
        return value

    @field_validator("probe_topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        if value:
            check_topic(value)
        return value


class KafkaConfig(TlsConfig, _Cluster):
    """A cluster, as whom it is spoken to, and how messages go to it."""


class _SaslSecrets(Secrets):
    password: SecretStr | None = Field(
        None, title="Password", description="For plain and the two of scram.", max_length=1024
    )
    client_secret: SecretStr | None = Field(
        None, title="OAuth client secret", description="For oauth.", max_length=8000
    )


class KafkaSecrets(TlsSecrets, _SaslSecrets):
    """What must not be seen of a Kafka connector."""


class KafkaParams(Params):
    """One message. Every string may be a template."""

    topic: str = Field(
        title="Topic",
        description="Where the message goes. A template may choose it by the event.",
        min_length=1,
        max_length=MAX_URL,
        examples=["readings"],
    )
    key: str = Field(
        "",
        title="Key",
        description="Messages with the same key come into the same partition, in order. Empty: none.",
    )
    value: JsonValue = Field(
        "{{ event }}",
        title="Value",
        description=(
            "A JSON value, or a text that is JSON once rendered: event values in it are written as JSON. For a text "
            "that is no JSON add the header content-type: text/plain; it is sent as it is, and event values in it too. "
            "null sends none, which deletes the key in a compacted topic."
        ),
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="Headers",
        description="Of the message. Switchyard adds webhook-id, which tells duplicates, and switchyard-hop.",
        max_length=50,
    )
    timestamp: str = Field(
        "",
        title="Timestamp",
        description="Milliseconds since 1970, or a time such as {{ event.time }}. Empty: the time of sending.",
        max_length=2048,
    )
    partition: str = Field(
        "",
        title="Partition",
        description="A number. Empty: by the key as Kafka's own clients choose it, without a key any.",
        max_length=2048,
    )

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        return value if is_template(value) else check_topic(value)

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        if taken := {name.lower() for name in headers} & _RESERVED_HEADERS:
            raise ValueError(f"Switchyard itself sets {min(taken)}.")
        return headers


def check_topic(name: str) -> str:
    """Return the name of a topic; raise ValueError when no topic can have it."""
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"A topic has 1 to {MAX_TOPIC} letters, digits, dots, underscores and hyphens.")
    return name
