"""Sends messages side by side over a protocol whose every conversation waits for its replies: one thread for each."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic

from connectors.outcomes import Outcome
from connectors.types.base import Message, Paced, ParamsT


def side_by_side(
    messages: Iterable[Message[ParamsT]], send: Callable[[Message[ParamsT]], Outcome], most: int
) -> Iterator[Outcome]:
    """Yield what ``send`` returns for each message, in any order, up to ``most`` at a time, each in its own thread.

    ``messages`` is pulled by the caller's thread alone, one each time there is room. What ``send`` raises is raised,
    once the others under way have ended: each of them has its outcome.
    """
    waiting = iter(messages)
    wait = messages.wait if isinstance(messages, Paced) else _no_wait
    workers = _Workers(send)
    fault: Exception | None = None
    try:
        while True:
            pause: float | None = None
            while fault is None and workers.under_way < most:
                if workers.under_way and (pause := wait()) > 0:
                    break
                pause = None
                message = next(waiting, None)
                if message is None:
                    break
                workers.take(message)
            if workers.under_way:
                done = workers.next_done(pause)
                if isinstance(done, Outcome):
                    yield done
                elif done is not None:
                    fault = fault or done
            elif fault is not None:
                raise fault
            else:
                return
    finally:
        workers.dismiss()


class _Workers(Generic[ParamsT]):
    """As many threads as have been needed at once. What is under way when they are dismissed is still finished."""

    def __init__(self, send: Callable[[Message[ParamsT]], Outcome]) -> None:
        self.under_way = 0
        self._send = send
        self._threads = 0
        self._work: queue.SimpleQueue[Message[ParamsT] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()

    def take(self, message: Message[ParamsT]) -> None:
        self.under_way += 1
        if self._threads < self.under_way:
            self._threads += 1
            threading.Thread(target=self._run, name=f"sender-{self._threads}", daemon=True).start()
        self._work.put(message)

    def next_done(self, within: float | None) -> Outcome | Exception | None:
        """Wait for the next outcome, or what was raised in place of it, for so many seconds at most."""
        try:
            done = self._done.get(timeout=within)
        except queue.Empty:
            return None
        self.under_way -= 1
        return done

    def dismiss(self) -> None:
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        while (message := self._work.get()) is not None:
            try:
                self._done.put(self._send(message))
            except Exception as error:  # noqa: BLE001  raised by the caller's thread
                self._done.put(error)


def _no_wait() -> float:
    return 0.0
