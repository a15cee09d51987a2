"""Reads the buckets of a rule, and keeps them few: one range of an index each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from django.db import transaction
from django.db.models import Q

from rules.models import Bucket
from rules.types.threshold.aggregates import Aggregate
from rules.types.threshold.summing import Sums

MOST_ROWS: Final = 100  # of one stretch beside others that a run reads before it puts them together
_STEP: Final = 2000  # rows of one transaction
_STEPS: Final = 20  # of one run


@dataclass(frozen=True, slots=True)
class Row:
    """What one round, or a run, has stored of a stretch of time."""

    id: int
    start: int
    data: bytes


def read(rule_id: int, epoch: int, begin: int, end: int) -> list[Row]:
    """Return what is stored of the stretches that begin from ``begin`` to ``end``, in their order."""
    rows = Bucket.objects.filter(rule=rule_id, epoch=epoch, start__gte=begin, start__lte=end).order_by("start", "id")
    return [Row(key, start, bytes(data)) for key, start, data in rows.values_list("id", "start", "data").iterator()]


def put_together(rule_id: int, epoch: int, rows: Sequence[Row], window: Sums, aggregate: Aggregate) -> None:
    """Have one row of each stretch, where there are many. Groups that are not in the window's sums are left out."""
    stretches = [list(each) for _, each in groupby(rows, key=attrgetter("start"))]
    if len(rows) - len(stretches) <= MOST_ROWS:
        return
    for several in _steps(stretches):
        with transaction.atomic():
            gone, _ = Bucket.objects.filter(pk__in=[row.id for each in several for row in each]).delete()
            if gone < sum(map(len, several)):
                # Another run, which has the lease now, does the same.
                transaction.set_rollback(True)
                return
            Bucket.objects.bulk_create(
                Bucket(rule_id=rule_id, epoch=epoch, start=each[0].start, data=_merged(each, window, aggregate))
                for each in several
            )


def drop_old(rule_id: int, epoch: int, begin: int, end: int) -> None:
    """Delete what stands before ``begin`` or after ``end``, or is of an earlier epoch."""
    outside = Q(epoch=epoch, start__lt=begin) | Q(epoch=epoch, start__gt=end) | Q(epoch__lt=epoch)
    for _ in range(_STEPS):
        keys = list(Bucket.objects.filter(outside, rule=rule_id).order_by().values_list("pk", flat=True)[:_STEP])
        if keys:
            Bucket.objects.filter(pk__in=keys).delete()
        if len(keys) < _STEP:
            return


def _steps(stretches: Sequence[list[Row]]) -> Iterator[list[list[Row]]]:
    step: list[list[Row]] = []
    for rows in stretches:
        if len(rows) > 1:
            step.append(rows[:_STEP])
        if sum(map(len, step)) >= _STEP:
            yield step
            step = []
    if step:
        yield step


def _merged(rows: Sequence[Row], window: Sums, aggregate: Aggregate) -> bytes:
    sums = Sums(aggregate)
    for row in rows:
        sums.merge(row.data, among=window.groups)
    return sums.stored()
