"""Sums up events by group, and puts such sums together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from rules.alerts.keeping import fit
from rules.evaluation.guards import value_at
from rules.types.grouping import ALL, JOINT, MOST_GROUPS, text_of
from rules.types.threshold.aggregates import Aggregate, State

_BUCKETS: Final = 60  # that a window has at the least
_WIDTHS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200)


def width_of(window: int) -> int:
    """Return the seconds of a bucket of such a window: a sixtieth of it, or less, but one at the least."""
    return max((width for width in _WIDTHS if width * _BUCKETS <= window), default=1)


class Sums:
    """What events come to by group, of MOST_GROUPS at most, and how many of them had no value that counts."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self.groups: dict[str, State] = {}
        self.skipped = 0
        self.has_more = False

    def add(self, group: str, value: Any) -> None:
        """Take in one event."""
        if not self._aggregate.takes(value):
            self.skipped += 1
        elif state := self._of(group):
            state.add(value)

    def merge(self, data: Any, among: Mapping[str, Any] | None = None) -> None:
        """Take in what ``stored`` of another returned: all of it, or the groups that are ``among`` these."""
        read = orjson.loads(data)
        self.skipped += read.get("skipped", 0)
        for group, stored in read["groups"].items():
            if (among is None or group in among) and (state := self._of(group)):
                state.merge(stored)

    def stored(self) -> bytes:
        """Return it as JSON."""
        groups = {group: state.stored() for group, state in self.groups.items()}
        return orjson.dumps({"groups": groups, "skipped": self.skipped} if self.skipped else {"groups": groups})

    def _of(self, group: str) -> State | None:
        state = self.groups.get(group)
        if state is None:
            if len(self.groups) >= MOST_GROUPS:
                self.has_more = True
                return None
            state = self.groups[group] = self._aggregate.begin()
        return state


class EventSums:
    """Sums up the events of one rule; a rules.types.base.Gatherer."""

    def __init__(self, aggregate: Aggregate, field: str, group_by: Sequence[str], width: int) -> None:
        self.width = width
        self._aggregate = aggregate
        self._path = tuple(field.split(".")) if aggregate.needs_field else ()
        self._group_by = [tuple(each.split(".")) for each in group_by]

    def sum_up(self, envelopes: Iterable[dict[str, Any]]) -> bytes:
        """Return what the events come to; those without one of the group's fields count for nothing."""
        sums = Sums(self._aggregate)
        for envelope in envelopes:
            if group := self._group(envelope):
                sums.add(group, value_at(envelope, self._path) if self._path else None)
        return sums.stored()

    def _group(self, envelope: dict[str, Any]) -> str:
        if not self._group_by:
            return ALL
        texts = [text_of(value_at(envelope, path)) for path in self._group_by]
        return fit(JOINT.join(texts)) if all(texts) else ""
