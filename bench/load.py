"""The load generator: one epoll loop over keep-alive connections that sends bodies made beforehand."""

import json
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_READ_BYTES = 256 * 1024
EVENT_TYPE = "sensor.reading"
SITES = 10


class LoadFailed(Exception):
    """The installation gave another answer than 202, or none in time."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where events are posted to, and the bearer token that opens it."""

    port: int
    path: str
    token: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a burst of load took: nanoseconds of the monotonic clock, and the generator's own CPU in seconds."""

    started: int
    accepted: int
    cpu: float


def event_id(run: str, number: int) -> str:
    """Return the id of the numbered event of a run."""
    return f"{run}-{number}"


def event(run: str, number: int) -> dict[str, object]:
    """Return one CloudEvent of about 300 bytes. Its site is one of ten, so one rule of ten matches it."""
    return {
        "specversion": "1.0",
        "id": event_id(run, number),
        "source": "/bench/sensors",
        "type": EVENT_TYPE,
        "time": "2026-01-01T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "site": f"s{number % SITES}",
            "temperature": 31.5 + number % 7,
            "humidity": 40 + number % 20,
            "device": f"device-{number % 1000}",
            "firmware": "4.2.1",
            "unit": "C",
            "ok": True,
        },
    }


def requests_of(target: Target, run: str, events: int, batch: int) -> list[bytes]:
    """Return the requests that carry the events: NDJSON in batches, a structured CloudEvent when ``batch`` is 1."""
    kind = "application/cloudevents+json" if batch == 1 else "application/x-ndjson"
    made = []
    for first in range(0, events, batch):
        numbers = range(first, min(first + batch, events))
        body = "\n".join(json.dumps(event(run, number), separators=(",", ":")) for number in numbers).encode()
        head = (
            f"POST {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nAuthorization: Bearer {target.token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def answer_status(data: bytes) -> int | None:
    """Return the status of a whole HTTP answer; None while it is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        whole = data.endswith(b"\r\n0\r\n\r\n")
    else:
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        whole = len(data) >= end + 4 + length
    return int(data[9:12]) if whole else None


class Client:
    """Keep-alive connections to one target; each carries one request at a time."""

    def __init__(self, target: Target, connections: int) -> None:
        self._target = target
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._unsent: dict[int, memoryview] = {}
        self._answers: dict[int, bytes] = {}
        self.idle: deque[int] = deque(self._connect() for _ in range(connections))

    def __len__(self) -> int:
        return len(self._sockets)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._epoll.close()
        for connection in self._sockets.values():
            connection.close()

    def send(self, request: bytes) -> None:
        """Begin a request on an idle connection, on a new one if none is idle."""
        fd = self.idle.popleft() if self.idle else self._connect()
        self._answers[fd] = b""
        self._push(fd, memoryview(request))

    def poll(self, timeout: float) -> int:
        """Move all requests on for at most ``timeout`` seconds, return how many were answered 202.

        Raise LoadFailed at any other answer.
        """
        answered = 0
        for fd, mask in self._epoll.poll(timeout):
            if mask & select.EPOLLOUT:
                self._epoll.modify(fd, select.EPOLLIN)
                self._push(fd, self._unsent.pop(fd))
            elif self._read(fd):
                answered += 1
                self.idle.append(fd)
        return answered

    def _connect(self) -> int:
        connection = socket.create_connection(("127.0.0.1", self._target.port), timeout=10)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[connection.fileno()] = connection
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        return connection.fileno()

    def _push(self, fd: int, request: memoryview) -> None:
        rest = request[self._sockets[fd].send(request) :]
        if rest:
            self._unsent[fd] = rest
            self._epoll.modify(fd, select.EPOLLOUT)

    def _read(self, fd: int) -> bool:
        data = self._sockets[fd].recv(_READ_BYTES)
        if not data:
            raise LoadFailed("The installation closed a connection in the middle of a request.")
        answer = self._answers[fd] = self._answers[fd] + data
        status = answer_status(answer)
        if status not in (None, 202):
            raise LoadFailed(f"The installation answered {status}: {answer[:600].decode(errors='replace')}")
        return status == 202


def send_all(target: Target, requests: Sequence[bytes], connections: int, patience: float = 60) -> Sent:
    """Send every request, ``connections`` at a time. Raise LoadFailed when no answer comes for ``patience`` seconds."""
    cpu, left, under_way = time.thread_time(), deque(requests), 0
    with Client(target, min(connections, len(requests))) as client:
        started = last = time.monotonic_ns()
        while left or under_way:
            while left and client.idle:
                client.send(left.popleft())
                under_way += 1
            if answered := client.poll(1):
                under_way -= answered
                last = time.monotonic_ns()
            elif time.monotonic_ns() - last > patience * 1e9:
                raise LoadFailed(f"No answer for {patience:.0f} s; {under_way} requests under way, {len(left)} to go.")
    return Sent(started, last, time.thread_time() - cpu)


def send_paced(target: Target, requests: Sequence[bytes], per_second: float) -> list[int]:
    """Send the requests on a fixed schedule, whether or not the earlier ones are answered.

    Return the instant each was sent at, in nanoseconds of the monotonic clock.
    """
    instants, under_way = [], 0
    with Client(target, 16) as client:
        start = time.monotonic_ns()
        for number, request in enumerate(requests):
            due = start + int(number * 1e9 / per_second)
            while (wait := due - time.monotonic_ns()) > 0:
                under_way -= client.poll(wait / 1e9)
            instants.append(time.monotonic_ns())
            client.send(request)
            under_way += 1
        while under_way and time.monotonic_ns() < due + 30e9:
            under_way -= client.poll(1)
    if under_way:
        raise LoadFailed(f"{under_way} requests were not answered within 30 s.")
    return instants
