"""Wake-ups: Celery messages that say "look now". Losing one costs time, never work: the sweep finds what is due.

A thread of its own publishes them, so that nobody who wakes a worker ever waits for the broker, up or down.
"""

import logging
import threading
from typing import Final

from celery import current_app
from django.core.cache import cache

logger = logging.getLogger(__name__)

DELIVER: Final = "actions.tasks.deliver"

Wakeup = tuple[str, tuple[int, ...]]  # task name and its arguments

# A wake-up that was sent and not begun after this many seconds is taken for lost, and may be sent again.
_LOST_AFTER: Final = 2
_PAUSE_AFTER_FAILURE: Final = 1.0


class _Publisher:
    """Publishes each wake-up that is not under way yet."""

    def __init__(self) -> None:
        self._wanted: dict[Wakeup, None] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._failing = False

    def want(self, wakeup: Wakeup) -> None:
        with self._changed:
            self._wanted[wakeup] = None
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._wanted))
                wanted, self._wanted = list(self._wanted), {}
            for wakeup in wanted:
                self._publish(wakeup)

    def _publish(self, wakeup: Wakeup) -> None:
        task, args = wakeup
        try:
            if cache.add(_key(wakeup), 1, timeout=_LOST_AFTER):
                current_app.send_task(task, args=args, retry=False)
        except Exception as error:  # noqa: BLE001  whatever the broker's client raises, the sweep takes over
            if not self._failing:
                logger.warning("The broker takes no wake-ups (%s); the sweep finds the work until it does.", error)
            self._failing = True
            threading.Event().wait(_PAUSE_AFTER_FAILURE)
        else:
            if self._failing:
                logger.info("The broker takes wake-ups again.")
            self._failing = False


_publisher = _Publisher()


def wake(task: str, *args: int) -> None:
    """Ask for ``task`` to run soon, once, however often it is asked for before it begins. Returns at once."""
    _publisher.want((task, args))


def begun(task: str, *args: int) -> None:
    """Say that ``task`` begins to look: what changes from now on needs another wake-up.

    Call it before the look at the database, so that no change falls between the two.
    """
    try:
        cache.delete(_key((task, args)))
    except Exception as error:  # noqa: BLE001  as above: the key expires by itself
        logger.debug("Could not clear a wake-up: %s", error)


def _key(wakeup: Wakeup) -> str:
    task, args = wakeup
    return f"wake:{task}:{','.join(map(str, args))}"
