"""Looks names up within a deadline, and remembers the answers for a short while."""

import queue
import socket
import threading
import time
from typing import Final

_KEEP: Final = 30.0  # seconds that an answer is used
_KEEP_FAILURE: Final = 5.0  # seconds that a failure is: a lookup that times out must not be paid for by every message
_DEADLINE: Final = 5.0
_MOST: Final = 10_000  # names remembered


class NameNotFound(Exception):
    """The name has no address, or nobody said so in time."""


_answers: dict[str, tuple[float, tuple[str, ...]]] = {}


def resolve(host: str) -> tuple[str, ...]:
    """Return every address of a name, in the order to try them; raise NameNotFound. Waits at most 5 seconds."""
    now = time.monotonic()
    expires, addresses = _answers.get(host, (0.0, ()))
    if expires < now:
        addresses = _ask(host)
        if len(_answers) >= _MOST:
            _answers.clear()
        _answers[host] = (time.monotonic() + (_KEEP if addresses else _KEEP_FAILURE), addresses)
    if not addresses:
        raise NameNotFound(f"The name {host} could not be resolved.")
    return addresses


def forget() -> None:
    """Drop all remembered answers."""
    _answers.clear()


def _ask(host: str) -> tuple[str, ...]:
    # getaddrinfo knows no deadline, so it waits in a thread of its own, which ends when the system's resolver gives up.
    answer: queue.SimpleQueue[tuple[str, ...]] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_look_up(host)), name=f"resolve-{host}", daemon=True).start()
    try:
        return answer.get(timeout=_DEADLINE)
    except queue.Empty:
        return ()


def _look_up(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
