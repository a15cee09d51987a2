"""Writes and reads how often rules matched, and what became of their deliveries, by minute and by hour."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from django.db import connection, transaction
from django.db.models import Q, Sum
from django.utils import timezone

from actions import bulk
from actions.engine.tally import Counts
from rules.history.records import HOUR, MINUTE, RuleCount
from rules.models import Rule

KINDS: Final = ("matched", "delivered", "failed", "suppressed")
DAY: Final = 24 * HOUR
STEPS: Final[Mapping[str, int]] = {"minute": MINUTE, "hour": HOUR, "day": DAY}
MINUTES_KEPT: Final = timedelta(hours=2)
MOST_BUCKETS: Final = 1000
_AT_ONCE: Final = 500  # rules in one query by their names

Amounts = dict[str, int]  # by kind
Bucket = tuple[int, int, int]  # key of the rule, seconds, beginning in seconds since 1970

_TABLE: Final = RuleCount._meta.db_table
_ADD: Final = (
    f"INSERT INTO {_TABLE} (rule_id, seconds, start, {', '.join(KINDS)}) {{}} "
    f"ON CONFLICT (rule_id, seconds, start) DO UPDATE SET "
    f"{', '.join(f'{kind} = {_TABLE}.{kind} + excluded.{kind}' for kind in KINDS)}"
)


def write_counts(counts: Counts) -> None:
    """Add the counts to those of their minutes and hours; those of rules that are gone are dropped."""
    rules = _keys_of({(space_id, rule_id) for _, space_id, rule_id, _ in counts})
    amounts: defaultdict[Bucket, Counter[str]] = defaultdict(Counter)
    for (minute, space_id, rule_id, kind), count in counts.items():
        if (key := rules.get((space_id, rule_id))) is not None:
            amounts[key, MINUTE, minute][kind] += count
            amounts[key, HOUR, minute // HOUR * HOUR][kind] += count
    # In order, so that two processes which add to the same rows wait for one another, and never both.
    rows: list[bulk.Row] = [
        (key, seconds, datetime.fromtimestamp(start, UTC), *(amounts[key, seconds, start][kind] for kind in KINDS))
        for key, seconds, start in sorted(amounts)
    ]
    if rows:
        with transaction.atomic():
            _add(rows)


def _add(rows: list[bulk.Row]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = ("bigint", "smallint", "timestamptz", *["bigint"] * len(KINDS))
            arrays = ", ".join(f"%s::{column}[]" for column in columns)
            added = f"SELECT * FROM unnest({arrays})"  # noqa: S608  constant names
            cursor.execute(_ADD.format(added), [list(column) for column in zip(*rows, strict=True)])
        else:
            places = ", ".join(["%s"] * (3 + len(KINDS)))
            cursor.executemany(_ADD.format(f"VALUES ({places})"), [bulk.sqlite_row(row) for row in rows])


def _keys_of(names: Collection[tuple[int, str]]) -> dict[tuple[int, str], int]:
    wanted, found = sorted(names), {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        rules = Rule.objects.filter(space__in={space for space, _ in some}, public_id__in={name for _, name in some})
        found.update({(space, name): key for space, name, key in rules.values_list("space_id", "public_id", "pk")})
    return found


def recent_counts(rule_ids: Collection[int]) -> dict[int, Amounts]:
    """Return what was counted of each rule in the last 24 hours, from the beginning of an hour on."""
    since = timezone.now() - timedelta(seconds=DAY)
    rows = RuleCount.objects.filter(rule__in=rule_ids, seconds=HOUR, start__gt=since).order_by().values("rule")
    found = {
        row.pop("rule"): row for row in rows.annotate(**{kind: Sum(kind) for kind in KINDS}).values("rule", *KINDS)
    }
    return {key: found.get(key) or dict.fromkeys(KINDS, 0) for key in rule_ids}


def counts_between(rule: Rule, begin: datetime, end: datetime, seconds: int) -> list[tuple[datetime, Amounts]]:
    """Return the counts of each step of so many seconds that lies between ``begin`` and ``end``, be it in part.

    Steps stand at whole minutes, hours or days in UTC. The caller sees to it that there are at most MOST_BUCKETS.
    """
    first = int(begin.timestamp() // seconds) * seconds
    steps: dict[int, Amounts] = {at: dict.fromkeys(KINDS, 0) for at in range(first, ceil(end.timestamp()), seconds)}
    since = datetime.fromtimestamp(first, UTC)
    within = Q(start__gte=since, start__lt=since + timedelta(seconds=len(steps) * seconds))
    rows = RuleCount.objects.filter(within, rule=rule, seconds=min(seconds, HOUR)).values("start", *KINDS)
    for row in rows:
        step = steps[int(row["start"].timestamp()) // seconds * seconds]
        for kind in KINDS:
            step[kind] += row[kind]
    return [(datetime.fromtimestamp(at, UTC), step) for at, step in steps.items()]


def forget_minutes() -> int:
    """Delete what was counted by minute some hours ago; the hours have it too. Return how many rows went."""
    return RuleCount.objects.filter(seconds=MINUTE, start__lt=timezone.now() - MINUTES_KEPT).delete()[0]
