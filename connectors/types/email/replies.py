"""What the replies of an SMTP server mean for a message.

| what happens | reason |
|---|---|
| taken for at least one recipient | ok; the recipients that were refused are named |
| 421, any 4xx | retry_http_5xx |
| the greeting or EHLO is a 5xx: the server will have nothing to do with us | retry_connect |
| no STARTTLS, or it is refused | retry_tls: nothing is sent without |
| AUTH is a 5xx, or has neither PLAIN nor LOGIN; 530 to anything: sign in first | bad_config |
| 552 to MAIL or DATA, 5.3.4, 5.2.3, larger than the SIZE that the server has told | too_large |
| no SMTPUTF8 and an address that needs it | permanent_4xx |
| any other 5xx to MAIL or DATA, or to the RCPT of every recipient | permanent_4xx |

Some recipients refused and others not is a success, as it is for Kibana: whoever can be reached is, once.
"""

from typing import Final

from connectors.net.smtp import Refused, Reply, Unsupported
from connectors.outcomes import Reason

_TOO_LARGE: Final = frozenset({"5.3.4", "5.2.3"})  # RFC 3463
_EXCEEDED_STORAGE: Final = 552
_MAILBOX_FULL: Final = "5.2.2"
_SIGN_IN_FIRST: Final = 530
_DOING: Final = {
    "GREETING": "The server refuses connections",
    "EHLO": "The server refuses connections",
    "HELO": "The server refuses connections",
    "STARTTLS": "The server refuses STARTTLS",
    "AUTH": "The server refuses the sign-in",
    "MAIL": "The server refuses the sender",
    "RCPT": "The server refuses every recipient",
    "DATA": "The server refuses the message",
    "RSET": "The server does not go on",
}


def reason_for(command: str, reply: Reply) -> Reason:
    """Return what it means that ``command`` was refused in these words."""
    if command == "STARTTLS":
        return Reason.RETRY_TLS
    if reply.is_passing:
        return Reason.RETRY_HTTP_5XX
    if command in ("GREETING", "EHLO", "HELO", "RSET"):
        return Reason.RETRY_CONNECT
    if command == "AUTH" or reply.code == _SIGN_IN_FIRST:
        return Reason.BAD_CONFIG
    if reply.enhanced in _TOO_LARGE or _exceeds_storage(command, reply):
        return Reason.TOO_LARGE
    return Reason.PERMANENT_4XX


def reason_for_lack(error: Unsupported) -> Reason:
    """Return what it means that the server lacks an extension."""
    return {"STARTTLS": Reason.RETRY_TLS, "AUTH": Reason.BAD_CONFIG}.get(error.extension, Reason.PERMANENT_4XX)


def explain(error: Refused) -> str:
    """Return what was refused, in words for a person."""
    return f"{_DOING[error.command]}: {error.reply}."


def _exceeds_storage(command: str, reply: Reply) -> bool:
    return command in ("MAIL", "DATA") and reply.code == _EXCEEDED_STORAGE and reply.enhanced != _MAILBOX_FULL
