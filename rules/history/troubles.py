"""Which rules' conditions and messages fail, noted in memory and written every second: noting costs no query."""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from rules.history.records import RuleTrouble
from rules.models import Rule

logger = logging.getLogger(__name__)

LONGEST_DETAIL: Final = 2000
_MOST_RULES: Final = 1000  # whose results wait to be written

Key = tuple[int, str]  # key of the space, public id of the rule


@dataclass(slots=True)
class _Noted:
    """Results of one version of a rule since the last write."""

    version: int
    count: int = 0
    in_a_row: int = 0
    succeeded: bool = False
    last_at: datetime | None = None
    part: str = ""
    action: str = ""
    detail: str = ""


class Troubles:
    """The results of this process that are not written yet.

    Successes are noted only of rules in ``watched``: those that failed, here or in another process.
    """

    def __init__(self) -> None:
        self.watched: frozenset[Key] = frozenset()
        self._lock = threading.Lock()
        self._noted: dict[Key, _Noted] = {}

    def failed(self, space_id: int, rule_id: str, version: int, part: str, detail: str, action: str = "") -> None:
        """Note that the rule failed for an event; ``action`` is the public id of the one whose message it was."""
        with self._lock:
            noted = self._of((space_id, rule_id), version)
            if noted is None:
                return
            noted.count += 1
            noted.in_a_row += 1
            noted.last_at = timezone.now()
            noted.part, noted.detail, noted.action = part, detail[:LONGEST_DETAIL], action

    def succeeded(self, space_id: int, rule_id: str, version: int) -> None:
        """Note that the rule did what it should, if it failed before."""
        key = (space_id, rule_id)
        if key not in self.watched:
            return
        with self._lock:
            noted = self._of(key, version)
            if noted is not None:
                noted.succeeded, noted.in_a_row = True, 0

    def write(self) -> None:
        """Write what was noted, and look which rules fail; what the database does not take now is lost."""
        with self._lock:
            noted, self._noted = self._noted, {}
        try:
            for key in sorted(noted):
                with transaction.atomic():
                    _write(key, noted[key])
            failing = RuleTrouble.objects.filter(failures__gt=0).values_list("rule__space_id", "rule__public_id")
            watched = frozenset(failing)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The failures of %d rules could not be written: %s", len(noted), error)
            return
        with self._lock:
            self.watched = watched | self._noted.keys()

    def _of(self, key: Key, version: int) -> _Noted | None:
        noted = self._noted.get(key)
        if noted is None or noted.version < version:
            if len(self._noted) >= _MOST_RULES:
                return None
            noted = self._noted[key] = _Noted(version)
            self.watched |= {key}
        return noted if noted.version == version else None


def _write(key: Key, noted: _Noted) -> None:
    """Add what was noted to the rule's row. What is of a rule that was changed since counts no more."""
    space_id, public_id = key
    rule = Rule.objects.select_for_update(of=("self",)).filter(space=space_id, public_id=public_id).first()
    if rule is None or rule.version != noted.version:
        return
    row = RuleTrouble.objects.filter(rule=rule).first()
    if row is None:
        if noted.last_at is None:
            return
        row = RuleTrouble(rule=rule)
    row.failures = noted.in_a_row if noted.succeeded else row.failures + noted.in_a_row
    if noted.last_at is not None:
        row.count += noted.count
        row.last_at, row.part, row.action, row.detail = noted.last_at, noted.part, noted.action, noted.detail
    row.save()


troubles = Troubles()
