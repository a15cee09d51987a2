"""From an event to an entry of a stream of a real Redis, which asks for a password."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis

from tests.servers import redis_server, redis_version
from tests.services.transcripts.declared import AS_JSON, HOT, SAYS, Arrival, Destination, Step, Surroundings, Walk

_PASSWORD = "p4ss-of-the-stream"


@contextmanager
def server(_: Surroundings) -> Iterator[Destination]:
    """Run Redis, and read the stream ``ovens``."""
    with redis_server() as running:
        version, port = redis_version(running.url), urlsplit(running.url).port or 0
        with redis.Redis(port=port) as unknown:
            unknown.config_set("requirepass", _PASSWORD)
        with redis.Redis(port=port, password=_PASSWORD) as client:
            yield Destination(
                f"{version}, by password",
                {"host": "127.0.0.1", "port": port},
                {"password": _PASSWORD},
                lambda: [_of(_text(entry), fields or {}) for entry, fields in client.xrange("ovens") or ()],
            )


def _of(entry: str, fields: Mapping[str | bytes, str | bytes]) -> Arrival:
    said = "\n".join(f"{_text(name)}: {_text(value)}" for name, value in fields.items())
    return Arrival(f"stream ovens, entry {entry}", {}, said)


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


WALK = Walk(
    server,
    AS_JSON,
    (
        Step(
            "What an oven says becomes an entry of a stream",
            HOT,
            {"stream": "ovens", "fields": {"oven": "{{ event.data.oven }}", "data": {"text": SAYS}}},
            ("stream ovens", "oven: 7"),
        ),
    ),
)
