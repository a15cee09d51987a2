"""A real HTTP proxy for tests: CONNECT and absolute-form requests, with basic authentication."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.contract.scripted import Peer, header, scripted


@dataclass
class Proxying:
    """What the proxy was asked for."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    answer: bytes = b""  # in place of a tunnel, when set

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def proxy(authorization: bytes = b"", tls: ssl.SSLContext | None = None) -> Iterator[Proxying]:
    """Run a proxy that wants this value of proxy-authorization, if any."""
    state = Proxying()

    def script(peer: Peer) -> None:
        while request := peer.read_request():
            head = request.partition(b"\r\n\r\n")[0]
            state.heads.append(head)
            if state.answer:
                peer.send(state.answer)
            elif authorization and header(head, b"proxy-authorization") != authorization:
                peer.send(b"HTTP/1.1 407 X\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n")
            else:
                _pass_on(peer, request)
                return

    with scripted(script, tls) as server:
        state.port = server.port
        yield state


def _pass_on(peer: Peer, request: bytes) -> None:
    line, _, rest = request.partition(b"\r\n")
    method, target, version = line.split(b" ")
    if method == b"CONNECT":
        host, _, port = target.decode().rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5) as system:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _join(peer, system)
        return
    parts = urlsplit(target.decode())
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5) as system:
        system.sendall(b" ".join([method, path.encode(), version]) + b"\r\n" + rest)
        _join(peer, system)


def _join(peer: Peer, system: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""

    def back() -> None:
        with suppress(OSError):
            while chunk := system.recv(65536):
                peer.send(chunk)

    thread = threading.Thread(target=back, daemon=True)
    thread.start()
    with suppress(OSError):
        while chunk := peer.receive():
            system.sendall(chunk)
    with suppress(OSError):
        system.shutdown(socket.SHUT_RDWR)
    thread.join(5)
