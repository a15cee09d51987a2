"""What a person fills in for a Redis Streams connector, and what an action adds to a stream.

The fields are those of the command XADD (https://redis.io/docs/latest/commands/xadd/).
"""

import re
from typing import Final

from pydantic import Field, JsonValue, SecretStr, field_validator

from connectors.types.base import Params, is_template
from connectors.types.tcp import TcpConfig
from connectors.types.tls_fields import TlsSecrets

_WHOLE_EVENT: Final[dict[str, JsonValue]] = {"event": "{{ event }}"}
MAX_FIELDS: Final = 200
MAX_KEY: Final = 1024  # characters
_ENTRY_ID: Final = re.compile(r"\*|\d{1,20}(-(\d{1,20}|\*))?")


class RedisStreamConfig(TcpConfig):
    """The server that has the streams."""

    port: int = Field(6379, title="Port", description="6379 is usual.", ge=1, le=65535)
    tls: bool = Field(False, title="TLS", description="Speak TLS. Without it all is readable on the way.")
    username: str = Field("", title="User name", description="An ACL user. Empty: the default user.", max_length=256)
    database: int = Field(0, title="Database", description="Its number.", ge=0, le=10_000)


class RedisStreamSecrets(TlsSecrets):
    """What the server lets entries in for."""

    password: SecretStr | None = Field(
        None, title="Password", description="Of the user. None where the server asks for none.", max_length=1024
    )


class RedisStreamParams(Params):
    """One entry. Every string may be a template."""

    stream: str = Field(
        "switchyard:events",
        title="Stream",
        description="The key. It is created when it is not there.",
        min_length=1,
        max_length=MAX_KEY,
    )
    fields: JsonValue = Field(
        _WHOLE_EVENT,
        title="Fields",
        description=(
            "An object: each member is a field of the entry; what is no text is written as JSON. Or a template that "
            "yields an object. The field webhook-id is added: it is the same over all tries."
        ),
    )
    max_length: int | None = Field(
        None,
        title="Longest stream",
        description="About how many entries the stream keeps; the oldest go first. Empty: all.",
        ge=1,
        le=1_000_000_000,
    )
    entry_id: str = Field(
        "*",
        title="Entry ID",
        description="*: the server makes one. Or milliseconds-number; each must be greater than the one before.",
        min_length=1,
        max_length=256,
    )

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            if not 1 <= len(value) <= MAX_FIELDS:
                raise ValueError(f"An entry has 1 to {MAX_FIELDS} fields.")
        elif not isinstance(value, str):
            raise ValueError("Give an object, or a template that yields one.")
        return value

    @field_validator("entry_id")
    @classmethod
    def _is_entry_id(cls, value: str) -> str:
        if not is_template(value) and not is_entry_id(value):
            raise ValueError("Write *, or milliseconds-number such as 1767225600000-0.")
        return value


def is_entry_id(value: str) -> bool:
    """Whether XADD can take this as an ID."""
    return _ENTRY_ID.fullmatch(value) is not None
