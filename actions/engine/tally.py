"""Counts, in memory, what becomes of the deliveries of each rule: no delivery pays for a row.

What is counted is handed to the writer that the app above registers: every second where a thread sees to that, as in
workers, else at once. So a process that is killed loses the counts of its last second; deliveries lose nothing.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Literal

from django.db import DatabaseError, InterfaceError, transaction

logger = logging.getLogger(__name__)

Kind = Literal["matched", "delivered", "failed", "suppressed"]
Counted = tuple[int, str, Kind]  # key of the space, public id of the rule
Counts = Counter[tuple[int, int, str, Kind]]  # the same, after the beginning of the minute, in seconds since 1970

_MINUTE: Final = 60


class Tally:
    """The counts of this process that are not written yet."""

    def __init__(self) -> None:
        self.is_written_by_thread = False
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._counts: Counts = Counter()
        self._write: Callable[[Counts], None] | None = None

    def register(self, write: Callable[[Counts], None]) -> None:
        """Have counts written by this function; it raises what the database does, and is then called again."""
        self._write = write

    def count(self, what: Iterable[Counted]) -> None:
        """Count each, once the caller's transaction commits."""
        found = Counter(what)
        if found:
            transaction.on_commit(partial(self._add, found), robust=True)

    def write(self) -> None:
        """Write what was counted; what the database does not take now is kept for the next time."""
        if self._write is None:
            return
        with self._writing:
            with self._lock:
                counts, self._counts = self._counts, Counter()
            if not counts:
                return
            try:
                self._write(counts)
            except (DatabaseError, InterfaceError) as error:
                logger.warning("Counts of rules wait for the database: %s", error)
                with self._lock:
                    self._counts += counts

    def _add(self, found: "Counter[Counted]") -> None:
        minute = int(time.time()) // _MINUTE * _MINUTE
        with self._lock:
            for (space_id, rule_id, kind), count in found.items():
                self._counts[minute, space_id, rule_id, kind] += count
        if not self.is_written_by_thread:
            self.write()


tally = Tally()
