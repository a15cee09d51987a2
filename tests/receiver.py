"""An HTTP receiver that runs in the test's own process, records every request, and answers as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers import wait_until


@dataclass(frozen=True)
class Received:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and how to answer: ``status`` at once, or only after ``release`` when ``hold`` is set."""

    url: str
    status: int = 200
    answer_headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False
    release: threading.Event = field(default_factory=threading.Event)
    requests: list[Received] = field(default_factory=list)
    probes: int = 0

    def wait_for(self, count: int, within: float = 20.0) -> list[Received]:
        """Wait until ``count`` requests have come."""
        wait_until(lambda: len(self.requests) >= count, f"{count} requests come to the receiver", within)
        return list(self.requests)

    @property
    def webhook_ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port of the loopback address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            running.requests.append(Received(self.command, self.path, headers, body))
            if running.hold:
                running.release.wait(60)
            try:
                self.send_response(running.status)
                for name, value in running.answer_headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()
            except ConnectionError:
                self.close_connection = True  # the sender is gone, as some tests mean it to be

        def do_HEAD(self) -> None:
            running.probes += 1
            self.send_response(running.status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Keep quiet: the requests are recorded."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256  # a connection that finds the queue full is tried again seconds later

    server = Server(("127.0.0.1", 0), Handler)
    running = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
