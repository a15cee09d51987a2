"""Deleting what is old beside ingest, and checking the invariants: ``python -m bench.retention`` prints one table.

Half of the rows are older than the space keeps them. Another process deletes them while this one accepts events one by
one at a fixed pace.
"""

import argparse
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from statistics import quantiles

from bench.table import machine
from connectors.secrets import generate_key
from tests.servers import postgresql

PACE = 100  # events a second
SECONDS = 10.0  # of the undisturbed measure
_SERIES = {
    "postgresql": "generate_series(1, {rows}) AS s(n)",
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s)",
}
_AGO = {
    "postgresql": "now() - (({rows} - n) * 14.0 * 86400 / {rows}) * interval '1 second'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (({rows} - n) * 14.0 * 86400 / {rows}) || ' seconds')",
}


def main() -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.retention", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="events, deliveries and entries; default: 1000000")
    parser.add_argument("--shape", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--part", choices=("delete", "check"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        return _part(options.part)
    with _database(options.shape):
        _set_up()
        _fill(options.shape, options.rows)
        print(machine())
        if options.shape == "postgresql":
            _explain()
        print(f"\n{'':<34}{'events':>8}{'p50 ms':>9}{'p95':>8}{'p99':>8}{'longest':>9}")
        _show("ingest undisturbed", _ingest(until=time.monotonic() + SECONDS))
        for part, name in (("delete", "ingest beside deletion"), ("check", "ingest beside check_invariants")):
            command = [sys.executable, "-m", "bench.retention", "--part", part]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                times = _ingest(process=process)
                assert process.stdout is not None
                _show(name, times)
                print("   ", process.stdout.read().strip(), flush=True)
    return 0


@contextmanager
def _database(shape: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as var, postgresql() if shape == "postgresql" else nullcontext("") as url:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
            "DATABASE_URL": url,
            "VAR_DIR": var,
            "SECRET_KEY": secrets.token_urlsafe(40),
            "SECRETS_KEYS": generate_key(),
            "LOG_LEVEL": "ERROR",
        }
        yield


def _set_up() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _part(part: str) -> int:
    import django

    django.setup()
    began = time.monotonic()
    if part == "delete":
        from rules.services.retention import delete_old

        what = f"{delete_old(seconds=3600):,} rows deleted"
    else:
        from rules.services.invariants import check_invariants

        findings = list(check_invariants())
        what = f"{sum(finding.broken for finding in findings)} of {len(findings)} invariants broken"
    # Not getrusage: its peak begins with that of the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
    print(f"{what} in {time.monotonic() - began:.1f} s, at most {peak} MiB of memory")
    return 0


def _fill(shape: str, rows: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from actions.services import create_action
    from connectors.services import create_connector
    from spaces.models import Space
    from spaces.services import create_space, update_space

    space = update_space(create_space("measured", "Measured"), retention_days=7)
    Space.objects.update(created_at=timezone.now() - timedelta(days=30))
    connector = create_connector(space, type="http", name="C", config={"url": "https://a.example"}, secrets={})
    action = create_action(space, connector=connector, name="A", params={})
    series, ago = _SERIES[shape].format(rows=rows), _AGO[shape].format(rows=rows)
    text = "lpad(n::text, 12, '0')" if shape == "postgresql" else "printf('%012d', n)"
    uuid = "gen_random_uuid()" if shape == "postgresql" else "lower(hex(randomblob(16)))"
    digest = "decode(md5(n::text), 'hex')" if shape == "postgresql" else "randomblob(16)"
    data = '{"site": "plant-7", "temperature": 41.5, "unit": "C", "sensor": "oven-1"}'
    with connection.cursor() as cursor:
        for statement in (
            "INSERT INTO rules_event (space_id, source, event_id, type, subject, time, datacontenttype, dataschema, "
            f"extensions, data, is_binary, digest, received_at) SELECT {space.pk}, '/bench', {text}, 'sensor.reading', "
            f"'', {ago}, 'application/json', '', '{{}}', '{data}', false, {digest}, {ago} FROM {series}",
            # Two of three events made a delivery.
            "INSERT INTO actions_delivery (webhook_id, space_id, event_id, rule_id, action_id, connector_id, message, "
            f"state, due_at, attempts, created_at, finished_at, last_reason) SELECT {uuid}, {space.pk}, e.id, 'r', "
            f"{action.pk}, {connector.pk}, '{{\"body\": {data}}}', 'delivered', e.received_at, 1, e.received_at, "
            "e.received_at, 'ok' FROM rules_event e WHERE e.id % 3 <> 0 ORDER BY e.id",
            "INSERT INTO actions_eventlogentry (time, space_id, provider, action, outcome, reason, duration, message, "
            "event_id, rule_id, action_id, connector_id, delivery_id, attempt, request, response) SELECT finished_at, "
            f"{space.pk}, 'actions', 'execute', 'success', 'ok', 1000000, '', event_id, 'r', '{action.public_id}', "
            f"'{connector.public_id}', id, 1, '{data}', '{data}' FROM actions_delivery ORDER BY id",
            "ANALYZE",
        ):
            cursor.execute(statement)


def _explain() -> None:
    """Print the plans of one step's statements, on PostgreSQL."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from actions.models import EventLogEntry
    from rules.models import Event
    from rules.services import retention

    run = next(retention._due_runs())
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        for model, delete in ((EventLogEntry, retention._delete_ended), (Event, retention._delete_events)):
            low = model._default_manager.order_by("pk").values_list("pk", flat=True)[0]
            delete(run, low, low + 5000)
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].startswith(("SELECT", "DELETE")) and "retention" not in query["sql"]:
                cursor.execute(f"EXPLAIN (COSTS OFF) {query['sql']}")
                shown = re.sub(r"(\d+, ){3,}\d+|(\d+,){3,}\d+", "…", query["sql"])
                print(f"\n{shown[:300]}")
                print("\n".join(f"    {line[:150]}" for (line,) in cursor.fetchall()))


def _ingest(until: float = 0.0, process: "subprocess.Popen[str] | None" = None) -> list[float]:
    """Accept events at PACE until the time, or until the process ends; return how long each took, in ms."""
    from rules.services.accept import accept_events
    from spaces.models import Space
    from tests.rules.running import incoming

    space_id = Space.objects.get(slug="measured").pk
    times = []
    due = time.monotonic()
    while process.poll() is None if process else time.monotonic() < until:
        due += 1 / PACE
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.perf_counter()
        accept_events(space_id, [incoming()])
        times.append((time.perf_counter() - began) * 1000)
    return times


def _show(name: str, times: Sequence[float]) -> None:
    cuts = quantiles(times, n=100)
    print(f"{name:<34}{len(times):>8,}{cuts[49]:>9.1f}{cuts[94]:>8.1f}{cuts[98]:>8.1f}{max(times):>9.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
