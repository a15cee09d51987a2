"""The receiver of the benchmark: counts what arrives, and when, in a process of its own.

``python -m bench.sink`` binds a free port of the loopback, prints it and serves until its standard input is closed,
so it never outlives the benchmark. It is one epoll loop by hand, so that the receiver takes little of the cores that
are measured.

Every POST is answered 200 and noted by the event id in its body (``"id": "…"``) and by its ``webhook-id`` header.
GET /counts and GET /arrivals tell what came since the last GET /reset. Times are CLOCK_MONOTONIC, one clock for every
process of a machine.
"""

import json
import re
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Self

_EVENT_ID = re.compile(rb'"id"\s*:\s*"([^"]+)"')
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
_READ_BYTES = 256 * 1024


@dataclass(slots=True)
class Tally:
    """What arrived since the last reset."""

    received: int = 0
    arrivals: dict[bytes, int] = field(default_factory=dict)
    webhook_ids: set[bytes] = field(default_factory=set)

    def note(self, head: bytes, body: bytes) -> None:
        """Count one POST; ``head`` is in lower case."""
        self.received += 1
        if found := _EVENT_ID.search(body):
            self.arrivals.setdefault(found[1], time.monotonic_ns())
        if webhook_id := header(head, b"webhook-id"):
            self.webhook_ids.add(webhook_id)

    def counts(self) -> dict[str, int]:
        """Return the numbers of GET /counts."""
        return {"received": self.received, "events": len(self.arrivals), "webhook_ids": len(self.webhook_ids)}


def header(head: bytes, name: bytes) -> bytes:
    """Return a header's value; ``head`` and ``name`` are in lower case. Empty when it is absent."""
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


class Server:
    """The epoll loop. A connection is its socket and the bytes of a request that is not whole yet."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._pending: dict[int, bytes] = {}
        self._tally = Tally()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Serve until standard input is closed."""
        listener, stdin = self._listener.fileno(), sys.stdin.fileno()
        self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(stdin, select.EPOLLIN)
        while True:
            for fd, _ in self._epoll.poll():
                if fd == stdin:
                    return
                if fd == listener:
                    self._accept()
                else:
                    self._read(fd)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        connection = self._sockets[fd]
        try:
            data = connection.recv(_READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self._epoll.unregister(fd)
            self._pending.pop(fd, None)
            self._sockets.pop(fd).close()
            return
        data = self._pending.pop(fd, b"") + data
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[:end].lower()
            total = end + 4 + int(header(head, b"content-length") or 0)
            if len(data) < total:
                break
            self._answer(connection, head, data[end + 4 : total])
            data = data[total:]
        if data:
            self._pending[fd] = data

    def _answer(self, connection: socket.socket, head: bytes, body: bytes) -> None:
        if head.startswith(b"post "):
            self._tally.note(head, body)
            connection.send(_OK)
            return
        path = head.split(b" ", 2)[1]
        if path == b"/reset":
            self._tally = Tally()
        answer: dict[str, Any] = self._tally.counts()
        if path == b"/arrivals":
            answer = {key.decode(): at for key, at in self._tally.arrivals.items()}
        content = json.dumps(answer).encode()
        connection.setblocking(True)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content)
        connection.setblocking(False)


class Sink:
    """The sink's process, and questions to it; a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self._control = HTTPConnection("127.0.0.1", self.port, timeout=30)
        return self

    def __exit__(self, *exception: object) -> None:
        self._control.close()
        self._process.communicate(timeout=10)

    @property
    def pid(self) -> int:
        """The process id, for its share of the CPU."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where a connector posts to."""
        return f"http://127.0.0.1:{self.port}/hook"

    def reset(self) -> None:
        """Forget all that arrived."""
        self._get("/reset")

    def counts(self) -> dict[str, int]:
        """Return how many POSTs (received), distinct event ids (events) and distinct webhook-ids arrived."""
        return self._get("/counts")

    def arrivals(self) -> dict[str, int]:
        """Return the first arrival of each event id, in nanoseconds of the monotonic clock."""
        return self._get("/arrivals")

    def _get(self, path: str) -> dict[str, int]:
        self._control.request("GET", path)
        answer: dict[str, int] = json.loads(self._control.getresponse().read())
        return answer


def main() -> None:
    """Serve; print the port first."""
    server = Server()
    print(server.port, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
