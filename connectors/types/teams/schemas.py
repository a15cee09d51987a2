"""What a person fills in for a Teams connector, and what an action says to it.

``message`` is as in Kibana's connector ``.teams``.
"""

from typing import Final, Self

from pydantic import Field, JsonValue, SecretStr, field_validator, model_validator

from connectors.net.urls import MAX_URL
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.http_fields import PROSE, check_secret_url

_MAX_TEXT: Final = 256 * 1024  # characters of a template, and of what is cut to the limit of Teams


class TeamsConfig(HttpApiConfig):
    """How the webhook is called; where it is, is a secret."""


class TeamsSecrets(Secrets):
    """What lets messages in."""

    webhook_url: SecretStr | None = Field(
        None,
        title="Webhook URL",
        description=(
            "Of a workflow that posts to a channel or a chat when a webhook request is received. That of a Microsoft "
            "365 connector works as long as Microsoft keeps it."
        ),
        max_length=MAX_URL,
        examples=["https://example.com/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=a-long-key"],
    )

    @field_validator("webhook_url")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        return check_secret_url(value)


class TeamsParams(Params):
    """One message. Every string may be a template; its values mention nobody and format nothing."""

    title: str = Field(
        "",
        title="Title",
        description="In large letters above the message; cut after 1,024 characters.",
        max_length=_MAX_TEXT,
    )
    message: str = Field(
        "",
        title="Message",
        description="In Markdown: bold, italics, lists and links. Cut where the whole would pass 28 KB.",
        max_length=_MAX_TEXT,
        json_schema_extra=PROSE,
    )
    card: dict[str, JsonValue] = Field(
        default_factory=dict,
        title="Card",
        description="An Adaptive Card, in place of title and message. At most 28 KB.",
        max_length=100,
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        has_text = bool(self.title.strip() or self.message.strip())
        if has_text == bool(self.card):
            raise ValueError("Enter a title and a message, or a card.")
        return self
