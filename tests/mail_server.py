"""A real SMTP server (aiosmtpd) on the loopback address, whose manners a test chooses."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from importlib.metadata import version
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests import started
from tests.servers import START_SECONDS, free_port

VERSION = f"aiosmtpd {version('aiosmtpd')}"
USER, PASSWORD = "robot", "pässword with spaces"


@dataclass(frozen=True)
class Received:
    """One message: its envelope, and its text as it came."""

    sender: str
    recipients: list[str]
    data: bytes
    options: list[str]
    is_encrypted: bool
    is_signed_in: bool
    session: int

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.data, policy=SMTP_POLICY)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def body(self, kind: str) -> str:
        """Return the text or the HTML of the message, decoded."""
        part = self.message.get_body((kind,))
        assert part is not None
        content = part.get_content()
        assert isinstance(content, str)
        return content.replace("\r\n", "\n")


@dataclass
class MailServer:
    """What came in. ``replies`` says what is said in place of the usual 250, by recipient, MAIL or DATA."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)

    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str) -> str:  # noqa: N802
        session.host_name = hostname
        if id(session) not in self.sessions:
            self.sessions.append(id(session))
        return "250 HELP"

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"MAIL {address}")
        if refusal := self.replies.get("MAIL"):
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"RCPT {address}")
        if refusal := self.replies.get(address):
            return refusal
        if (most := self.replies.get("most recipients")) and len(envelope.rcpt_tos) >= int(most):
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_RSET(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.commands.append("RSET")
        return "250 2.0.0 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if refusal := self.replies.get("DATA"):
            return refusal
        assert isinstance(envelope.content, bytes)
        self.received.append(
            Received(
                envelope.mail_from or "",
                list(envelope.rcpt_tos),
                envelope.content,
                list(envelope.mail_options),
                session.ssl is not None,
                bool(session.authenticated),
                id(session),
            )
        )
        return "250 2.0.0 Queued"


@contextmanager
def mail_server(
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    asks_for_sign_in: bool = False,
    only: str = "",
    knows_utf8: bool = True,
    largest: int = 1_000_000,
) -> Iterator[MailServer]:
    """Run a server. With ``only``, PLAIN or LOGIN is the one way to sign in; ``largest`` is of a message, in bytes."""
    running = MailServer()

    def judge(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, auth_data=USER if is_right else None, handled=is_right)

    running.port = free_port()
    controller = Controller(
        running,
        hostname="127.0.0.1",
        port=running.port,
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=judge,
        auth_required=asks_for_sign_in,
        auth_require_tls=False,
        auth_exclude_mechanism={"PLAIN", "LOGIN"} - {only} if only else (),
        enable_SMTPUTF8=knows_utf8,
        data_size_limit=largest,
        server_hostname="mail.test",
        ready_timeout=START_SECONDS,
    )
    controller.start()
    started.note(VERSION)
    try:
        yield running
    finally:
        controller.stop()
