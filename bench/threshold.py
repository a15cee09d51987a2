"""What threshold rules cost: ``python -m bench.threshold`` prints one table.

The first part runs rules on a one-minute schedule by the clock that workers have, and reads from the event log's times
how late each began. 1,000,000 events are stored, evenly over the window. So that filling does not take an hour, the
buckets are not made by evaluating them one by one: for each rule, rows like those that evaluation rounds add are stored
for its share of the events, summed up by the code that the rounds use. The second part evaluates events: what a round's
matching and summing up costs an event that 0, 1 or 10 threshold rules meet, on the processor, without the database.
"""

import argparse
import logging
import os
import re
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from bench.retention import _AGO, _SERIES
from bench.table import machine
from connectors.secrets import generate_key
from tests.servers import postgresql

if TYPE_CHECKING:
    from rules.models import Rule

WINDOW = 3600
SITES = 20  # groups of a rule
EVENTS_A_ROUND = 1000
REPEATS = 15


def main() -> int:
    """Measure, print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.threshold", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rules", type=int, default=1000, help="rules that run each minute; default: 1000")
    parser.add_argument("--events", type=int, default=1_000_000, help="events that are stored; default: 1000000")
    parser.add_argument("--minutes", type=float, default=3, help="how long they run; default: 3")
    parser.add_argument("--quick", action="store_true", help="50 rules, 20,000 events, 20 s, to see that it works")
    options = parser.parse_args()
    if options.quick:
        options.rules, options.events, options.minutes = 50, 20_000, 1 / 3
    with tempfile.TemporaryDirectory() as var, postgresql() as url:
        _set_up(url, var)
        print(machine(), flush=True)
        rules = _fill(options.rules, options.events)
        print(
            f"{options.rules:,} rules, average by {SITES} groups over {WINDOW} s, {options.events:,} events, "
            f"{_rows():,} rows of buckets\n"
        )
        _explain(rules[len(rules) // 2])
        _show_runs(rules, options.minutes * 60)
        _show_events()
    return 0


def _set_up(url: str, var: str) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
        "DATABASE_URL": url,
        "VAR_DIR": var,
        "SECRET_KEY": secrets.token_urlsafe(40),
        "SECRETS_KEYS": generate_key(),
        "LOG_LEVEL": "ERROR",
    }
    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)


def _params(number: int) -> dict[str, Any]:
    return {
        "event_types": [f"plant{number}.reading"],
        "aggregate": "avg",
        "field": "data.temperature",
        "window": WINDOW,
        "threshold": 1000,
        "group_by": ["data.site"],
    }


def _envelope(number: int) -> dict[str, Any]:
    return {
        "type": "plant0.reading",
        "source": "/bench",
        "data": {"site": f"site-{number % SITES}", "temperature": 20 + number % 17 / 2, "unit": "C"},
    }


def _fill(rules: int, events: int) -> "list[Rule]":
    """Store the events, the rules, and the buckets that the events come to."""
    from django.db import connection

    from actions import bulk
    from rules.models import Bucket, Rule
    from rules.services import create_rule
    from rules.types.threshold import rule_type
    from spaces.services import create_space

    space = create_space("measured", "Measured")
    series, ago = _SERIES["postgresql"].format(rows=events), _AGO["postgresql"].format(rows=events)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rules_event (space_id, source, event_id, type, subject, time, datacontenttype, dataschema, "
            f"extensions, data, is_binary, digest, received_at) SELECT {space.pk}, '/bench', n::text, "
            f"'plant' || (n %% {rules}) || '.reading', '', {ago}, 'application/json', '', '{{}}', "
            f"jsonb_build_object('site', 'site-' || (n %% {SITES}), 'temperature', 20 + (n %% 17) / 2.0), false, "
            f"decode(md5(n::text), 'hex'), {ago} FROM {series}".replace("14.0 * 86400", f"{WINDOW}.0").replace(
                "%%", "%"
            )
        )
    made = [
        create_rule(space, type="threshold", name=f"R{number}", params=_params(number), interval=60)
        for number in range(rules)
    ]
    epochs = dict(Rule.objects.values_list("pk", "epoch"))
    gatherer, now, share = rule_type.gatherer(rule_type.params_model(**_params(0))), int(time.time()), events // rules
    # One row for each event but for the last minutes of runs, which put together what is older.
    starts = [(now - WINDOW + number * WINDOW // share) for number in range(share)]
    buckets: dict[int, list[dict[str, Any]]] = {}
    for number, start in enumerate(starts):
        buckets.setdefault(start - start % gatherer.width, []).append(_envelope(number))
    rows: list[tuple[int, bytes]] = []
    for start, envelopes in buckets.items():
        if start < now - 300:
            rows.append((start, gatherer.sum_up(envelopes)))
        else:
            rows += [(start, gatherer.sum_up([envelope])) for envelope in envelopes]
    bulk.insert_rows(
        Bucket,
        ("rule_id", "epoch", "start", "data"),
        ((rule.pk, epochs[rule.pk], start, data) for rule in made for start, data in rows),
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return made


def _rows() -> int:
    from rules.models import Bucket

    return Bucket.objects.count()


def _explain(rule: "Rule") -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from rules.models import Rule
    from rules.types.threshold import buckets

    now = int(time.time())
    with CaptureQueriesContext(connection) as queries:
        buckets.read(rule.pk, Rule.objects.get(pk=rule.pk).epoch, now - WINDOW, now)
    (found,) = re.findall(r"SELECT \S*rules_bucket.*", queries.captured_queries[-1]["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {found}")
        print(found[:240], *(f"    {line[:150]}" for (line,) in cursor.fetchall()), "", sep="\n", flush=True)


@contextmanager
def _running() -> Iterator[None]:
    from rules.scheduling.clock import Clock

    clock = Clock()
    clock.start()
    try:
        yield
    finally:
        clock.end()


def _show_runs(rules: "Sequence[Rule]", seconds: float) -> None:
    """Run the rules for so long, and show how late they began and how long they took."""
    from django.conf import settings

    from rules.models import Bucket, RuleRun
    from rules.scheduling import running
    from rules.scheduling.due import next_run
    from rules.types.base import Report, Run
    from rules.types.registry import all_types
    from rules.types.threshold.threshold import ThresholdParams, ThresholdRule

    drifts: list[float] = []
    looks: list[float] = []
    whole: list[float] = []
    settle, look = running._settle, running._look
    own: list[float] = []
    processor: list[float] = []

    class Timed(ThresholdRule):
        """Notes how long the type itself takes."""

        def run(self, params: ThresholdParams, run: Run) -> Report:
            Bucket.objects.exists()  # a run's thread has a new connection, which is not the type's to answer for
            began, busy = time.perf_counter(), time.thread_time()
            report = super().run(params, run)
            own.append((time.perf_counter() - began) * 1000)
            processor.append((time.thread_time() - busy) * 1000)
            return report

    def looked(rule: Any, number: int, state: Any, now: Any) -> Any:
        drifts.append((now - state.next_at).total_seconds())
        began = time.perf_counter()
        found = look(rule, number, state, now)
        looks.append((time.perf_counter() - began) * 1000)
        return found

    def settled(*given: Any) -> Any:
        began = time.perf_counter()
        stored = settle(*given)
        whole.append(looks[-1] + (time.perf_counter() - began) * 1000)
        return stored

    all_types()["threshold"] = Timed()
    setattr(running, "_look", looked)  # noqa: B010  for the type checker
    setattr(running, "_settle", settled)  # noqa: B010
    # Past the turns that all have within their first seconds, as a start of an installation has them.
    now = datetime.now(UTC)
    for rule in rules:
        RuleRun.objects.filter(pk=rule.pk).update(next_at=next_run(rule.pk, 60, now))
    with _running():
        busy_from, began = time.process_time(), time.monotonic()
        time.sleep(seconds)
        lasted, busy = time.monotonic() - began, time.process_time() - busy_from
    share = sum(whole) / 1000 / lasted / settings.RULE_THREADS
    drift, alone, used, took, ran = (quantiles(each, n=20) for each in (drifts, own, processor, looks, whole))
    a_minute = len(whole) / lasted * 60
    print(f"{'runs a minute':<46}{a_minute:>10,.0f}")
    print(f"{'drift p50 / p95, s':<46}{drift[9]:>10.2f}{drift[18]:>10.2f}")
    print(f"{'evaluation p50 / p95, ms':<46}{alone[9]:>10.1f}{alone[18]:>10.1f}")
    print(f"{'of these on the processor, p50 / p95, ms':<46}{used[9]:>10.1f}{used[18]:>10.1f}")
    print(f"{'with its thread and connection, p50 / p95, ms':<46}{took[9]:>10.1f}{took[18]:>10.1f}")
    print(f"{'whole run, alerts and log too, p50 / p95, ms':<46}{ran[9]:>10.1f}{ran[18]:>10.1f}")
    print(f"{'share of a minute that its threads are busy':<46}{share:>10.0%}")
    print(f"{'processor of this process a run, ms':<46}{busy / len(whole) * 1000:>10.1f}")
    print(
        f"{'rules a minute that one core would carry':<46}{60_000 / (busy / len(whole) * 1000):>10,.0f}\n", flush=True
    )


def _show_events() -> None:
    """Show what an event costs that so many threshold rules meet."""
    from rules.evaluation import gathering
    from rules.evaluation.envelope import StoredEvent, read_events
    from rules.evaluation.rounds import match_event
    from rules.evaluation.ruleset import RuleSet
    from rules.models import Event, Rule
    from rules.services import create_rule
    from spaces.models import Space
    from spaces.services import create_space

    ids = list(Event.objects.order_by("-pk").values_list("pk", flat=True)[:EVENTS_A_ROUND])
    events: list[StoredEvent] = read_events(ids)
    print(f"{'threshold rules that an event meets':<46}{'match µs':>10}{'and sum up µs':>15}")
    for count in (0, 1, 10):
        space = create_space(f"space-{count}", "Measured")
        create_rule(space, name="Event", params={"event_types": ["plant*"]}, condition="event.data.temperature > 99.0")
        for number in range(count):
            params = {**_params(0), "event_types": ["plant*"]}
            condition = "event.data.temperature > 1.0"
            create_rule(space, type="threshold", name=f"T{number}", params=params, condition=condition)
        rules = RuleSet(Space.objects.get(pk=space.pk), None)
        matched, summed = [], []
        for _ in range(REPEATS):
            met: list[gathering.Met] = []
            began = time.thread_time()
            for event in events:
                match_event(event, rules, [], met)
            matched.append((time.thread_time() - began) / len(events) * 1e6)
            rows = gathering.sum_up(met)
            gathering.add(rows)
            summed.append((time.thread_time() - began) / len(events) * 1e6)
        print(f"{count:<46}{median(matched):>10.1f}{median(summed):>15.1f}", flush=True)
        Rule.objects.filter(space=space).delete()


if __name__ == "__main__":
    sys.exit(main())
