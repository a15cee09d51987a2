"""When events of some types and sources came last, read from a range of keys, which needs no other index."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import connection
from django.db.models import Max

from actions.engine.clock import database_time
from rules.models import Event
from spaces.services import OWN_EVENTS

_TABLE: Final = Event._meta.db_table
_COLUMNS: Final = ("source", "subject", "type")  # what else may be grouped by is in the data

Part = tuple[str, list[Any]]  # SQL and its parameters


@dataclass(frozen=True, slots=True)
class Watched:
    """Which events are looked at: patterns of types and sources and topic filters of subjects; empty means any."""

    space_id: int
    types: Sequence[str] = ()
    sources: Sequence[str] = ()
    subjects: Sequence[str] = ()


def last_key() -> int:
    """Return the key of the youngest event of all spaces."""
    return Event.objects.aggregate(last=Max("pk"))["last"] or 0


def last_seen(watched: Watched, after: int) -> datetime | None:
    """Return when the youngest such event came, of those with a key beyond ``after``. It looks from the end."""
    where, values = _where(watched, after)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT received_at FROM {_TABLE} WHERE {where} ORDER BY id DESC LIMIT 1",  # noqa: S608  made of constants
            values,
        )
        row = cursor.fetchone()
    return _time(row[0]) if row else None


def last_seen_of_groups(watched: Watched, fields: Sequence[str], after: int) -> Iterator[tuple[str, datetime]]:
    """Yield each group of such events and when its youngest came; an event without one of the fields is in none."""
    where, values = _where(watched, after)
    picked = [_field(field) for field in fields]
    columns = ", ".join(sql for sql, _ in picked)
    places = ", ".join(str(at) for at in range(1, len(picked) + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, max(received_at) FROM {_TABLE} WHERE {where} GROUP BY {places}",  # noqa: S608  as above
            [*(value for _, given in picked for value in given), *values],
        )
        rows = cursor.fetchall()
    for *parts, seen in rows:
        texts = [_text(part, field) for part, field in zip(parts, fields, strict=True)]
        if all(texts):
            yield " / ".join(texts), _time(seen)


def _where(watched: Watched, after: int) -> Part:
    # SQLite would take the index of all events of the space, and sort them, unless it is kept from it.
    parts: list[Part] = [("id > %s", [after]), ("space_id + 0 = %s", [watched.space_id])]
    parts.append(_one_of("type", watched.types) if watched.types else _not_own())
    if watched.sources:
        parts.append(_one_of("source", watched.sources))
    if watched.subjects:
        parts.append(_matching(watched.subjects))
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


def _field(field: str) -> Part:
    if field in _COLUMNS:
        return field, []
    names = field.split(".")[1:]
    if connection.vendor == "postgresql":
        return "(data #> %s)::text", [names]
    return "data -> %s", ["$" + "".join(f'."{name}"' for name in names)]


def _text(part: str | None, field: str) -> str:
    if part is None or field in _COLUMNS:
        return part or ""
    value = orjson.loads(part)
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else part


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=database_time().tzinfo)
