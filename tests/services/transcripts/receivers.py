"""Destinations over HTTP: receivers that check what comes as the vendors document it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

from tests.services.transcripts.declared import Arrival, Destination, Surroundings
from tests.vendors import Answer, Call, vendor

# What says nothing about the message.
_USUAL_HEADERS: Final = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length"}


def receiver(
    answer: Callable[[], Callable[[Call], Answer]],
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    about: str = "a receiver that checks each request as the vendor documents it",
) -> Callable[[Surroundings], AbstractContextManager[Destination]]:
    """Return a receiver over HTTP; ``{url}`` in config and secrets is its address."""

    @contextmanager
    def place(_: Surroundings) -> Iterator[Destination]:
        with vendor(answer()) as running:

            def addressed(values: Mapping[str, Any]) -> dict[str, Any]:
                return {
                    name: value.replace("{url}", running.url) if isinstance(value, str) else value
                    for name, value in values.items()
                }

            yield Destination(
                about, addressed(config), addressed(secrets), lambda: [_of(call) for call in list(running.calls)]
            )

    return place


def telling(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that say something of the message."""
    return {name: value for name, value in headers.items() if name not in _USUAL_HEADERS}


def _of(call: Call) -> Arrival:
    query = f"?{urlencode(call.query, doseq=True, quote_via=quote)}" if call.query else ""
    return Arrival(f"{call.method} {call.path}{query}", telling(call.headers), call.body.decode())
