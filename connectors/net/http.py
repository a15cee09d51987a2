"""Send HTTP requests: many at a time, over one engine, under the network policy.

What comes back is a Response whatever its status, or a Failure with its reason; nothing that a remote system does
raises. Redirects are not followed, bodies not decoded, and no proxy, cookie or .netrc of the environment is used.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator

from connectors.net.channel import Channel
from connectors.net.exchange import Request, Result, Trace
from connectors.net.policy import NetworkPolicy
from connectors.net.pool import pool


def send_many(
    requests: Iterable[Request], *, key: Hashable, concurrency: int, wait: Callable[[], float] | None = None
) -> Iterator[tuple[Request, Result]]:
    """Send each request; yield it with what became of it as that is known, in any order.

    ``requests`` is pulled lazily: one each time there is room. ``key`` names whose connections are kept alive and
    used again. ``wait`` returns the seconds, at the least, until the next request is to be had. Closing the iterator
    drops what is under way.
    """
    with pool.channel(key) as channel:
        yield from channel.send_many(requests, concurrency, wait)


def trace(request: Request) -> tuple[Result, Trace | None]:
    """Send one request over a connection of its own; return what became of it, and how far it came if it began."""
    channel = Channel(NetworkPolicy.current())
    try:
        return channel.trace(request)
    finally:
        channel.close()


def send(request: Request, *, key: Hashable) -> Result:
    """Send one request and return what became of it."""
    ((_, result),) = send_many([request], key=key, concurrency=1)
    return result
