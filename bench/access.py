"""What it costs to know who sends events: ``python -m bench.access`` starts a PostgreSQL and prints one table."""

import argparse
import sys
from collections.abc import Callable
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from bench.lists import django_on_postgresql
from bench.table import machine


def main() -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.access", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000, help="requests behind each figure; default: 2000")
    options = parser.parse_args()
    with django_on_postgresql():
        print(machine())
        print(f"\nIn µs, over {options.requests:,} requests of one event.\n")
        print(f"{'':<52}{'median':>8}{'p95':>8}")
        for title, what in _parts():
            times = sorted(_time(what) for _ in range(options.requests))
            print(f"{title:<52}{median(times):>8.0f}{quantiles(times, n=20)[-1]:>8.0f}")
    return 0


def _parts() -> list[tuple[str, Callable[[], Any]]]:
    from django.test import Client, RequestFactory

    from rules.sources import http, keys
    from spaces.services import create_api_key, create_space, live_keys

    space = create_space("measured", "Measured")
    row, token = create_api_key(space, "bench", role="ingest")
    headers = {"authorization": f"Bearer {token}"}
    path = f"/api/v1/spaces/{space.slug}/events"
    request = RequestFactory().post(path, b"{}", "application/json", headers=headers)
    client = Client(headers=headers)

    def unknown() -> None:
        keys.forget(token)
        http._open_space(request, space.slug)

    def send() -> None:
        assert client.post(path, b'{"n": 1}', "application/json").status_code == 202

    return [
        ("the key, known to the process", lambda: http._open_space(request, space.slug)),
        ("the key, looked up (every 2 s)", unknown),
        ("whether it is still live, for a group of requests", lambda: live_keys([row.pk])),
        ("the whole request", send),
    ]


def _time(what: Callable[[], Any]) -> float:
    start = perf_counter()
    what()
    return (perf_counter() - start) * 1e6


if __name__ == "__main__":
    sys.exit(main())
