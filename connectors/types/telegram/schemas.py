"""What a person fills in for a Telegram connector, and what an action says to it.

The fields are those of sendMessage: https://core.telegram.org/bots/api#sendmessage
"""

import re
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.net.headers import check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets, is_template
from connectors.types.http_api import HttpApiConfig
from connectors.types.http_fields import PROSE

DEFAULT_URL: Final = "https://api.telegram.org"
CHAT: Final = re.compile(r"-?\d{1,20}|@[A-Za-z0-9_]{1,64}", re.ASCII)
_MAX_TEXT: Final = 256 * 1024  # characters of a template, and of what is cut to Telegram's limit

ParseMode = Literal["HTML", "MarkdownV2", "none"]


class TelegramConfig(HttpApiConfig):
    """Where messages go."""

    api_url: str = Field(
        DEFAULT_URL,
        title="API URL",
        description="Where the Bot API is; another only for a Bot API server of one's own.",
        min_length=1,
        max_length=MAX_URL,
    )
    chat_id: str = Field(
        "",
        title="Chat",
        description=(
            "Where messages go whose action names no chat: the ID of a chat or a group, such as -1001234567890, or the "
            "@name of a channel."
        ),
        max_length=128,
        examples=["-1001234567890"],
    )

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        if "?" in value:
            raise ValueError("Leave out the question mark and what follows.")
        return value

    @field_validator("chat_id")
    @classmethod
    def _is_chat(cls, value: str) -> str:
        if value and not CHAT.fullmatch(value):
            raise ValueError("Use the number of a chat, or the name of a channel with its @.")
        return value


class TelegramSecrets(Secrets):
    """What lets messages in."""

    token: SecretStr | None = Field(
        None,
        title="Bot token",
        description="As @BotFather gave it: digits, a colon and letters.",
        min_length=1,
        max_length=256,
        examples=["110201543:a-long-key"],
    )

    @field_validator("token")
    @classmethod
    def _fits_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("token", value.get_secret_value())
        return value


class TelegramParams(Params):
    """One message. Every string but the markup may be a template; its values mention nobody and format nothing."""

    chat_id: str = Field(
        "",
        title="Chat",
        description="The ID of a chat or the @name of a channel. Empty: the connector's.",
        max_length=2048,
    )
    text: str = Field(
        title="Text",
        description="In the markup below, cut after the 4,096 characters that are seen of it.",
        min_length=1,
        max_length=_MAX_TEXT,
        json_schema_extra=PROSE,
    )
    parse_mode: ParseMode = Field(
        "HTML", title="Markup", description="HTML, MarkdownV2, or none: the text is shown as it is."
    )
    message_thread_id: str = Field(
        "", title="Topic", description="The number of a topic of a forum, to post there.", max_length=2048
    )
    reply_to_message_id: str = Field(
        "", title="Reply to", description="The number of a message of the chat, to reply to.", max_length=2048
    )
    previews: bool = Field(False, title="Previews", description="Whether Telegram shows a preview of a link.")
    silent: bool = Field(False, title="Silent", description="Whether nobody hears it.")

    @field_validator("message_thread_id", "reply_to_message_id")
    @classmethod
    def _is_number(cls, value: str) -> str:
        if value and not (value.isascii() and value.isdigit()) and not is_template(value):
            raise ValueError("Use a number, or a template that yields one.")
        return value

    @field_validator("text")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("Enter a text: Telegram takes no empty message.")
        return value
