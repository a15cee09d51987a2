"""What a run knows of the runs before it: since when events are summed up, and which groups there were."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from rules.models import EventBatch
from rules.types.grouping import MOST_GROUPS

_SLACK: Final = 60  # seconds that a clock may differ by
_LATE: Final = 30  # seconds that an event may wait for its evaluation; of a short window, a tenth of it


class Memory:
    """What the rule remembers, as the run at ``now`` finds and changes it. Times are in seconds since 1970."""

    def __init__(self, stored: Mapping[str, Any], now: int, window: int, interval: int) -> None:
        self.slack = _SLACK
        self.groups: dict[str, int] = dict(stored.get("groups", {}))
        self.has_more = False
        self.warnings: list[str] = []
        self._now = now
        last = stored.get("ran", now)
        self.was_set_back = now < last - _SLACK
        # Nobody was there for the most of a window: what could not come in then is not too little.
        was_away = now - last > max(2 * interval + _SLACK, window // 2)
        self._since: int = now if self.was_set_back or was_away else min(stored.get("since", now), now)
        self.is_whole = now - self._since >= window
        self.is_behind = False
        if self.was_set_back:
            self.warnings.append("The database's clock was set back: the window begins anew.")
        self._look_whether_behind(min(_LATE, max(2, window // 10)))

    def see_groups(self, present: Collection[str], forget_after: int) -> frozenset[str]:
        """Note the groups that there are now; return those that have not been there for so long, and drop them."""
        for group in present:
            if group in self.groups or len(self.groups) < MOST_GROUPS:
                self.groups[group] = self._now
            else:
                self.has_more = True
        gone = frozenset(group for group, seen in self.groups.items() if self._now - seen > forget_after)
        for group in gone:
            del self.groups[group]
        return gone

    def stored(self) -> dict[str, Any]:
        """Return it as the next run gets it."""
        return {"since": self._since, "ran": self._now, "groups": self.groups}

    def _look_whether_behind(self, late: int) -> None:
        oldest = EventBatch.objects.order_by("pk").values_list("created_at", flat=True).first()
        waits = self._now - int(oldest.timestamp()) if oldest is not None else 0
        if waits > late:
            self.is_behind = True
            self.warnings.append(f"Events have waited for their evaluation for {waits} s: some may be missing.")
