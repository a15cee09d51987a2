"""Sources read inside a test: a runner in a thread of the test's own process."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from connectors.models import Connector
from connectors.services import create_connector
from rules.models import Event, Source
from rules.services import create_source
from rules.sources.runner import Runner
from spaces.models import Space
from tests.factories import space_of
from tests.servers import wait_until

WITHIN = 60.0


@contextmanager
def runner() -> Iterator[Runner]:
    """Read all sources until the block ends."""
    running = Runner()
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join(WITHIN)
        assert not thread.is_alive()


def make_connector_of(space: Space, type_: str, secrets: Mapping[str, str] | None = None, **config: Any) -> Connector:
    """Make a connector of this type."""
    return create_connector(space, type=type_, name=f"A {type_}", config=config, secrets=dict(secrets or {}))


def make_source(connector: Connector, public_id: str = "src", **params: Any) -> Source:
    """Make a source that reads through the connector."""
    return create_source(
        space_of(connector), connector=connector, name=f"Source {public_id}", public_id=public_id, params=params
    )


def wait_for(source: Source, condition: Callable[[Source], object], what: str) -> Source:
    """Return the source as it is once the condition holds of it."""

    def holds() -> bool:
        source.refresh_from_db()
        return bool(condition(source))

    try:
        wait_until(holds, what, WITHIN)
    except BaseException:
        print(vars(source))  # noqa: T201  what it was instead
        raise
    return source


def wait_for_status(source: Source, status: str) -> Source:
    """Return the source once this is its status."""
    return wait_for(source, lambda row: row.status == status, f"{source.public_id} is not {status}")


def wait_for_events(space: Space, number: int) -> list[Any]:
    """Return what came in from outside, in order, once there are so many."""
    events = Event.objects.filter(space=space).exclude(type__startswith="switchyard.").order_by("pk")
    wait_until(lambda: events.count() >= number, f"{number} events did not come in", WITHIN)
    return list(events)
