"""What a person fills in for an email connector, and what an action says to it.

The fields are those of Kibana's connector ``.email`` where it has them.
"""

import re
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.net.urls import MAX_URL
from connectors.types.base import Params, is_template
from connectors.types.email.markdown import is_link
from connectors.types.mailboxes import MAX_ADDRESS, BadAddress, check_pattern, parse_mailbox
from connectors.types.rendered import LONG
from connectors.types.tcp import TcpConfig
from connectors.types.tls_fields import TlsSecrets

Security = Literal["starttls", "tls", "none"]

MAX_RECIPIENTS: Final = 100  # of each kind; any server takes so many in one go (RFC 5321, section 4.5.3.1.8)
MAX_ATTACHMENTS: Final = 10
MAX_MESSAGE: Final = 256 * 1024  # characters
_CONTENT_TYPE: Final = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,127}")


class EmailConfig(TcpConfig):
    """The server that takes the messages, and whom they are from."""

    model_config = ConfigDict(serialize_by_alias=True)

    port: int = Field(
        587, title="Port", description="587 with STARTTLS and 465 with TLS are usual; 25 for a relay.", ge=1, le=65535
    )
    security: Security = Field(
        "starttls",
        title="Encryption",
        description=(
            "starttls: the connection becomes TLS before anything is said, and none is used without. tls: from the "
            "beginning. none: all is readable on the way, the password as well."
        ),
    )
    username: str = Field(
        "",
        title="User name",
        description="Where the server wants one. The password is a secret.",
        max_length=256,
    )
    from_: str = Field(
        alias="from",
        title="From",
        description="user@example.com or Name <user@example.com>.",
        min_length=1,
        max_length=MAX_ADDRESS,
        examples=["Switchyard <alerts@example.com>"],
    )
    allowed_recipients: list[str] = Field(
        ["*"],
        title="Allowed recipients",
        description=(
            "Who may get messages: example.com, *.example.com for its subdomains, user@example.com, or * for all. "
            "The installation's own list holds as well."
        ),
        min_length=1,
        max_length=200,
    )

    @field_validator("username")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("A user name has no control characters.")
        return value

    @field_validator("from_")
    @classmethod
    def _is_mailbox(cls, value: str) -> str:
        return _checked(value)

    @field_validator("allowed_recipients")
    @classmethod
    def _are_patterns(cls, value: list[str]) -> list[str]:
        return [check_pattern(pattern) for pattern in value]


class EmailSecrets(TlsSecrets):
    """What the server lets messages in for."""

    password: SecretStr | None = Field(
        None, title="Password", description="Of the user, or a password for applications.", max_length=1024
    )


class Attachment(BaseModel):
    """A file that goes along."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filename: str = Field(title="File name", description="Without a path.", min_length=1, max_length=512)
    content: str = Field(title="Content", description="Text, or base64 as the encoding says.", max_length=MAX_MESSAGE)
    content_type: str = Field(
        "text/plain", title="Content type", description="Such as text/csv or application/pdf.", max_length=512
    )
    encoding: Literal["text", "base64"] = Field(
        "text", title="Encoding", description="base64: the content is decoded before it is sent."
    )

    @field_validator("content_type")
    @classmethod
    def _is_content_type(cls, value: str) -> str:
        if not is_template(value) and not is_content_type(value):
            raise ValueError("Write a type and a subtype such as text/csv; multipart and message are not possible.")
        return value


class EmailParams(Params):
    """One message. Every string may be a template."""

    to: list[str] = Field(
        default_factory=list,
        title="To",
        description="One address in each entry. An entry that turns out empty is left out.",
        max_length=MAX_RECIPIENTS,
    )
    cc: list[str] = Field(default_factory=list, title="Cc", description="Who gets a copy.", max_length=MAX_RECIPIENTS)
    bcc: list[str] = Field(
        default_factory=list, title="Bcc", description="Who gets a copy unseen.", max_length=MAX_RECIPIENTS
    )
    reply_to: list[str] = Field(
        default_factory=list, title="Reply to", description="Where answers go, if not to the sender.", max_length=10
    )
    subject: str = Field(
        "{{ event.type }} from {{ event.source }}",
        title="Subject",
        description=(
            "Becomes one line, whatever values bring: line breaks and control characters are spaces in it. Cut after "
            "2,048 characters."
        ),
        min_length=1,
        max_length=LONG,
    )
    message: str = Field(
        "**{{ event.type }}** from {{ event.source }}\n\nEvent {{ event.id }}",
        title="Message",
        description=(
            "Markdown (CommonMark with tables). It is sent as HTML and as text. Values come without markup; links lead "
            "to http, https and mailto addresses."
        ),
        max_length=MAX_MESSAGE,
    )
    footer: str = Field("", title="Footer", description="A line below the message.", max_length=1024)
    footer_url: str = Field(
        "", title="Link of the footer", description="Where the footer leads: http or https.", max_length=MAX_URL
    )
    attachments: list[Attachment] = Field(
        default_factory=list,
        title="Attachments",
        description="Files. The whole action has at most 512 KiB once it is rendered.",
        max_length=MAX_ATTACHMENTS,
    )

    @field_validator("to", "cc", "bcc", "reply_to")
    @classmethod
    def _are_mailboxes(cls, value: list[str]) -> list[str]:
        if too_long := next((entry for entry in value if len(entry) > MAX_ADDRESS), None):
            raise ValueError(f"An address has at most {MAX_ADDRESS} characters; {too_long[:50]} … has more.")
        return [entry if is_template(entry) or not entry.strip() else _checked(entry) for entry in value]

    @field_validator("footer_url")
    @classmethod
    def _is_link(cls, value: str) -> str:
        if value and not is_template(value) and not is_link(value):
            raise ValueError("Use an address that begins with http:// or https://.")
        return value


def is_content_type(value: str) -> bool:
    """Whether this can be the type of an attachment."""
    return _CONTENT_TYPE.fullmatch(value.lower()) is not None


def _checked(value: str) -> str:
    try:
        parse_mailbox(value)
    except BadAddress as error:
        raise ValueError(f"This {error}.") from None
    return value
