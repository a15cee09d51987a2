"""TCP and TLS connections under the network policy, for protocols whose libraries bring no way to judge an address.

Each step of a connection is a function of its own, so that a probe can tell how far it came.
"""

import os
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from connectors.net.exchange import Certificate
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.resolver import NameNotFound, resolve
from connectors.net.tls import Tls, ca_bundle
from connectors.net.urls import Origin
from connectors.outcomes import Reason

_SHORTEST_TRY: Final = 0.05  # seconds: a deadline that is over still says so by a timeout of its own


class CannotConnect(Exception):
    """No connection came about, or it ended: ``reason`` says which way, ``detail`` says it for a person."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def dial(policy: NetworkPolicy, origin: Origin, tls: Tls | None, timeout: float) -> socket.socket:
    """Return a connected socket, over TLS unless ``tls`` is None; raise CannotConnect within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    connected = open_socket(find_addresses(policy, origin), origin.port, deadline)
    return connected if tls is None else secure(connected, tls, origin.host, deadline)


def find_addresses(policy: NetworkPolicy, origin: Origin) -> tuple[str, ...]:
    """Return the addresses behind a host, every one of them allowed; raise CannotConnect."""
    try:
        policy.check_host(origin)
        addresses = (origin.host,) if origin.is_address else resolve(origin.host)
    except BlockedTarget as error:
        raise CannotConnect(Reason.BLOCKED_TARGET, str(error)) from None
    except NameNotFound as error:
        raise CannotConnect(Reason.RETRY_DNS, str(error)) from None
    # One denied address is enough: a name that points both ways is set up to get around this check.
    if any(policy.is_denied(address) for address in addresses):
        raise CannotConnect(Reason.BLOCKED_TARGET, policy.why_denied(origin.host))
    return addresses


def open_socket(addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers before ``deadline`` (monotonic); raise CannotConnect."""
    why = CannotConnect(Reason.RETRY_CONNECT, "There is no address to connect to.")
    for address in addresses:
        try:
            connected = socket.create_connection((address, port), timeout=_left(deadline))
        except TimeoutError:
            why = CannotConnect(Reason.RETRY_TIMEOUT, f"Port {port} did not answer in time.")
        except OSError as error:
            why = CannotConnect(Reason.RETRY_CONNECT, f"Port {port} could not be reached: {_words(error)}.")
        else:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
    raise why


def secure(connected: socket.socket, tls: Tls, host: str, deadline: float) -> ssl.SSLSocket:
    """Return the socket with TLS spoken over it; raise CannotConnect, and close it then.

    ``host`` is what the certificate must be for, and the server name that is asked for.
    """
    try:
        connected.settimeout(_left(deadline))
        return client_context(tls).wrap_socket(connected, server_hostname=host)
    except TimeoutError:
        connected.close()
        raise CannotConnect(Reason.RETRY_TIMEOUT, "The TLS handshake did not end in time.") from None
    except ssl.SSLCertVerificationError as error:
        connected.close()
        raise CannotConnect(Reason.RETRY_TLS, f"The certificate is not trusted: {error.verify_message}.") from None
    except (ssl.SSLError, OSError) as error:
        connected.close()
        raise CannotConnect(Reason.RETRY_TLS, f"The TLS handshake failed: {_words(error)}.") from None


def certificate_of(secured: ssl.SSLSocket) -> Certificate | None:
    """Return what the other side has shown; None where it was not verified."""
    shown = secured.getpeercert()
    if not shown:
        return None
    names: Any = shown["issuer"]  # as in (((name, value),), ...)
    issuer = {name: value for parts in names for name, value in parts}
    name = issuer.get("organizationName") or issuer.get("commonName") or "an unknown authority"
    return Certificate(name, datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC))


@lru_cache(maxsize=64)
def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the TLS settings as Python takes them; raise CannotConnect when a certificate or key cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.verify == "full"
    context.verify_mode = ssl.CERT_NONE if tls.verify == "none" else ssl.CERT_REQUIRED
    try:
        if tls.ca:
            context.load_verify_locations(cadata=tls.ca)
        else:
            context.load_verify_locations(ca_bundle())
        if tls.client_cert:
            with _as_file(tls.client_cert) as certificate, _as_file(tls.client_key) as key:
                context.load_cert_chain(certificate, key)
    except (ssl.SSLError, ValueError, OSError):
        raise CannotConnect(Reason.BAD_CONFIG, "The certificates or the key cannot be read.") from None
    return context


@contextmanager
def _as_file(pem: str) -> Iterator[str]:
    """Yield a path under which OpenSSL finds ``pem``: it takes files only. On Linux it stays in memory."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, pem.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            yield file.name


def close(connected: socket.socket) -> None:
    """Close a socket, whatever state it is in."""
    with suppress(OSError):
        connected.close()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), _SHORTEST_TRY)


def _words(error: OSError) -> str:
    """Return what went wrong, without the address that Python adds to it."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return os.strerror(error.errno).lower() if error.errno else "the connection ended"
