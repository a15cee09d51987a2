"""Puts one message together: whom it goes to, and its text as a server takes it (RFC 5322, MIME)."""

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final

from django.conf import settings

from connectors.net.smtp import Envelope
from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.cutting import cut
from connectors.types.email.markdown import is_link, to_html, to_text
from connectors.types.email.schemas import Attachment, EmailConfig, EmailParams, is_content_type
from connectors.types.mailboxes import CONTROLS, BadAddress, Mailbox, is_allowed, parse_mailbox

_MAX_SUBJECT: Final = 2048  # characters
_LINE: Final = 76  # characters of a header's line
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_POLICY: Final = SMTP.clone(cte_type="7bit")  # nothing beyond ASCII in the body, whatever the server takes
_ENCODED_WORD: Final = "=?"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as it is sent; ``message_id`` is without its brackets."""

    envelope: Envelope
    data: bytes
    message_id: str


def compose(config: EmailConfig, message: Message[EmailParams]) -> Mail:
    """Return the mail of a message; raise BadMessage that names the field which cannot be sent."""
    params, sender = message.params, parse_mailbox(config.from_)
    to, cc, bcc = (_mailboxes(config, name, getattr(params, name)) for name in ("to", "cc", "bcc"))
    recipients = list(dict.fromkeys(mailbox.spec for mailbox in (*to, *cc, *bcc)))
    if not recipients:
        raise BadMessage("to, cc and bcc are empty: a message needs a recipient.")
    reply_to = _parse_all("reply_to", params.reply_to)
    message_id = f"{message.webhook_id}@{sender.domain}"
    headers = [
        _addresses("From", [sender]),
        _addresses("To", to) if to else "" if cc else "To: undisclosed-recipients:;",
        _addresses("Cc", cc),
        _addresses("Reply-To", reply_to),
        f"Subject: {_subject(params.subject)}",
        f"Date: {formatdate(localtime=False)}",
        f"Message-ID: <{message_id}>",
        f"Webhook-Id: {message.webhook_id}",
        "Auto-Submitted: auto-generated",  # so that no vacation notice answers (RFC 3834)
    ]
    head = "\r\n".join(filter(None, headers)).encode()
    data = _LINE_END.sub(b"\r\n", head + b"\r\n" + _body(params))
    is_international = any(not spec.isascii() for spec in (sender.spec, *recipients, *(each.spec for each in reply_to)))
    return Mail(Envelope(sender.spec, recipients, is_international), data, message_id)


def _mailboxes(config: EmailConfig, field: str, entries: Sequence[str]) -> list[Mailbox]:
    found = _parse_all(field, entries)
    for mailbox in found:
        if why := why_refused(config, mailbox):
            raise BadMessage(f"{field}: {why}")
    return found


def why_refused(config: EmailConfig, mailbox: Mailbox) -> str:
    """Return why this mailbox gets no message, in words for a person; empty when it does."""
    if not is_allowed(mailbox, config.allowed_recipients):
        return f"{mailbox.spec} is not among the recipients that this connector allows."
    if not is_allowed(mailbox, settings.EMAIL_ALLOWED_RECIPIENTS):
        return f"{mailbox.spec} is not among the recipients that EMAIL_ALLOWED_RECIPIENTS allows."
    return ""


def _parse_all(field: str, entries: Sequence[str]) -> list[Mailbox]:
    found = []
    for entry in entries:
        if entry.strip():
            try:
                found.append(parse_mailbox(entry))
            except BadAddress as error:
                raise BadMessage(f"{field} {error}.") from None
    return found


def _addresses(name: str, mailboxes: Sequence[Mailbox]) -> str:
    # One on each line: no folding has to break within an address.
    return f"{name}: " + ",\r\n ".join(map(str, mailboxes)) if mailboxes else ""


def _subject(text: str) -> str:
    """Return the subject as a header has it: one line of values that may have many, so that none begins a header."""
    text = cut(" ".join(CONTROLS.sub(" ", text).split()), _MAX_SUBJECT)
    if text.isascii() and len(text) <= _LINE - len("Subject: ") and _ENCODED_WORD not in text:
        return text
    return Header(text, "utf-8", _LINE, "Subject").encode(linesep="\r\n")


def _body(params: EmailParams) -> bytes:
    if params.footer_url and not is_link(params.footer_url):
        raise BadMessage("footer_url does not begin with http:// or https://.")
    footer = " ".join((params.footer or params.footer_url).split())
    body = EmailMessage(_POLICY)
    body.set_content(to_text(params.message, footer, params.footer_url))
    body.add_alternative(to_html(params.message, footer, params.footer_url), subtype="html")
    for number, attachment in enumerate(params.attachments):
        _attach(body, attachment, f"attachments/{number}")
    return body.as_bytes()


def _attach(body: EmailMessage, attachment: Attachment, field: str) -> None:
    name = attachment.filename.strip()
    if not name or CONTROLS.search(name) or "/" in name or "\\" in name:
        raise BadMessage(f"{field}/filename is {name[:80]!r}: use a name without a path and control characters.")
    if not is_content_type(attachment.content_type):
        raise BadMessage(f"{field}/content_type is {attachment.content_type[:80]!r}, and not one such as text/csv.")
    content = attachment.content.encode()
    if attachment.encoding == "base64":
        try:
            content = b64decode("".join(attachment.content.split()), validate=True)
        except (binascii.Error, ValueError):
            raise BadMessage(f"{field}/content is not base64.") from None
    main, _, sub = attachment.content_type.lower().partition("/")
    if main == "text":
        body.add_attachment(content, main, sub, filename=name, params={"charset": "utf-8"})
    else:
        body.add_attachment(content, main, sub, filename=name)
