"""The audit log as a table for a spreadsheet."""

import json
from collections.abc import Iterator
from typing import Any, Final

from django.db.models import QuerySet

from spaces.models import AuditEntry
from spaces.spreadsheets import write_csv

COLUMNS: Final = (
    "id",
    "time",
    "space",
    "actor_kind",
    "actor",
    "address",
    "action",
    "object_id",
    "object_name",
    "before",
    "after",
)
_AT_ONCE: Final = 1000


def export_entries(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """Yield the entries as lines of CSV, the newest first, however many there are; times are in UTC."""
    return write_csv(COLUMNS, _rows(entries))


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[tuple[Any, ...]]:
    # Page by page, so that no transaction stays open while somebody reads slowly.
    last = None
    while True:
        page = entries if last is None else entries.filter(pk__lt=last)
        found = list(page.order_by("-pk").prefetch_related("space")[:_AT_ONCE])
        for entry in found:
            yield _row(entry)
        if len(found) < _AT_ONCE:
            return
        last = found[-1].pk


def _row(entry: AuditEntry) -> tuple[Any, ...]:
    return (
        entry.pk,
        entry.time.isoformat(),
        entry.space.slug if entry.space_id and entry.space else "",
        entry.actor_kind,
        entry.actor,
        entry.address or "",
        entry.action,
        entry.object_id,
        entry.object_name,
        _text(entry.before),
        _text(entry.after),
    )


def _text(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
