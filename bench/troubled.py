"""Receivers in trouble, in a process of their own: one hangs, one drips a byte a second, one is shut for a while.

``python -m bench.troubled`` prints their three ports and serves until its standard input is closed. The one that is
shut answers 503. GET /open opens it; from then on it answers 200, and GET /arrivals tells of each POST when it was sent
and when it came.
"""

import asyncio
import json
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import Any, Self

from bench.sink import header

_DRIPPED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


class Gate:
    """A receiver that is shut, and then open."""

    def __init__(self) -> None:
        self._is_open = False
        self._arrivals: list[tuple[int, int]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                await reader.readexactly(int(header(head, b"content-length") or 0))
                writer.write(self._answer(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        content = b""
        if head.startswith(b"get /open "):
            self._is_open = True
        elif head.startswith(b"get /arrivals "):
            content = json.dumps(self._arrivals).encode()
        elif not self._is_open:
            return b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
        elif head.startswith(b"post "):
            self._arrivals.append((int(header(head, b"webhook-timestamp")), time.monotonic_ns()))
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read, and never answer."""
    while await reader.read(65536):
        pass
    writer.close()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte a second."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        for byte in _DRIPPED:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


class Troubled:
    """The receivers' process, and questions to it; a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.troubled"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._ports = [int(port) for port in self._process.stdout.readline().split()]
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=10)

    @property
    def urls(self) -> list[str]:
        """Where connectors post to: the one that hangs, the one that drips, the one that is shut."""
        return [f"http://127.0.0.1:{port}/hook" for port in self._ports]

    def open(self) -> None:
        """Open the one that is shut."""
        self._get("/open")

    def arrivals(self) -> list[tuple[int, int]]:
        """Return of each POST since it was opened: its webhook-timestamp, and the monotonic nanosecond when it came."""
        return [(sent, came) for sent, came in json.loads(self._get("/arrivals"))]

    def _get(self, path: str) -> Any:
        control = HTTPConnection("127.0.0.1", self._ports[2], timeout=30)
        control.request("GET", path)
        answer = control.getresponse().read()
        control.close()
        return answer


async def _serve() -> None:
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024) for serve in (hang, drip, Gate().serve)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
