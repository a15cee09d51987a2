"""Sessions with the server: opened, used for one mail after another, and put aside in between."""

from contextlib import suppress
from typing import Final

from connectors.net.dialling import CannotConnect
from connectors.net.smtp import CLOSING, Accepted, Refused, SmtpSession, Unsupported
from connectors.outcomes import Reason
from connectors.types.email.composing import Mail
from connectors.types.email.schemas import EmailConfig, EmailSecrets
from connectors.types.tcp import Route

_MOST_MAILS: Final = 100  # over one session: some servers close it then

EmailRoute = Route[EmailConfig, EmailSecrets, SmtpSession]


class TooLarge(Exception):
    """The server has said that it takes no message of this size."""


def open_session(route: EmailRoute, until: float) -> SmtpSession:
    """Return a session that mails may be sent over; raise CannotConnect, Refused or Unsupported."""
    config = route.config
    session = SmtpSession(route.connect(until, with_tls=config.security == "tls"), route.mask)
    try:
        session.greet()
        if config.security == "starttls":
            session.start_tls(route.tls, route.origin.host)
        if config.username:
            session.authenticate(config.username, password(route.secrets))
    except BaseException:
        session.close()
        raise
    return session


def send(route: EmailRoute, mail: Mail, until: float) -> Accepted:
    """Send a mail by ``until`` (monotonic); raise CannotConnect, Refused, Unsupported or TooLarge."""
    idle = route.take()
    if idle is not None:
        idle.stream.until = until
        # The server may have ended it while nobody looked. Before the text is on its way, nothing is lost by that.
        with suppress(_Stale):
            return _send_over(route, idle, mail, is_fresh=False)
    return _send_over(route, open_session(route, until), mail, is_fresh=True)


def password(secrets: EmailSecrets) -> str:
    """Return the password, empty without one."""
    return secrets.password.get_secret_value() if secrets.password else ""


class _Stale(Exception):
    """The session had ended before anything was sent over it."""


def _send_over(route: EmailRoute, session: SmtpSession, mail: Mail, *, is_fresh: bool) -> Accepted:
    try:
        accepted = _send(session, mail)
    except CannotConnect as error:
        session.close()
        if not is_fresh and not session.has_begun and error.reason is Reason.RETRY_CONNECT:
            raise _Stale from None
        raise
    except Refused as error:
        if error.reply.code == CLOSING and not is_fresh and not session.has_begun:
            session.close()
            raise _Stale from None
        _clear(session)
        route.keep(session)
        raise
    except (Unsupported, TooLarge):
        route.keep(session)
        raise
    if session.mails < _MOST_MAILS:
        route.keep(session)
    else:
        session.close()
    return accepted


def _send(session: SmtpSession, mail: Mail) -> Accepted:
    largest = session.largest
    if largest is not None and len(mail.data) > largest:
        raise TooLarge(f"The message has {len(mail.data)} bytes; the server takes {largest}.")
    return session.send(mail.envelope, mail.data)


def _clear(session: SmtpSession) -> None:
    """Make a session fit for the next mail. One that cannot be is of no more use, which shows by itself."""
    if session.is_usable:
        try:
            session.reset()
        except (CannotConnect, Refused):
            session.give_up()
