"""How many tries and backtests a process does at once: each may take seconds, and requests wait behind them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PLACES: Final = 4
WAIT: Final = 5  # seconds after which one that was refused may come again

_places: Final = threading.BoundedSemaphore(PLACES)


class TooBusy(Exception):
    """All places are taken."""

    def __init__(self) -> None:
        super().__init__(f"{PLACES} rules are being tried here already: try again in {WAIT} s.")


def take_place() -> None:
    """Take a place, to be given back by ``leave_place``; raise TooBusy."""
    if not _places.acquire(blocking=False):
        raise TooBusy


def leave_place() -> None:
    """Give a place back."""
    _places.release()


@contextmanager
def place() -> Iterator[None]:
    """Hold a place for the block; raise TooBusy."""
    take_place()
    try:
        yield
    finally:
        leave_place()
