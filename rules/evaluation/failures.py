"""Rules whose conditions or messages fail again and again, as ``switchyard.rule.failed``."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from django.utils import timezone

from rules.incoming import MAX_HOPS, CannotAccept, IncomingEvent, Origin
from rules.services.accept import accept_events
from rules.services.own_events import own_event
from rules.services.repeats import TOLD_EVERY, may_tell

logger = logging.getLogger(__name__)

REPEATEDLY: Final = 3  # failures of a rule before they are told of
_MAX_RULES: Final = 1000  # that fail at once and are counted
_MAX_EXAMPLES: Final = 5

Part = Literal["condition", "message"]


@dataclass(slots=True)
class _Failures:
    """Of one rule, since it was last told of. ``hop`` is the least of its events'."""

    about: dict[str, str]
    part: Part
    action: str
    detail: str
    hop: int
    count: int = 0
    events: list[int] = field(default_factory=list)


class RuleFailures:
    """Counts the failures of this process. Noting one costs no query, and a rule that does not fail nothing at all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing: dict[tuple[int, str], _Failures] = {}
        self._told: dict[tuple[int, str], float] = {}

    def note(
        self,
        space_id: int,
        about: Mapping[str, Any],
        event_id: int,
        hop: int,
        part: Part,
        detail: str,
        action: str = "",
    ) -> None:
        """Count one event that the rule failed for. ``about`` has the rule's id and name, ``action`` is a public id.

        What fails at the end of a loop is not counted: to tell of it would be one more turn.
        """
        if hop > MAX_HOPS:
            return
        key = (space_id, about["id"])
        with self._lock:
            failures = self._failing.get(key)
            if failures is None:
                if len(self._failing) >= _MAX_RULES:
                    return
                named = {"id": about["id"], "name": about["name"]}
                failures = self._failing[key] = _Failures(named, part, action, detail, hop)
            failures.count += 1
            failures.hop = min(failures.hop, hop)
            if len(failures.events) < _MAX_EXAMPLES and event_id not in failures.events:
                failures.events.append(event_id)

    def tell(self) -> None:
        """Accept an event for each rule that failed repeatedly, at most one a minute for each."""
        if not self._failing:
            return
        for key, failures in self._take_due():
            try:
                accept_events(key[0], [_event(failures)])
            except CannotAccept as error:
                logger.warning("The failures of rule %s are not told of: %s", key[1], error)

    def _take_due(self) -> list[tuple[tuple[int, str], _Failures]]:
        now = time.monotonic()
        with self._lock:
            self._told = {key: told for key, told in self._told.items() if now - told < TOLD_EVERY}
            due = [
                key
                for key, failures in self._failing.items()
                if failures.count >= REPEATEDLY and key not in self._told and may_tell(f"rule:{key[0]}:{key[1]}")
            ]
            self._told.update(dict.fromkeys(due, now))
            return [(key, self._failing.pop(key)) for key in due]


def _event(failures: _Failures) -> IncomingEvent:
    return own_event(
        "switchyard.rule.failed",
        subject=f"rules/{failures.about['id']}",
        time=timezone.now(),
        data={
            "rule": failures.about,
            "part": failures.part,
            "action": failures.action or None,
            "detail": failures.detail,
            "count": failures.count,
            "events": failures.events,
        },
        origin=Origin(failures.hop + 1, f"events/{failures.events[0]}"),
    )


rule_failures = RuleFailures()
