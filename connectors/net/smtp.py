"""SMTP (RFC 5321) over a stream: one session sends any number of messages, one after another.

Extensions: STARTTLS (RFC 3207), AUTH with PLAIN and LOGIN (RFC 4954), SIZE (RFC 1870), SMTPUTF8 (RFC 6531), enhanced
status codes (RFC 2034). Not smtplib, whose reads have no deadline over a whole reply and whose passwords are ASCII.
"""

import re
import socket
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from connectors.net.dialling import CannotConnect
from connectors.net.streams import Stream
from connectors.net.tls import Tls
from connectors.outcomes import Reason

_LONGEST_LINE: Final = 4096  # bytes; RFC 5321 has 512
_MOST_LINES: Final = 128  # of one reply
_LINE: Final = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_NOT_PRINTED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_MOST_SAID: Final = 500  # characters
_DOTS: Final = re.compile(rb"^\.", re.MULTILINE)
_READY: Final = 220
_AUTHENTICATED: Final = 235
_CONTINUE: Final = 334
_SEND_DATA: Final = 354
CLOSING: Final = 421
TOO_MANY_RECIPIENTS: Final = 452


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says to a command: ``enhanced`` is such as 5.1.1, if there is one; ``text`` is one line."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), empty without one."""
        found = _ENHANCED.match(self.text)
        return found[1] if found else ""

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_passing(self) -> bool:
        """Whether the same may be accepted later."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class Refused(Exception):
    """The server refuses a command. ``command`` is its verb; GREETING stands for the connection itself."""

    def __init__(self, command: str, reply: Reply) -> None:
        super().__init__(f"{command}: {reply}")
        self.command = command
        self.reply = reply


class Unsupported(Exception):
    """The server lacks ``extension``, which this needs."""

    def __init__(self, extension: str, detail: str) -> None:
        super().__init__(detail)
        self.extension = extension


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whom a message is from and to: bare addresses. ``is_international``: some have a local part beyond ASCII."""

    sender: str
    recipients: Sequence[str]
    is_international: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has taken over the message for some of its recipients; ``refused`` are the others."""

    reply: Reply
    refused: dict[str, Reply]


class SmtpSession:
    """One connection. Methods raise CannotConnect, and then it is of no more use, or Refused.

    ``mask`` takes secrets out of what the server says, before any of it is cut.
    """

    def __init__(self, stream: Stream, mask: Callable[[str], str]) -> None:
        self.stream = stream
        self._mask = mask
        self.mails = 0  # that were sent over it
        self.has_begun = False  # the text of the last mail was on its way: who ended then may have taken it
        self._extensions: dict[str, str] = {}
        self._is_over = False

    @property
    def is_usable(self) -> bool:
        """Whether another message may be sent over it, as far as is known."""
        return not self._is_over and self.stream.is_idle

    @property
    def largest(self) -> int | None:
        """How many bytes a message may have; None where the server sets no limit."""
        limit = self._extensions.get("SIZE", "")
        return (int(limit) or None) if limit.isascii() and limit.isdigit() else None

    def greet(self) -> None:
        """Wait for the server's greeting, and greet."""
        reply = self._read_reply()
        if reply.code != _READY:
            raise Refused("GREETING", reply)
        self._hello()

    def start_tls(self, tls: Tls, host: str) -> None:
        """Go on over TLS; raise Unsupported. There is no way on without."""
        if "STARTTLS" not in self._extensions:
            raise Unsupported("STARTTLS", "The server offers no STARTTLS.")
        self._require("STARTTLS")
        self.stream.secure(tls, host)
        self._hello()

    def authenticate(self, username: str, password: str) -> None:
        """Sign in; raise Unsupported when the server has neither PLAIN nor LOGIN."""
        offered = self._extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            reply = self._ask(f"AUTH PLAIN {_base64(plain_credentials(username, password))}")
        elif "LOGIN" in offered:
            reply = self._ask("AUTH LOGIN")
            for answer in (username, password):
                if reply.code == _CONTINUE:
                    reply = self._ask(_base64(answer))
        else:
            why = f"it offers {', '.join(offered)}" if offered else "it offers none"
            raise Unsupported("AUTH", f"The server takes no sign-in with PLAIN or LOGIN: {why}.")
        if reply.code != _AUTHENTICATED:
            raise Refused("AUTH", reply)

    def send(self, envelope: Envelope, data: bytes) -> Accepted:
        """Send one message, whose lines end with CRLF; raise Refused when the server takes it for nobody.

        A server that takes no more recipients in one go gets the message again for the others (RFC 5321, section
        4.5.3.1.10).
        """
        self.has_begun = False
        reply, refused = self._send_once(envelope, envelope.recipients, data)
        self.mails += 1
        waiting = [address for address, why in refused.items() if why.code == TOO_MANY_RECIPIENTS]
        while waiting:
            try:
                reply, late = self._send_once(envelope, waiting, data)
            except Refused as error:
                self._forget()
                return Accepted(reply, refused | dict.fromkeys(waiting, error.reply))
            refused = {address: why for address, why in refused.items() if address not in waiting} | late
            left = [address for address, why in late.items() if why.code == TOO_MANY_RECIPIENTS]
            waiting = left if len(left) < len(waiting) else []
        return Accepted(reply, refused)

    def accept_sender(self, sender: str, *, is_international: bool) -> None:
        """Find out whether the server takes messages from this address, and send none."""
        self._mail(Envelope(sender, (), is_international), 0)
        self._forget()

    def reset(self) -> None:
        """Drop what was begun, so that another message may follow."""
        self._require("RSET")

    def give_up(self) -> None:
        """Send nothing more over it."""
        self._is_over = True

    def close(self) -> None:
        """Say goodbye, without waiting for an answer, and close the connection."""
        with suppress(CannotConnect):
            self.stream.write(b"QUIT\r\n")
        self.stream.close()

    def _send_once(self, envelope: Envelope, recipients: Sequence[str], data: bytes) -> tuple[Reply, dict[str, Reply]]:
        self._mail(envelope, len(data))
        refused: dict[str, Reply] = {}
        for address in recipients:
            reply = self._ask(f"RCPT TO:<{address}>")
            if not reply.is_positive:
                refused[address] = reply
            if reply.code == CLOSING:
                raise Refused("RCPT", reply)
        if len(refused) == len(recipients):
            # What may be accepted later counts for more.
            raise Refused("RCPT", next((why for why in refused.values() if why.is_passing), reply))
        reply = self._ask("DATA")
        if reply.code != _SEND_DATA:
            raise Refused("DATA", reply)
        self.has_begun = True
        self.stream.write(_DOTS.sub(b"..", data) + b".\r\n")
        reply = self._read_reply()
        if not reply.is_positive:
            raise Refused("DATA", reply)
        return reply, refused

    def _mail(self, envelope: Envelope, size: int) -> None:
        command = f"MAIL FROM:<{envelope.sender}>"
        if size and "SIZE" in self._extensions:
            command += f" SIZE={size}"
        if envelope.is_international:
            if "SMTPUTF8" not in self._extensions:
                raise Unsupported("SMTPUTF8", "The server takes no addresses with letters beyond ASCII before the @.")
            command += " SMTPUTF8"
        self._require("MAIL", command)

    def _forget(self) -> None:
        with suppress(Refused):
            self.reset()

    def _hello(self) -> None:
        name = _own_name(self.stream)
        self._extensions = {}
        reply = self._ask(f"EHLO {name}")
        if not reply.is_positive:
            if reply.code == CLOSING:
                raise Refused("EHLO", reply)
            self._require("HELO", f"HELO {name}")

    def _require(self, command: str, line: str = "") -> None:
        reply = self._ask(line or command)
        if not reply.is_positive:
            raise Refused(command, reply)

    def _ask(self, line: str) -> Reply:
        if "\r" in line or "\n" in line:
            raise ValueError("A command is one line.")
        self.stream.write(f"{line}\r\n".encode())
        if line.startswith("EHLO "):
            return self._read_reply(keep=self._extensions)
        return self._read_reply()

    def _read_reply(self, keep: dict[str, str] | None = None) -> Reply:
        """Return the next reply; its lines after the first, the extensions of EHLO, go into ``keep``."""
        said: list[str] = []
        for _ in range(_MOST_LINES):
            line = _LINE.fullmatch(self.stream.read_line(_LONGEST_LINE))
            if line is None:
                break
            text = (line[3] or b"").decode("utf-8", "replace").strip()
            if said and keep is not None:
                name, _, value = text.partition(" ")
                keep[name.upper()] = f"{keep[name.upper()]} {value}" if name.upper() in keep else value
            said.append(text)
            if line[2] != b"-":
                reply = Reply(int(line[1]), self._one_line(said))
                self._is_over = self._is_over or reply.code == CLOSING
                return reply
        self._is_over = True
        raise CannotConnect(Reason.RETRY_CONNECT, "The system does not answer as SMTP has it.")

    def _one_line(self, said: Sequence[str]) -> str:
        """Return the lines of a reply as one: each repeats the enhanced code, which stands once."""
        first = _ENHANCED.match(said[0])
        rest = [text.removeprefix(first[1]).strip() if first else text for text in said[1:]]
        return _NOT_PRINTED.sub(" ", self._mask(" ".join([said[0], *rest])))[:_MOST_SAID].strip()


def plain_credentials(username: str, password: str) -> str:
    """Return what PLAIN sends, before it is written in base64 (RFC 4616)."""
    return f"\0{username}\0{password}"


def _own_name(stream: Stream) -> str:
    """Return this machine's name if it is a whole one, or its address (RFC 5321, section 4.1.4)."""
    name = socket.gethostname()
    if "." in name and re.fullmatch(r"[A-Za-z0-9.-]{1,255}", name):
        return name
    address = stream.local_address
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
