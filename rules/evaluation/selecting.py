"""Which events of a space are of some types and sources, as SQL to read a range of keys with."""

from collections.abc import Sequence
from typing import Any

from spaces.services import OWN_EVENTS

Part = tuple[str, list[Any]]  # SQL and its parameters


def covered_by(space_id: int, types: Sequence[str], sources: Sequence[str]) -> Part:
    """Return what holds of the space's events of these types and sources, which are as a Watch has them."""
    # SQLite would take the index of all events of the space, and sort them, unless it is kept from it.
    parts: list[Part] = [("space_id + 0 = %s", [space_id])]
    parts.append(_one_of("type", types) if types else _not_own())
    if sources:
        parts.append(_one_of("source", sources))
    return " AND ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]


def _one_of(column: str, patterns: Sequence[str]) -> Part:
    exact = [pattern for pattern in patterns if not pattern.endswith("*")]
    begins = [pattern[:-1] for pattern in patterns if pattern.endswith("*")]
    parts = [f"{column} IN ({', '.join(['%s'] * len(exact))})"] if exact else []
    # LIKE knows no capitals on SQLite.
    parts += [f"substr({column}, 1, {len(begin)}) = %s" for begin in begins]
    return f"({' OR '.join(parts)})", [*exact, *begins]


def _not_own() -> Part:
    return f"substr(type, 1, {len(OWN_EVENTS)}) <> %s", [OWN_EVENTS]
