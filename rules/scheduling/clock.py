"""The thread in each worker that runs the rules which are due, a few at a time: one that hangs delays no other."""

import logging
import threading
import time
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from rules.scheduling.due import Claimed, claim_due, give_back, repair_times
from rules.scheduling.running import run_rule

logger = logging.getLogger(__name__)

LOOKED_EVERY: Final = 1.0  # seconds
REPAIRED_EVERY: Final = 15.0
_END_SECONDS: Final = 5.0  # for runs to end when the worker does


class Clock:
    """Claims due rules and runs each in a thread. Any number of processes may have one."""

    def __init__(self, threads: int | None = None) -> None:
        self._most = threads
        self._changed = threading.Condition()
        self._under_way: dict[Claimed, threading.Thread] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._repaired_at = -REPAIRED_EVERY
        self._failing = False

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="rule clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more. Returns at once."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def end(self, seconds: float = _END_SECONDS) -> None:
        """Stop, let what is under way end for a while, and give back the rest to other workers."""
        self.stop()
        deadline = time.monotonic() + seconds
        if self._thread is not None:
            self._thread.join(seconds)
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, max(0.0, deadline - time.monotonic()))
            left = list(self._under_way)
        if left:
            logger.info("%d runs of rules have not ended; other workers take them over.", len(left))
            give_back(left)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._failing = False
            except (DatabaseError, InterfaceError) as error:
                if not self._failing:
                    logger.warning("Due rules cannot be looked up now: %s", error)
                self._failing = True
                connection.close()
            self._stopping.wait(LOOKED_EVERY)
        connection.close()

    def _look(self) -> None:
        """Run what is due, until nothing is or the worker stops."""
        if time.monotonic() - self._repaired_at >= REPAIRED_EVERY:
            self._repaired_at = time.monotonic()
            if moved := repair_times():
                logger.warning("The database's clock was set back: %d rules run now.", moved)
        most = self._most or settings.RULE_THREADS
        while not self._stopping.is_set():
            with self._changed:
                if not self._changed.wait_for(lambda: len(self._under_way) < most, LOOKED_EVERY):
                    continue
                free = most - len(self._under_way)
            claimed = claim_due(free)
            for each in claimed:
                self._begin(each)
            if len(claimed) < free:
                return

    def _begin(self, claimed: Claimed) -> None:
        thread = threading.Thread(target=self._work, args=(claimed,), name=f"run {claimed.rule_id}", daemon=True)
        with self._changed:
            self._under_way[claimed] = thread
        thread.start()

    def _work(self, claimed: Claimed) -> None:
        try:
            run_rule(claimed)
        except Exception:
            # Its lease ends, and the rule runs again: one rule's trouble must not end the clock.
            logger.exception("Rule %d could not be run.", claimed.rule_id)
        finally:
            connection.close()
            with self._changed:
                self._under_way.pop(claimed, None)
                self._changed.notify_all()


clock = Clock()
