"""Versions of rows: a change based on what somebody read is refused once somebody else has changed it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


class Stale(Exception):
    """The object is no longer as it was when its editor read it."""


def tag_of(row: Any) -> str:
    """Return what names this version of this row: another row that gets the same public id has other tags."""
    return f"{row.pk}.{row.version}"


@contextmanager
def unchanged(row: Any, seen: frozenset[str] | None) -> Iterator[None]:
    """Let the block change the row only as one of the versions ``seen``; None: whatever it is by now.

    Raises Stale, and holds the row until the block is through.
    """
    if seen is None:
        yield
        return
    with transaction.atomic():
        current = type(row)._default_manager.order_by().select_for_update().filter(pk=row.pk).first()
        if current is None or tag_of(current) not in seen:
            raise Stale
        yield
