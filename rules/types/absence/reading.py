"""When events of some types and sources came last, read from a range of keys, which needs no other index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import connection
from django.db.models import Max

from actions.engine.clock import database_time
from rules.evaluation.selecting import Part, covered_by
from rules.models import Event
from rules.types.grouping import JOINT, text_of

_TABLE: Final = Event._meta.db_table
_COLUMNS: Final = ("source", "subject", "type")  # what else may be grouped by is in the data


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
            yield JOINT.join(texts), _time(seen)


def _where(watched: Watched, after: int) -> Part:
    covered, values = covered_by(watched.space_id, watched.types, watched.sources, watched.subjects)
    return f"id > %s AND {covered}", [after, *values]


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
    return text_of(orjson.loads(part))


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=database_time().tzinfo)
