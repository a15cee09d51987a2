"""A TCP server whose every answer is scripted, byte by byte, on a free port of the loopback address."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: "ScriptedServer", connection: socket.socket) -> None:
        self._server = server
        self._socket = connection

    def read_request(self) -> bytes:
        """Return the next whole request, head and body; empty when the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := self.receive()):
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = header(head, b"content-length")
        while len(body) < int(length or 0):
            if not (chunk := self.receive()):
                return b""
            body += chunk
        request = head + b"\r\n\r\n" + body
        self._server.requests.append(request)
        return request

    def receive(self) -> bytes:
        """Return the next bytes; none when the client has gone."""
        try:
            return self._socket.recv(65536)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        """Send all of ``data``; raise OSError when the client has gone."""
        self._socket.sendall(data)

    def drip(self, data: bytes, every: float = 0.05) -> None:
        """Send one byte at a time until the client goes or the server stops."""
        for byte in data:
            self.send(bytes([byte]))
            if self._server.stopping.wait(every):
                return

    def flood(self, data: bytes) -> None:
        """Send ``data`` again and again until the client goes or the server stops."""
        while not self._server.stopping.is_set():
            self.send(data)

    def hang(self) -> None:
        """Wait until the client goes or the server stops."""
        while not self._server.stopping.is_set() and self.receive():
            pass

    def is_stopped(self, within: float) -> bool:
        """Wait for so many seconds, or until the server stops; return whether it does."""
        return self._server.stopping.wait(within)

    def secure(self, tls: ssl.SSLContext) -> None:
        """Speak TLS from now on, as STARTTLS has it."""
        self._socket = tls.wrap_socket(self._socket, server_side=True)
        self._server.sockets.append(self._socket)

    def reset(self) -> None:
        """End the connection with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


Script = Callable[[Peer], None]


@dataclass
class ScriptedServer:
    """What came in so far."""

    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address over plain HTTP."""
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def scripted(script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[ScriptedServer]:
    """Run ``script`` for each connection, in a thread of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family, backlog=512)
    server = ScriptedServer(listener.getsockname()[1])

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                server.sockets.append(connection)
            with connection:
                script(Peer(server, connection))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            server.sockets.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in server.sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def answering(answer: bytes | Callable[[bytes], bytes]) -> Script:
    """Return a script that answers each request with these bytes, or with what they are computed to."""

    def script(peer: Peer) -> None:
        while request := peer.read_request():
            peer.send(answer(request) if callable(answer) else answer)

    return script


def http_answer(status: int, body: bytes = b"", *headers: bytes) -> bytes:
    """Return a whole response."""
    lines = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def header(head: bytes, name: bytes) -> bytes:
    """Return the value of a header in a request's head; ``name`` in lower case."""
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
        if not line:
            break
    return b""
