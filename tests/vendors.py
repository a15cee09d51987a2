"""A receiver that stands for a vendor's API: it checks each request as the vendor documents it, and answers alike."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Call:
    """One request; header names in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What the vendor says; ``body`` is written as JSON unless it is bytes."""

    status: int
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Vendor:
    """What came in, and the address."""

    url: str
    calls: list[Call] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)


@contextmanager
def vendor(answer: Callable[[Call], Answer]) -> Iterator[Vendor]:
    """Run a vendor on a free port of the loopback address. What ``answer`` asserts of the requests fails the test."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            call = Call(
                self.command,
                parts.path,
                parse_qs(parts.query, keep_blank_values=True),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("content-length", 0))),
            )
            running.calls.append(call)
            try:
                answered = answer(call)
            except Exception as fault:  # noqa: BLE001 - whatever is wrong with the request is told by the test
                running.faults.append(fault)
                answered = Answer(400, {"fault": str(fault)})
            body = answered.body if isinstance(answered.body, bytes) else json.dumps(answered.body).encode()
            self.send_response(answered.status)
            if not isinstance(answered.body, bytes):
                self.send_header("content-type", "application/json")
            for name, value in answered.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names that http.server asks for

        def log_message(self, *args: object) -> None:
            """Keep quiet: the requests are recorded."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Vendor(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    if running.faults:
        raise running.faults[0]
