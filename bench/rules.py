"""What 10,000 rules cost an event that 10 of them can match: ``python -m bench.rules`` prints one table.

Each figure is of candidate lookup and evaluation, as a worker does them for an event, in one process on an empty SQLite
database. The 10 rules have conditions that one of them meets; the others watch other types, sources or subjects, or
demand other values.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bench.table import machine
from connectors.secrets import generate_key

if TYPE_CHECKING:
    from rules.evaluation.envelope import StoredEvent
    from rules.evaluation.ruleset import RuleSet

CAN_MATCH = 10  # rules of each kind
EVENTS = 1_000
WARM_UP = 200
LIMIT = 1.3


@dataclass(frozen=True, slots=True)
class Variant:
    """What tells the rules of one kind from those of the others."""

    name: str
    params: Callable[[int], dict[str, list[str]]]
    guard: Callable[[int], str] = lambda _: ""


VARIANTS = (
    Variant("type", lambda kind: {"event_types": [f"plant{kind}.reading"]}),
    Variant("type prefix", lambda kind: {"event_types": [f"plant{kind}.*"]}),
    Variant("source", lambda kind: {"sources": [f"/plants/{kind}/oven"]}),
    Variant("source prefix", lambda kind: {"sources": [f"/plants/{kind}/*"]}),
    Variant("subject filter", lambda kind: {"subjects": [f"plants/{kind}/+/temperature", f"alarms/{kind}/#"]}),
    Variant("guard", lambda _: {}, lambda kind: f'event.data.site == "site-{kind}" && '),
    Variant(
        "type and subject",
        lambda kind: {"event_types": [f"plant{kind // 32}.*"], "subjects": [f"plants/+/{kind % 32}/temperature"]},
    ),
)


def main() -> int:
    """Measure, print the table, and return 1 when a ratio is above the limit."""
    options = _options()
    with _django_on_sqlite():
        print(machine())
        print(
            f"Medians of {options.repeats} times {EVENTS:,} events. {CAN_MATCH} rules can match an event, 1 does. "
            "first: to read all rules and build the index, again: after a change of one; in seconds.\n"
        )
        many = f"{options.rules:,} rules"
        print(
            f"{'told apart by':<18}{f'{CAN_MATCH} rules':>10}{many:>14}{'ratio':>8}{'first':>8}{'again':>8}", flush=True
        )
        ratios = [_measured(variant, options) for variant in VARIANTS]
    return int(max(ratios) > LIMIT)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.rules", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rules", type=int, default=10_000, help="rules of the larger space; default: 10000")
    parser.add_argument("--repeats", type=int, default=15, help="how often each is measured; default: 15")
    return parser.parse_args()


@contextmanager
def _django_on_sqlite() -> Iterator[None]:
    """Set Django up on an empty database, so that what follows may import models."""
    with TemporaryDirectory() as directory:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
            "DATABASE_URL": "",
            "VAR_DIR": directory,
            "SECRET_KEY": secrets.token_urlsafe(40),
            "SECRETS_KEYS": generate_key(),
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


def _measured(variant: Variant, options: argparse.Namespace) -> float:
    kinds = options.rules // CAN_MATCH
    few, _, _ = _loaded(variant, [kinds // 2])
    many, first, again = _loaded(variant, range(kinds))
    events = list(_events(variant, kinds // 2))
    times: dict[str, list[float]] = {"few": [], "many": []}
    for rules in (few, many):
        _microseconds(rules, events[:WARM_UP])
    for _ in range(options.repeats):
        times["few"].append(_microseconds(few, events))
        times["many"].append(_microseconds(many, events))
    of_few, of_many = median(times["few"]), median(times["many"])
    ratio = of_many / of_few
    print(f"{variant.name:<18}{of_few:>10.1f}{of_many:>14.1f}{ratio:>8.2f}{first:>8.2f}{again:>8.2f}", flush=True)
    return ratio


def _loaded(variant: Variant, kinds: Sequence[int]) -> "tuple[RuleSet, float, float]":
    """Return the rules of a new space, and the seconds to load them at first, and after a change of one."""
    from rules.evaluation.ruleset import RuleSet
    from rules.models import Rule
    from rules.services import update_rule
    from spaces.models import Space
    from spaces.services import create_space

    space = create_space(f"space-{secrets.token_hex(4)}", variant.name)
    Rule.objects.bulk_create(
        Rule(
            space=space,
            public_id=f"rule-{kind}-{number}",
            name=f"Rule {kind}, {number}",
            params=variant.params(kind),
            condition=f"{variant.guard(kind)}event.data.temperature > {21 + number}.5 && event.data.humidity < 60.0",
        )
        for kind in kinds
        for number in range(CAN_MATCH)
    )
    began = perf_counter()
    rules = RuleSet(Space.objects.get(pk=space.pk), None)
    first = perf_counter() - began
    update_rule(Rule.objects.filter(space=space).earliest("id"), name="Changed")
    began = perf_counter()
    RuleSet(Space.objects.get(pk=space.pk), rules)
    return rules, first, perf_counter() - began


def _events(variant: Variant, kind: int) -> "Iterator[StoredEvent]":
    from rules.evaluation.envelope import StoredEvent

    is_grid = variant.name == "type and subject"
    for number in range(EVENTS):
        data: dict[str, Any] = {"site": f"site-{kind}", "temperature": 22, "humidity": 44.5, "number": number}
        event_type = f"plant{kind // 32 if is_grid else kind}.reading"
        subject = f"plants/7/{kind % 32}/temperature" if is_grid else f"plants/{kind}/oven-{number}/temperature"
        row = (
            number,
            1,
            f"/plants/{kind}/oven",
            str(number),
            event_type,
            subject,
            "2026-03-01T12:00:00Z",
            "",
            "",
            "{}",
        )
        yield StoredEvent((*row, _json(data), False, 0))


def _json(data: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(data).decode()


def _microseconds(rules: "RuleSet", events: "Sequence[StoredEvent]") -> float:
    from rules.evaluation.rounds import match_event

    began = perf_counter()
    for event in events:
        match_event(event, rules, [])
    return (perf_counter() - began) / len(events) * 1e6


if __name__ == "__main__":
    sys.exit(main())
