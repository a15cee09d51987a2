"""Writes outcomes in bulk, apart from the threads that send: while one transaction commits, the next one gathers."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError, InterfaceError, connection

from actions.engine.ordering import let_go
from actions.engine.outcomes import Finished, record

logger = logging.getLogger(__name__)

_MAX_WAITING: Final = 5000  # outcomes; a lane that would add more waits, so memory stays bounded
_MAX_AT_ONCE: Final = 1000  # outcomes in one transaction
_LOOK_AGAIN: Final = 0.5  # seconds after which a lane that waits for room looks by itself
_LONGEST_PAUSE: Final = 5.0  # seconds between tries while the database is away


class Recorder:
    """One thread that records what all lanes of the process finish.

    ``wake`` is called with each connector for which a delivery, until then behind another, is due.
    """

    def __init__(self, wake: Callable[[int], None]) -> None:
        self._wake = wake
        # Not queue.Queue: its locks in Python cost more than all the rest of handing over.
        self._finished: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        self._room = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, finished: Finished) -> None:
        """Take an outcome; it is in the database soon after, or once the database is back."""
        if self._thread is None:
            self._start()
        while self._finished.qsize() >= _MAX_WAITING:
            self._room.clear()
            self._room.wait(_LOOK_AGAIN)
        self._finished.put(finished)

    def stop(self) -> None:
        """Record everything that was put, then end."""
        if self._thread is not None:
            self._finished.put(None)
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            stopping = False
            while not stopping:
                batch, stopping = self._gather()
                if batch:
                    _record_durably(batch)
                    self._let_followers_go(batch)
                self._room.set()
        finally:
            connection.close()

    def _let_followers_go(self, batch: list[Finished]) -> None:
        keys = {item.delivery.ordering for item in batch if item.delivery.ordering is not None}
        for connector_id in let_go(keys) if keys else ():
            self._wake(connector_id)

    def _gather(self) -> tuple[list[Finished], bool]:
        """Wait for one outcome, take all that are there; return them and whether it was the end."""
        batch: list[Finished] = []
        item = self._finished.get()
        while item is not None:
            batch.append(item)
            if len(batch) == _MAX_AT_ONCE:
                return batch, False
            try:
                item = self._finished.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True


def _record_durably(batch: list[Finished]) -> None:
    pause = 0.1
    while True:
        try:
            refused = record(batch)
        except (DatabaseError, InterfaceError) as error:
            # The messages were sent: forgetting that would send them again. Hold on until the database is back.
            logger.warning("%d outcomes wait for the database: %s", len(batch), error)
            connection.close()
            threading.Event().wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            if refused:
                logger.warning("%d outcomes came back after their lease had ended.", refused)
            return
