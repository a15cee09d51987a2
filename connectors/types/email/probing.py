"""The steps of a probe: a session as for a mail, up to the sender."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from connectors.net.dialling import CannotConnect
from connectors.net.smtp import Refused, SmtpSession, Unsupported
from connectors.steps import Step
from connectors.types.email.replies import explain, reason_for, reason_for_lack
from connectors.types.email.sessions import EmailRoute, password
from connectors.types.http_probe import tls_advice, tls_step
from connectors.types.mailboxes import Mailbox, parse_mailbox
from connectors.types.tcp_probe import Stopped, reach, secure

_GREETING_ADVICE: Final = (
    "Check the port and the encryption: 587 speaks STARTTLS, 465 TLS from the beginning, 25 takes mail from servers."
)
_STARTTLS_ADVICE: Final = (
    "Check the port. A server without STARTTLS may take TLS from the beginning, on port 465; choose none only where "
    "the way to it is safe."
)
_SIGN_IN_ADVICE: Final = (
    "Check the user name and the password. Where a second factor is on, the server wants a password for applications."
)
_SENDER_ADVICE: Final = "The user may not send as this address, or the server does not know it: check From."
_PLAIN_ADVICE: Final = "The password is readable on the way: choose starttls or tls where the server has them."


def probe_email(route: EmailRoute, until: float) -> Iterator[Step]:
    """Yield resolve, policy, connect, tls, greeting, authenticate and sender, as far as they go; raise Stopped."""
    config = route.config
    stream = yield from reach(route.policy, route.origin, until)
    session = SmtpSession(stream, route.mask)
    try:
        if config.security == "tls":
            yield from secure(stream, route.tls, route.origin.host)
        began = time.monotonic()
        with _trying("greeting", _GREETING_ADVICE):
            session.greet()
        yield Step("greeting", "The server speaks SMTP.", time.monotonic() - began)
        if config.security == "starttls":
            yield from _start_tls(session, route)
        if config.username:
            yield _sign_in(session, route)
        yield _accept_sender(session, parse_mailbox(config.from_))
    finally:
        session.close()


def _start_tls(session: SmtpSession, route: EmailRoute) -> Iterator[Step]:
    began = time.monotonic()
    try:
        with _trying("tls", _STARTTLS_ADVICE):
            session.start_tls(route.tls, route.origin.host)
    except Stopped as stopped:
        raise Stopped(_with_tls_advice(stopped.step)) from None
    yield tls_step(route.tls.verify, session.stream.certificate, time.monotonic() - began)


def _sign_in(session: SmtpSession, route: EmailRoute) -> Step:
    began, username = time.monotonic(), route.config.username
    with _trying("authenticate", _SIGN_IN_ADVICE):
        session.authenticate(username, password(route.secrets))
    advice = _PLAIN_ADVICE if route.config.security == "none" else ""
    return Step("authenticate", f"The server accepts the user {username}.", time.monotonic() - began, advice=advice)


def _accept_sender(session: SmtpSession, sender: Mailbox) -> Step:
    began = time.monotonic()
    with _trying("sender", _SENDER_ADVICE):
        session.accept_sender(sender.spec, is_international=sender.is_international)
    return Step("sender", f"The server takes messages from {sender.spec}.", time.monotonic() - began)


@contextmanager
def _trying(name: str, advice: str) -> Iterator[None]:
    """Turn what goes wrong within into a failed step of this name."""
    began = time.monotonic()
    try:
        yield
    except CannotConnect as error:
        reason, detail = error.reason, error.detail
    except Refused as error:
        reason, detail = reason_for(error.command, error.reply), explain(error)
    except Unsupported as error:
        reason, detail = reason_for_lack(error), str(error)
    else:
        return
    raise Stopped(Step(name, detail, time.monotonic() - began, reason, advice))


def _with_tls_advice(step: Step) -> Step:
    advice = tls_advice(step.reason, step.detail)
    return step if "STARTTLS" in step.detail else replace(step, advice=advice)
