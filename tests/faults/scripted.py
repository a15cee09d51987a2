"""A receiver that misbehaves as it is told, and remembers every request: when it came, and what it was answered."""

import gzip
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from tests.servers import free_port

# What it can be told to do. ``bad_tls`` answers as a TLS server would that has nothing to say.
MODES: Final = (
    "ok",
    "500",
    "410",
    "429",
    "redirect",
    "drip_header",
    "drip_body",
    "reset",
    "hang",
    "huge",
    "gzip_bomb",
    "echo",
    "bad_tls",
)
DRIP_SECONDS: Final = 1.0  # between two bytes
HUGE: Final = 64 * 1024 * 1024  # bytes
_ALERT: Final = b"\x15\x03\x03\x00\x02\x02\x28"  # a TLS record: fatal alert, handshake failure


@dataclass(slots=True)
class Request:
    """One request. ``answered`` is when a whole 2xx answer was on its way, None if there was none."""

    webhook_id: str
    body: bytes
    mode: str
    arrived: float  # seconds since the epoch
    answered: float | None = None


@dataclass
class ScriptedReceiver:
    """What came, and what is answered from now on."""

    url: str
    mode: str = "ok"
    requests: list[Request] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def delivered(self) -> list[Request]:
        """Return the requests that were answered with success."""
        return [request for request in self.requests if request.answered is not None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    running: ScriptedReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = Request(self.headers.get("webhook-id", ""), body, self.running.mode, time.time())
        self.running.requests.append(request)
        with suppress(OSError):  # the sender is gone, as faults mean it to be
            getattr(self, f"_answer_{request.mode}", self._answer_status)(request)

    def do_HEAD(self) -> None:
        """Answer a probe: by its status alone."""
        with suppress(OSError):
            status = int(self.running.mode) if self.running.mode.isdecimal() else 200
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep quiet: the requests are recorded."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _succeed(self, request: Request, body: bytes = b"", **headers: str) -> None:
        self._answer(200, body, **headers)
        request.answered = time.time()

    def _answer_ok(self, request: Request) -> None:
        self._succeed(request)

    def _answer_echo(self, request: Request) -> None:
        self._succeed(request, request.body, content_type="application/json")

    def _answer_status(self, request: Request) -> None:
        headers = {"retry_after": "2"} if request.mode == "429" else {}
        self._answer(int(request.mode), b"no", **headers)

    def _answer_redirect(self, request: Request) -> None:
        self._answer(307, location="http://169.254.169.254/latest/meta-data/")

    def _answer_huge(self, request: Request) -> None:
        self.send_response(200)
        self.send_header("content-length", str(HUGE))
        self.end_headers()
        piece = b"x" * 65536
        for _ in range(HUGE // len(piece)):
            self.wfile.write(piece)

    def _answer_gzip_bomb(self, request: Request) -> None:
        self._succeed(request, gzip.compress(b"\0" * HUGE), content_encoding="gzip")

    def _answer_drip_header(self, request: Request) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nx-filler: " + b"a" * 600)

    def _answer_drip_body(self, request: Request) -> None:
        self.send_response(200)
        self.send_header("content-length", "600")
        self.end_headers()
        self._drip(b"x" * 600)

    def _drip(self, content: bytes) -> None:
        for byte in content:
            if self.running.stopped.wait(DRIP_SECONDS):
                break
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
        self.close_connection = True

    def _answer_hang(self, request: Request) -> None:
        self.running.stopped.wait(60)
        self.close_connection = True

    def _answer_reset(self, request: Request) -> None:
        # Closed with a time of zero, a connection is reset instead of finished.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _answer_bad_tls(self, request: Request) -> None:
        self.wfile.write(_ALERT)
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def scripted_receiver() -> Iterator[ScriptedReceiver]:
    """Run one on a free port of the loopback address."""
    port = free_port()
    running = ScriptedReceiver(f"http://127.0.0.1:{port}/hook")
    handler = type("Handler", (_Handler,), {"running": running})
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
