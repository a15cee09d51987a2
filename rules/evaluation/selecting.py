"""Which events of a space are of some types, sources and subjects, as SQL to read a range of keys with."""

import re
from collections.abc import Sequence
from typing import Any

from django.db import connection

from spaces.services import OWN_EVENTS

Part = tuple[str, list[Any]]  # SQL and its parameters


def covered_by(space_id: int, types: Sequence[str], sources: Sequence[str], subjects: Sequence[str] = ()) -> Part:
    """Return what holds of the space's events of these types, sources and subjects, which are as a Watch has them."""
    # SQLite would take the index of all events of the space, and sort them, unless it is kept from it.
    parts: list[Part] = [("space_id + 0 = %s", [space_id])]
    parts.append(_one_of("type", types) if types else _not_own())
    if sources:
        parts.append(_one_of("source", sources))
    if subjects:
        parts.append(_matching(subjects))
    return " AND ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]


def _one_of(column: str, patterns: Sequence[str]) -> Part:
    exact = [pattern for pattern in patterns if not pattern.endswith("*")]
    begins = [pattern[:-1] for pattern in patterns if pattern.endswith("*")]
    parts = [f"{column} IN ({', '.join(['%s'] * len(exact))})"] if exact else []
    # LIKE knows no capitals on SQLite.
    parts += [f"substr({column}, 1, {len(begin)}) = %s" for begin in begins]
    return f"({' OR '.join(parts)})", [*exact, *begins]


def _matching(topic_filters: Sequence[str]) -> Part:
    operator = "~" if connection.vendor == "postgresql" else "REGEXP"
    tests = " OR ".join([f"subject {operator} %s"] * len(topic_filters))
    return f"(subject <> '' AND ({tests}))", [_pattern(each) for each in topic_filters]


def _pattern(topic_filter: str) -> str:
    """Return the filter as a regular expression, which both databases read alike and in linear time."""
    *levels, last = topic_filter.split("/")
    if last != "#":
        levels.append(last)
    parts = ["[^/]*" if level == "+" else re.sub(r"[^A-Za-z0-9]", _literal, level) for level in levels]
    rest = r"(/|\Z)" if last == "#" else r"\Z"
    if not levels:
        return "^[^$]"
    return ("^(?![$])" if levels[0] == "+" else "^") + "/".join(parts) + rest


def _literal(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0].isascii() and found[0].isprintable() and found[0] != "_" else found[0]


def _not_own() -> Part:
    return f"substr(type, 1, {len(OWN_EVENTS)}) <> %s", [OWN_EVENTS]
