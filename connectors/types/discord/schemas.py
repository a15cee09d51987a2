"""What a person fills in for a Discord connector, and what an action says to it.

The fields are those of "Execute Webhook" (https://docs.discord.com/developers/resources/webhook) and of embeds
(https://docs.discord.com/developers/resources/message).
"""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.net.urls import MAX_URL
from connectors.types.base import Params, Secrets, is_template
from connectors.types.http_api import HttpApiConfig
from connectors.types.http_fields import PROSE, check_secret_url

MAX_EMBEDS: Final = 10
_MAX_TEXT: Final = 256 * 1024  # characters of a template, and of what is cut or refused by Discord's limits
_SHORT: Final = 16 * 1024

Mention = Literal["everyone", "roles", "users"]


class DiscordConfig(HttpApiConfig):
    """How the webhook is called; where it is, is a secret."""


class DiscordSecrets(Secrets):
    """What lets messages in."""

    webhook_url: SecretStr | None = Field(
        None,
        title="Webhook URL",
        description="From the settings of the channel, under Integrations: https://discord.com/api/webhooks/…/….",
        max_length=MAX_URL,
        examples=["https://discord.com/api/webhooks/223704706495545344/a-long-key"],
    )

    @field_validator("webhook_url")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        check_secret_url(value)
        if value is not None and "?" in value.get_secret_value():
            raise ValueError("Leave out the question mark and what follows.")
        return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbedAuthor(_Part):
    """Who an embed says it is by."""

    name: str = Field(title="Name", description="At most 256 characters.", max_length=_SHORT)
    url: str = Field("", title="Address", description="Where the name leads.", max_length=MAX_URL)
    icon_url: str = Field("", title="Icon", description="Address of an image.", max_length=MAX_URL)


class EmbedFooter(_Part):
    """The last line of an embed."""

    text: str = Field(title="Text", description="At most 2,048 characters.", max_length=_SHORT)
    icon_url: str = Field("", title="Icon", description="Address of an image.", max_length=MAX_URL)


class EmbedImage(_Part):
    """An image of an embed."""

    url: str = Field(title="Address", description="Where the image is.", max_length=MAX_URL)


class EmbedField(_Part):
    """A name and a value of an embed."""

    name: str = Field(title="Name", description="At most 256 characters.", max_length=_SHORT)
    value: str = Field(title="Value", description="At most 1,024 characters.", max_length=_SHORT)
    inline: bool = Field(False, title="Inline", description="Whether it stands beside others.")


class Embed(_Part):
    """A framed part of a message."""

    title: str = Field("", title="Title", description="At most 256 characters.", max_length=_SHORT)
    description: str = Field("", title="Description", description="At most 4,096 characters.", max_length=_MAX_TEXT)
    url: str = Field("", title="Address", description="Where the title leads.", max_length=MAX_URL)
    timestamp: str = Field("", title="Time", description="ISO 8601.", max_length=256)
    color: int | None = Field(
        None, title="Color", description="Of the frame, as a number: 16711680 is red.", ge=0, le=0xFFFFFF
    )
    author: EmbedAuthor | None = Field(None, title="Author", description="Stands above the title.")
    footer: EmbedFooter | None = Field(None, title="Footer", description="Stands below.")
    image: EmbedImage | None = Field(None, title="Image", description="A large image.")
    thumbnail: EmbedImage | None = Field(None, title="Thumbnail", description="A small image.")
    fields: list[EmbedField] = Field(
        default_factory=list, title="Fields", description="At most 25 names and values.", max_length=25
    )


class DiscordParams(Params):
    """One message. Every string may be a template; its values mention nobody and format nothing."""

    content: str = Field(
        "",
        title="Text",
        description="In Discord's Markdown, cut after 2,000 characters.",
        max_length=_MAX_TEXT,
        json_schema_extra=PROSE,
    )
    embeds: list[Embed] = Field(
        default_factory=list,
        title="Embeds",
        description="Framed parts with title, description, fields and images: at most 6,000 characters together.",
        max_length=MAX_EMBEDS,
    )
    username: str = Field(
        "",
        title="Name",
        description="Who it is from, in place of the webhook's own name. Cut after 80 characters.",
        max_length=_MAX_TEXT,
    )
    avatar_url: str = Field(
        "", title="Avatar", description="Address of an image, in place of the webhook's own.", max_length=MAX_URL
    )
    mentions: list[Mention] = Field(
        default_factory=list,
        title="Mentions",
        description="Whom the text may notify: everyone, roles, users. Values of events notify nobody in any case.",
        max_length=3,
    )
    thread_id: str = Field(
        "", title="Thread", description="The ID of a thread of the channel, to post there.", max_length=256
    )
    thread_name: str = Field(
        "",
        title="New thread",
        description="The name of a thread to begin; needed where the channel is a forum. Cut after 100 characters.",
        max_length=_MAX_TEXT,
    )
    silent: bool = Field(False, title="Silent", description="Whether nobody is notified.")

    @field_validator("thread_id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if value and not value.isdigit() and not is_template(value):
            raise ValueError("Use the number of a thread, or a template that yields one.")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.content.strip() and not self.embeds:
            raise ValueError("Enter a text, embeds or both: Discord takes no empty message.")
        if self.thread_id and self.thread_name:
            raise ValueError("Enter a thread or the name of a new one, not both.")
        return self
