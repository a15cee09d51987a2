"""The thread in each worker that writes, every second, what the process counted and noted of rules."""

import logging
import threading
from typing import Final

from django.db import connection

from actions.engine.tally import tally
from rules.history.troubles import troubles

logger = logging.getLogger(__name__)

WRITTEN_EVERY: Final = 1.0  # seconds


class Journal:
    """Writes while it runs, and once more when it ends. A process that is killed loses its last second's counts."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write, in a thread of its own."""
        self._stopping.clear()
        tally.is_written_by_thread = True
        self._thread = threading.Thread(target=self._run, name="rule journal", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Write what is left, and end."""
        tally.is_written_by_thread = False
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            while not self._stopping.wait(WRITTEN_EVERY):
                self._write()
            self._write()
        finally:
            connection.close()

    def _write(self) -> None:
        try:
            tally.write()
            troubles.write()
        except Exception:
            # Whatever it is, what is counted from now on is to be written.
            logger.exception("What was counted of rules could not be written.")
        connection.close_if_unusable_or_obsolete()


journal = Journal()
