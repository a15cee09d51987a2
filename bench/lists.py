"""The lists of the API behind many rows: ``python -m bench.lists`` fills a PostgreSQL and prints one table.

Each list is asked for its first page and walked to its last, over the whole stack of the web process but the socket.
The rows are spread over two spaces; what is asked for is one of them.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bench.table import machine
from connectors.secrets import generate_key
from tests.servers import postgresql

if TYPE_CHECKING:
    from django.db.models import Model
    from django.test import Client

    from spaces.models import Space

PAGE_SIZE = 100
REPEATS = 15
LISTS = ("connectors", "actions", "rules", "events", "deliveries", "event-log")


def main() -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows behind each list; default: 100000")
    parser.add_argument("--connectors", type=int, default=10_000, help="connectors of the space; default: 10000")
    options = parser.parse_args()
    with django_on_postgresql():
        space, client = _fill(options.rows, options.connectors)
        print(machine())
        print(f"Medians of {REPEATS} requests of {PAGE_SIZE} rows, in ms; queries of one request.\n")
        print(f"{'list':<28}{'rows':>10}{'first':>8}{'queries':>9}{'pages':>8}{'last':>8}")
        for path, rows in _paths(options):
            _measure(client, f"/api/v1/spaces/{space.slug}/{path}", path, rows)
    return 0


@contextmanager
def django_on_postgresql() -> Iterator[None]:
    """Set Django up on an empty database, so that what follows may import models."""
    with postgresql() as url:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
            "DATABASE_URL": url,
            "SECRET_KEY": secrets.token_urlsafe(40),
            "SECRETS_KEYS": generate_key(),
            "ALLOWED_HOSTS": "testserver",
            "LOG_LEVEL": "ERROR",
        }
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()
            connections["default"].close_pool()  # type: ignore[attr-defined]  # of PostgreSQL's wrapper alone


def _paths(options: argparse.Namespace) -> list[tuple[str, int]]:
    counted = [(path, options.connectors if path == "connectors" else options.rows) for path in LISTS]
    return [
        *counted,
        ("connectors?ordering=-updated_at", options.connectors),
        ("connectors?search=connector-77", options.connectors),
        ("connectors?type=http&status=connected", options.connectors),
        ("deliveries?state=dead", options.rows),
    ]


def _measure(client: "Client", address: str, path: str, rows: int) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    sign = "&" if "?" in address else "?"
    first = f"{address}{sign}page_size={PAGE_SIZE}"
    _get(client, first)
    times = [_timed(client, first)[0] for _ in range(REPEATS)]
    with CaptureQueriesContext(connection) as captured:
        _get(client, first)
    queries = len(captured)
    pages, link = 1, _get(client, first)["next"]
    while link and (following := _get(client, link)["next"]):
        pages, link = pages + 1, following
    last = [_timed(client, link)[0] for _ in range(REPEATS)] if link else times
    print(
        f"{path:<28}{rows:>10,}{median(times):>8.1f}{queries:>9}{pages + bool(link):>8,}{median(last):>8.1f}",
        flush=True,
    )


def _timed(client: "Client", address: str) -> tuple[float, Any]:
    began = perf_counter()
    body = _get(client, address)
    return (perf_counter() - began) * 1000, body


def _get(client: "Client", address: str) -> Any:
    response = client.get(address)
    assert response.status_code == 200, response.content
    return response.json()


def _fill(rows: int, connectors: int) -> tuple["Space", "Client"]:
    from django.db import connection
    from django.test import Client

    from spaces.services import create_api_key, create_space

    space, other = create_space("measured", "Measured"), create_space("other", "Other")
    for number, each in enumerate((space, other)):
        _fill_space(each, rows, connectors if number == 0 else 100)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    _, token = create_api_key(space, "bench")
    return space, Client(headers={"authorization": f"Bearer {token}"})


def _fill_space(space: "Space", rows: int, connectors: int) -> None:
    from django.utils import timezone

    from actions.models import Action, Delivery, EventLogEntry
    from connectors.models import Connector
    from connectors.services import create_connector
    from rules.models import Event, Rule, RuleAction

    config = {"url": "https://receiver.example/hook", "auth": "bearer"}
    sealed = create_connector(space, type="http", name="Connector", config=config, secrets={"token": "x" * 40})
    _insert(
        connectors - 1,
        lambda n: Connector(
            space=space,
            public_id=f"connector-{n}",
            type="http",
            name=f"Connector {n}",
            tags=["even" if n % 2 else "odd"],
            config=sealed.config,
            secrets=sealed.secrets,
            secrets_set_at=sealed.secrets_set_at,
            status="connected" if n % 3 else "disconnected",
            updated_at=timezone.now(),
        ),
    )
    keys = list(Connector.objects.filter(space=space).order_by("pk").values_list("pk", flat=True))
    _insert(
        rows,
        lambda n: Action(
            space=space,
            public_id=f"action-{n}",
            name=f"Action {n}",
            connector_id=keys[n % len(keys)],
            params={"body": "{{ event }}"},
        ),
    )
    actions = list(Action.objects.filter(space=space).order_by("pk").values_list("pk", flat=True))
    _insert(rows, lambda n: Rule(space=space, public_id=f"rule-{n}", name=f"Rule {n}", params={"event_types": []}))
    rules = list(Rule.objects.filter(space=space).order_by("pk").values_list("pk", flat=True))
    _insert(rows, lambda n: RuleAction(rule_id=rules[n], action_id=actions[n]))
    now = timezone.now()
    _insert(
        rows,
        lambda n: Event(
            space=space, source="/bench", event_id=str(n), type="bench", time=now, data={"n": n}, digest=bytes(16)
        ),
    )
    events = list(Event.objects.filter(space=space).order_by("pk").values_list("pk", flat=True))
    _insert(
        rows,
        lambda n: Delivery(
            space=space,
            event_id=events[n],
            rule_id=f"rule-{n}",
            action_id=actions[n],
            connector_id=keys[n % len(keys)],
            message={"body": "x"},
            state="dead" if n % 100 == 0 else "delivered",
        ),
    )
    _insert(
        rows,
        lambda n: EventLogEntry(space=space, action="execute", event_id=events[n], rule_id=f"rule-{n}", attempt=1),
    )


def _insert(count: int, make: Callable[[int], "Model"]) -> None:
    for numbers in _chunks(range(count), 5_000):
        made = [make(number) for number in numbers]
        type(made[0])._default_manager.bulk_create(made)


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


if __name__ == "__main__":
    sys.exit(main())
