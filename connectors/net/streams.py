"""Connections that are read by line or by length, for protocols of commands and replies.

Whatever the other side does, an exchange ends by its deadline: a reply that drips in takes no longer than one that
never comes.
"""

import select
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any, Final

from connectors.net.dialling import CannotConnect, close, open_socket, secure
from connectors.net.exchange import Certificate
from connectors.net.tls import Tls
from connectors.outcomes import Reason

_AT_ONCE: Final = 65_536  # bytes


class Stream:
    """One connection, for one thread at a time. ``until`` is the monotonic time by which each exchange has to end.

    Every method that reads or writes raises CannotConnect when the time is over or the connection has ended.
    """

    def __init__(self, connected: socket.socket, until: float) -> None:
        self.until = until
        self._socket = connected
        self._read = b""

    @property
    def local_address(self) -> str:
        """The address of this end."""
        return str(self._socket.getsockname()[0])

    @property
    def certificate(self) -> Certificate | None:
        """The other side's certificate; None without TLS, or where it is not verified."""
        found = self._socket.getpeercert() if isinstance(self._socket, ssl.SSLSocket) else None
        return _certificate(found) if found else None

    @property
    def is_idle(self) -> bool:
        """Whether the connection stands and the other side has said nothing unasked, so that it may be used again."""
        if self._read or self._socket.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def secure(self, tls: Tls, host: str) -> None:
        """Speak TLS from now on. What came in before counts for nothing (RFC 3207, section 4.2)."""
        self._read = b""
        self._socket = secure(self._socket, tls, host, self.until)

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        waiting = memoryview(data)
        try:
            while waiting:
                self._set_timeout()
                waiting = waiting[self._socket.send(waiting[:_AT_ONCE]) :]
        except OSError as error:
            raise _ended(error) from None

    def read_line(self, longest: int) -> bytes:
        """Return the next line without its end, of at most ``longest`` bytes."""
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > longest:
                break
            self._receive()
        if not 0 <= end <= longest:
            raise CannotConnect(Reason.RETRY_CONNECT, f"The system sent a line of more than {longest} bytes.")
        line, self._read = self._read[:end], self._read[end + 1 :]
        return line.removesuffix(b"\r")

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        while len(self._read) < size:
            self._receive()
        found, self._read = self._read[:size], self._read[size:]
        return found

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        close(self._socket)

    def _receive(self) -> None:
        try:
            self._set_timeout()
            received = self._socket.recv(_AT_ONCE)
        except OSError as error:
            raise _ended(error) from None
        if not received:
            raise CannotConnect(Reason.RETRY_CONNECT, "The system ended the connection.")
        self._read += received

    def _set_timeout(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


def open_stream(addresses: tuple[str, ...], port: int, until: float) -> Stream:
    """Connect to one of these addresses, which were judged before, by ``until`` (monotonic); raise CannotConnect."""
    return Stream(open_socket(addresses, port, until), until)


def _ended(error: OSError) -> CannotConnect:
    if isinstance(error, TimeoutError):
        return CannotConnect(Reason.RETRY_TIMEOUT, "The system did not answer in time.")
    # With TLS 1.3 a server judges the client's certificate after the handshake.
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        why = (error.reason or "it failed").replace("_", " ").lower()
        return CannotConnect(Reason.RETRY_TLS, f"TLS ended: {why}.")
    return CannotConnect(Reason.RETRY_CONNECT, "The connection ended.")


def _certificate(found: dict[str, Any]) -> Certificate:
    """Return what matters of what the ssl module tells of a certificate."""
    issuer = {name: value for names in found["issuer"] for name, value in names}
    who = ", ".join(issuer[name] for name in ("organizationName", "commonName") if name in issuer)
    return Certificate(who, datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC))
