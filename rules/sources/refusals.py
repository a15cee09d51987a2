"""What a space's senders are refused, as ``switchyard.ingest.refused``: counted in memory, told of once a minute."""

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from django.utils import timezone

from rules.incoming import MAX_HOPS, CannotAccept, Origin
from rules.services.accept import accept_events
from rules.services.own_events import own_event
from rules.services.repeats import TOLD_EVERY, may_tell

logger = logging.getLogger(__name__)

GATHERED_FOR: Final = 5.0  # seconds between a refusal and the event that tells of it, at the least
_MAX_SPACES: Final = 1000


@dataclass(slots=True)
class _Counts:
    """Of one space, since it was last told. ``hop`` is the least of the refused requests'."""

    slug: str
    hop: int
    since: float
    reasons: Counter[str] = field(default_factory=Counter)


class Refusals:
    """Counts what this process refuses. A request that is refused costs a lock and an addition, any other nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts: dict[int, _Counts] = {}
        self._told: dict[int, float] = {}
        self._thread: threading.Thread | None = None

    def count(self, space_id: int, slug: str, reason: str, number: int = 1, hop: int = 0) -> None:
        """Count events, or whole requests, that the space was sent and that were not stored for this reason."""
        if hop > MAX_HOPS:
            return
        with self._changed:
            counts = self._counts.get(space_id)
            if counts is None:
                if len(self._counts) >= _MAX_SPACES:
                    return
                counts = self._counts[space_id] = _Counts(slug, hop, time.monotonic())
                self._changed.notify()
            counts.reasons[reason] += number
            counts.hop = min(counts.hop, hop)

    def start(self) -> None:
        """Tell of refusals from now on, from a thread that sleeps while there are none."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
                self._thread.start()

    def tell(self) -> None:
        """Accept an event for each space with refusals, at most one a minute for each over all processes."""
        for space_id, counts in self._take_due():
            event = own_event(
                "switchyard.ingest.refused",
                subject=f"spaces/{counts.slug}",
                time=timezone.now(),
                data={
                    "count": counts.reasons.total(),
                    "reasons": dict(counts.reasons.most_common()),
                    "seconds": round(time.monotonic() - counts.since),
                },
                origin=Origin(counts.hop + 1) if counts.hop else None,
            )
            try:
                accept_events(space_id, [event])
            except CannotAccept as error:
                logger.warning("The refusals of space %s are not told of: %s", counts.slug, error)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._counts))
            threading.Event().wait(GATHERED_FOR)
            try:
                self.tell()
            except Exception:
                logger.exception("The refusals of events could not be told of.")

    def _take_due(self) -> list[tuple[int, _Counts]]:
        now = time.monotonic()
        with self._changed:
            self._told = {space_id: told for space_id, told in self._told.items() if now - told < TOLD_EVERY}
            waiting = [space_id for space_id in self._counts if space_id not in self._told]
        due = [space_id for space_id in waiting if may_tell(f"refused:{space_id}")]
        with self._changed:
            self._told.update(dict.fromkeys(due, now))
            return [(space_id, self._counts.pop(space_id)) for space_id in due]


refusals = Refusals()
