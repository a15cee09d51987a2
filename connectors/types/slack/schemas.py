"""What a person fills in for a Slack connector, and what an action says to it.

The fields are those of chat.postMessage (https://docs.slack.dev/reference/methods/chat.postMessage) and of Kibana's
connectors ``.slack_api`` (a bot token) and ``.slack`` (a webhook).
"""

from typing import Final, Literal, Self

from pydantic import Field, JsonValue, SecretStr, ValidationInfo, field_validator, model_validator

from connectors.net.headers import check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.http_fields import PROSE, check_secret_url

DEFAULT_URL: Final = "https://slack.com/api"
MAX_CHANNELS: Final = 500
_MAX_CHANNEL: Final = 256
_MAX_TEXT: Final = 256 * 1024  # characters of a template, and of what is cut to Slack's limit


class SlackConfig(HttpApiConfig):
    """How messages get into a workspace, and where to."""

    method: Literal["bot", "webhook"] = Field(
        "bot",
        title="Way",
        description=(
            "bot: with the token of an app, to any channel it may post to. webhook: with a webhook's URL, to the one "
            "channel that it was made for."
        ),
    )
    api_url: str = Field(
        DEFAULT_URL,
        title="API URL",
        description="Where Slack's Web API is, for a bot. GovSlack: https://slack-gov.com/api.",
        min_length=1,
        max_length=MAX_URL,
    )
    channel: str = Field(
        "",
        title="Channel",
        description="For a bot: where messages go whose action names no channel. Its ID, such as C0123ABCD, or name.",
        max_length=_MAX_CHANNEL,
        examples=["C0123ABCD"],
    )
    allowed_channels: list[str] = Field(
        default_factory=list,
        title="Allowed channels",
        description="For a bot: IDs or names of the only channels that it posts to. Empty: any that Slack lets it.",
        max_length=MAX_CHANNELS,
    )

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        return value

    @field_validator("channel", "allowed_channels")
    @classmethod
    def _is_for_a_bot(cls, value: str | list[str], info: ValidationInfo) -> str | list[str]:
        if value and info.data.get("method") == "webhook":
            raise ValueError("Leave it empty: a webhook posts to the channel that it was made for.")
        if any(not name.strip() or len(name) > _MAX_CHANNEL for name in value if isinstance(value, list)):
            raise ValueError(f"Each is the ID or the name of a channel, of at most {_MAX_CHANNEL} characters.")
        return value

    def allows(self, channel: str) -> bool:
        """Whether messages may go to this channel."""
        allowed = {name.lstrip("#") for name in (*self.allowed_channels, self.channel) if name}
        return not self.allowed_channels or channel.lstrip("#") in allowed


class SlackSecrets(Secrets):
    """What lets messages in; one of them is needed."""

    token: SecretStr | None = Field(
        None,
        title="Bot token",
        description="For a bot. It begins with xoxb- and needs the scope chat:write.",
        max_length=1024,
        examples=["xoxb-a-long-key"],
    )
    webhook_url: SecretStr | None = Field(
        None,
        title="Webhook URL",
        description="For a webhook. It begins with https://hooks.slack.com/services/.",
        max_length=MAX_URL,
        examples=["https://hooks.slack.com/services/T00000000/B00000000/a-long-key"],
    )

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("authorization", value.get_secret_value())
        return value

    @field_validator("webhook_url")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        return check_secret_url(value)


class SlackParams(Params):
    """One message. Every string may be a template; its values mention nobody and format nothing."""

    channel: str = Field(
        "",
        title="Channel",
        description="For a bot: the ID or the name of a channel. Empty: the connector's.",
        max_length=2048,
    )
    text: str = Field(
        "",
        title="Text",
        description=(
            "In Slack's mrkdwn, cut after 40,000 characters. Beside blocks, it is what notifications and screen "
            "readers have."
        ),
        max_length=_MAX_TEXT,
        json_schema_extra=PROSE,
    )
    blocks: list[dict[str, JsonValue]] = Field(
        default_factory=list,
        title="Blocks",
        description="The message as Block Kit has it, in place of the text: at most 50 blocks.",
        max_length=50,
    )
    thread_ts: str = Field(
        "",
        title="Thread",
        description="The timestamp of a message, such as 1503435956.000247, to reply to.",
        max_length=2048,
    )
    unfurl: bool = Field(False, title="Previews", description="Whether Slack shows previews of links.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text.strip() and not self.blocks:
            raise ValueError("Enter a text, blocks or both: Slack takes no empty message.")
        return self
