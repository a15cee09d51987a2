"""Keeps two processes from setting up the same installation at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

# Any number that no other program uses on the same database.
_ADVISORY_KEY = 0x53574348


class AlreadyRuns(Exception):
    """Another ``manage.py run`` works on the same VAR_DIR."""


@contextmanager
def sole_use_of_var_dir() -> Iterator[None]:
    """Hold VAR_DIR against other processes; raise AlreadyRuns when one has it. A crash frees it."""
    with (settings.VAR_DIR / "run.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRuns(
                f"Switchyard already runs on {settings.VAR_DIR}. Stop it, or set another VAR_DIR."
            ) from None
        yield


@contextmanager
def one_set_up_at_a_time() -> Iterator[None]:
    """Wait until no other process sets up the same database, and keep others waiting meanwhile."""
    if connection.vendor != "postgresql":
        with (settings.VAR_DIR / "set_up.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_KEY])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_KEY])
