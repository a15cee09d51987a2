"""What must always be true of events, deliveries, the event log and alerts, whatever crashed in between.

Tables are read in ranges of keys, each statement by itself consistent: a check of millions of rows needs little memory,
holds up nobody, and finds nothing wrong in work that goes on meanwhile.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from django.conf import settings
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from actions.models import ENDED, Delivery, EventLogEntry
from actions.suppression import Suppression
from rules.models import Alert, Bucket, Event, EventBatch, Rule, RuleRun

_EXAMPLES: Final = 5
_SPAN: Final = 10_000  # keys looked at in one statement
_SWEPT_IN: Final = 8 * 24 * 3600  # seconds in which what a rule that was deleted left behind has gone
State = Delivery.State

_LOG, _DELIVERIES = EventLogEntry._meta.db_table, Delivery._meta.db_table


@dataclass(slots=True)
class Finding:
    """One invariant: how many ``rows`` were checked and break it, the keys of the first few, and what to do."""

    invariant: str
    rows: str
    advice: str
    checked: int = 0
    broken: int = 0
    examples: list[int] = field(default_factory=list)

    def add(self, keys: list[int]) -> None:
        """Count rows that break it."""
        self.broken += len(keys)
        self.examples += keys[: _EXAMPLES - len(self.examples)]


@dataclass(frozen=True, slots=True)
class _Check:
    """An invariant of the rows of a range. ``broken`` is what a row of its own breaks it by, or what finds them."""

    invariant: str
    advice: str
    broken: Q | Callable[[int, int], QuerySet[Any] | list[int]]


def check_invariants() -> Iterator[Finding]:
    """Yield one Finding for each invariant; ``broken`` is 0 where it holds."""
    yield from _check_table(Delivery, "deliveries", _OF_DELIVERIES)
    yield from _check_table(EventLogEntry, "entries of the event log", _OF_LOG)
    yield _check_batches()
    yield from _check_table(RuleRun, "rules that run by themselves", _OF_RUNS)
    yield from _check_table(Alert, "alerts", _OF_ALERTS)
    yield from _check_table(Bucket, "buckets of rules", _OF_BUCKETS)


def check_settled() -> Iterator[Finding]:
    """Yield a Finding for each kind of work that is not done: nothing waits once every delivery has ended."""
    batches = EventBatch.objects.order_by("id")
    waiting = Delivery.objects.filter(state__in=[State.PENDING, State.LEASED]).order_by("id")
    yield _left("every accepted event is evaluated", "batches of events", batches)
    yield _left("every delivery has ended", "deliveries", waiting)


def _left(invariant: str, rows: str, waiting: "QuerySet[Any]") -> Finding:
    finding = Finding(invariant, rows, _LOOK_AT_WORKERS)
    finding.checked = finding.broken = waiting.count()
    finding.examples = list(waiting.values_list("pk", flat=True)[:_EXAMPLES])
    return finding


def _check_table(model: type[models.Model], rows: str, checks: tuple[_Check, ...]) -> list[Finding]:
    findings = [Finding(check.invariant, rows, check.advice) for check in checks]
    own = [check.broken for check in checks if isinstance(check.broken, Q)]
    for low, high in _ranges(model):
        in_range = model._default_manager.filter(pk__gte=low, pk__lt=high).order_by("pk")
        checked = in_range.count()
        # One look for all that a row shows by itself; which of it is broken is asked only where something is.
        suspicious = bool(own) and in_range.filter(reduce(or_, own)).exists()
        for check, finding in zip(checks, findings, strict=True):
            finding.checked += checked
            if not isinstance(check.broken, Q):
                found = check.broken(low, high)
                finding.add(found if isinstance(found, list) else list(found.values_list("pk", flat=True)))
            elif suspicious:
                finding.add(list(in_range.filter(check.broken).values_list("pk", flat=True)))
    return findings


def _ranges(model: type[models.Model]) -> Iterator[tuple[int, int]]:
    keys = model._default_manager.order_by("pk").values_list("pk", flat=True)
    last = keys.last()
    low = keys.first()
    while low is not None and last is not None and low <= last:
        yield low, low + _SPAN
        # Over what was deleted in one step.
        low = keys.filter(pk__gte=low + _SPAN).first()


def _check_batches() -> Finding:
    finding = Finding(
        "a batch that waits for evaluation holds stored events of its space",
        "batches of events",
        "Events were lost before their evaluation. Restore them from a backup, or delete the batch.",
    )
    for batch in EventBatch.objects.order_by("id").iterator():
        finding.checked += 1
        stored = Event.objects.filter(pk__in=batch.event_ids, space_id=batch.space_id).count()
        # The batch may have been evaluated, and its events deleted, since it was read.
        if stored != len(batch.event_ids) and EventBatch.objects.filter(pk=batch.pk).exists():
            finding.add([batch.pk])
    return finding


def _in(low: int, high: int) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk__gte=low, pk__lt=high).order_by("pk")


def _without_event(low: int, high: int) -> "QuerySet[Delivery]":
    return _in(low, high).filter(~Exists(Event.objects.filter(pk=OuterRef("event_id"))))


def _unlike_event(low: int, high: int) -> "QuerySet[Delivery]":
    unlike = Event.objects.filter(pk=OuterRef("event_id")).exclude(space=OuterRef("space"), hop=OuterRef("hop"))
    return _in(low, high).filter(Exists(unlike))


def _in_another_space(low: int, high: int) -> "QuerySet[Delivery]":
    strange = ~Q(space=F("action__space")) | Q(connector__space__isnull=False) & ~Q(space=F("connector__space"))
    return _in(low, high).filter(action__space__isnull=False).filter(strange)


def _delivered_without_success(low: int, high: int) -> "QuerySet[Delivery]":
    success = EventLogEntry.objects.filter(delivery_id=OuterRef("pk"), outcome="success")
    return _in(low, high).filter(~Exists(success), state=State.DELIVERED)


def _ended_without_word(low: int, high: int) -> "QuerySet[Delivery]":
    word = EventLogEntry.objects.filter(delivery_id=OuterRef("pk"), reason=OuterRef("last_reason"))
    return _in(low, high).filter(~Exists(word), state__in=[State.DEAD, State.SUPPRESSED])


def _attempts_unlike_log(low: int, high: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.id FROM {_DELIVERIES} d LEFT JOIN ("  # noqa: S608  constant names
            "SELECT delivery_id, count(*) AS entries, count(DISTINCT attempt) AS attempts, max(attempt) AS last "
            f"FROM {_LOG} WHERE delivery_id >= %s AND delivery_id < %s AND attempt IS NOT NULL GROUP BY delivery_id"
            ") l ON l.delivery_id = d.id WHERE d.id >= %s AND d.id < %s AND (coalesce(l.entries, 0) <> d.attempts "
            "OR coalesce(l.attempts, 0) <> d.attempts OR coalesce(l.last, 0) <> d.attempts) ORDER BY d.id",
            [low, high, low, high],
        )
        return [row[0] for row in cursor.fetchall()]


def _entries_without_delivery(low: int, high: int) -> "QuerySet[EventLogEntry]":
    delivery = Delivery.objects.filter(pk=OuterRef("delivery_id"))
    entries = EventLogEntry.objects.filter(pk__gte=low, pk__lt=high, delivery_id__isnull=False).order_by("pk")
    return entries.filter(~Exists(delivery))


def _unlike_rule(low: int, high: int) -> "QuerySet[Alert]":
    alike = Q(space=F("rule__space"), rule_public_id=F("rule__public_id"))
    return Alert.objects.filter(~alike, pk__gte=low, pk__lt=high, rule__isnull=False).order_by("pk")


def _opened_twice(low: int, high: int) -> "QuerySet[Alert]":
    other = Alert.objects.filter(_OPEN, rule=OuterRef("rule"), key=OuterRef("key")).exclude(pk=OuterRef("pk"))
    return Alert.objects.filter(_OPEN & Exists(other), pk__gte=low, pk__lt=high).order_by("pk")


def _without_rule(low: int, high: int) -> "QuerySet[Bucket]":
    rows = Bucket.objects.filter(pk__gte=low, pk__lt=high, start__lt=int(time.time()) - _SWEPT_IN).order_by("pk")
    return rows.filter(~Exists(Rule.objects.filter(pk=OuterRef("rule_id"))))


_LEASE = Q(lease_token__isnull=False, lease_until__isnull=False)
_NO_LEASE = Q(lease_token=None, lease_until=None)
_FINISHED = Q(state__in=ENDED)
_CAUSES: Final = [cause.value for cause in Suppression]
_LOOK_AT_WORKERS: Final = "Work is under way, or no worker runs. Start one, wait, and check again."
_REPORT: Final = "No way through the code leads here: report it, with the rows and their entries in the event log."
_RELEASE: Final = f"{_REPORT} To have it sent, set state to pending, and lease_token and lease_until to NULL."
_REPLAY: Final = f"{_REPORT} Whether the message arrived, the receiver knows; replay it to send it again."

_OF_DELIVERIES: Final = (
    _Check("a leased delivery has a token and an end of its lease", _RELEASE, Q(state=State.LEASED) & ~_LEASE),
    _Check("a delivery that is not leased has neither", _RELEASE, ~Q(state=State.LEASED) & ~_NO_LEASE),
    _Check(
        "a lease ends within LEASE_SECONDS",
        "The database's clock was set back, or LEASE_SECONDS made shorter. Wait, or release it by hand as above.",
        Q(lease_until__gt=Now() + timedelta(seconds=settings.LEASE_SECONDS + 60)),
    ),
    _Check("only a delivery with an ordering key waits without a time", _REPORT, Q(due_at=None, ordering_key="")),
    _Check(
        "a delivery that has ended has a time and a reason",
        _REPORT,
        _FINISHED & (Q(finished_at=None) | Q(last_reason="")),
    ),
    _Check("a waiting delivery has no time of its end", _REPORT, ~_FINISHED & Q(finished_at__isnull=False)),
    _Check(
        "a delivery ended with a reason that fits its state",
        _REPORT,
        (Q(state=State.DELIVERED) & ~Q(last_reason="ok"))
        | Q(state=State.DEAD, last_reason__in=["ok", *_CAUSES])
        | (Q(state=State.SUPPRESSED) & ~Q(last_reason__in=_CAUSES)),
    ),
    _Check(
        "lost leases and attempts before a replay are among the attempts",
        _REPORT,
        Q(lost_leases__gt=F("attempts")) | Q(replayed_from__gt=F("attempts")),
    ),
    _Check("the event log holds each attempt of a delivery once, numbered from 1", _REPORT, _attempts_unlike_log),
    _Check("a delivered delivery has a success in the event log", _REPLAY, _delivered_without_success),
    _Check("a dead or suppressed delivery has its reason in the event log", _REPORT, _ended_without_word),
    _Check(
        "a delivery belongs to a stored event",
        "Retention deletes an event only after its deliveries: somebody deleted rows by hand, or restored a part.",
        _without_event,
    ),
    _Check("a delivery has the space and the hop of its event", _REPORT, _unlike_event),
    _Check("a delivery is of the space of its action and its connector", _REPORT, _in_another_space),
)
_OF_LOG: Final = (
    _Check(
        "an entry of the event log about a delivery is about a stored one",
        "Retention deletes them together: somebody deleted deliveries by hand, or restored a part.",
        _entries_without_delivery,
    ),
)
_OPEN = Q(state__in=[Alert.State.PENDING, Alert.State.ACTIVE])
_OF_RUNS: Final = (
    _Check(
        "a run that is under way has a token and an end of its lease, one that is not has neither",
        f"{_REPORT} To have the rule run, set lease_token and lease_until to NULL.",
        Q(lease_token=None, lease_until__isnull=False) | Q(lease_token__isnull=False, lease_until=None),
    ),
    _Check(
        "a rule that is disabled is not due",
        f"{_REPORT} Disable the rule again.",
        Q(rule__enabled=False, next_at__isnull=False),
    ),
    _Check(
        "a rule that runs by itself and is enabled has a next run",
        f"{_REPORT} Disable the rule and enable it again.",
        Q(rule__enabled=True, next_at=None),
    ),
)
_OF_ALERTS: Final = (
    _Check(
        "an open alert is of a rule that is there and enabled",
        f"{_REPORT} To close it, set state to untracked, and ended_at to the time.",
        _OPEN & (Q(rule=None) | Q(rule__enabled=False)),
    ),
    _Check("an alert of a rule is of its space and has its ID", _REPORT, _unlike_rule),
    _Check("a rule has one open alert of a key", _REPORT, _opened_twice),
    _Check(
        "an open alert has no end, and one that ended has",
        _REPORT,
        (_OPEN & Q(ended_at__isnull=False)) | (~_OPEN & Q(ended_at=None)),
    ),
)
_OF_BUCKETS: Final = (
    _Check(
        "a bucket is of a rule that is there, or of one that was a while ago",
        "The sweep does not run: look at the scheduler, and at its task rules.tasks.delete_old.",
        _without_rule,
    ),
    _Check(
        "a bucket was made under terms that its rule has or had",
        f"{_REPORT} Disable the rule and enable it again.",
        Q(epoch__gt=F("rule__epoch")),
    ),
)


def as_json(findings: list[Finding]) -> Mapping[str, Any]:
    """Return the findings as JSON-safe values."""
    return {
        "holds": not any(finding.broken for finding in findings),
        "invariants": [
            {
                "invariant": finding.invariant,
                "rows": finding.rows,
                "checked": finding.checked,
                "broken": finding.broken,
                "examples": finding.examples,
                "advice": finding.advice if finding.broken else "",
            }
            for finding in findings
        ],
    }
