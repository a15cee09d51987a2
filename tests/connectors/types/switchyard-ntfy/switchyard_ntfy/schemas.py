"""What a person fills in for an ntfy connector, and what an action says to it."""

import re
from typing import Final

from pydantic import Field, SecretStr, field_validator

from connectors.net.headers import check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets, is_template
from connectors.types.http_api import HttpApiConfig

TOPIC: Final = re.compile("[-_A-Za-z0-9]{1,64}")


class NtfyConfig(HttpApiConfig):
    """Which server."""

    url: str = Field(
        "https://ntfy.sh", title="Server", description="ntfy.sh, or a server of one's own.", max_length=MAX_URL
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value


class NtfySecrets(Secrets):
    """What lets messages in, where the topic is not open to all."""

    token: SecretStr | None = Field(None, title="Access token", description="Begins with tk_.", max_length=256)

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("authorization", value.get_secret_value())
        return value


class NtfyParams(Params):
    """One notification. Every string may be a template."""

    topic: str = Field(title="Topic", description="1 to 64 letters, digits, hyphens and underscores.", max_length=1024)
    title: str = Field("{{ event.type }}", title="Title", description="Above the message.", max_length=1024)
    message: str = Field(
        "{{ event.source }}: {{ event.data }}", title="Message", description="At most 4,096 bytes.", max_length=16_384
    )
    priority: int = Field(3, title="Priority", description="1 is the least, 5 the most.", ge=1, le=5)
    tags: list[str] = Field(
        default_factory=list, title="Tags", description="Names of emojis become emojis.", max_length=20
    )

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        if not TOPIC.fullmatch(value) and not is_template(value):
            raise ValueError("Use 1 to 64 letters, digits, hyphens and underscores, or a template that yields them.")
        return value
