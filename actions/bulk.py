"""Set-based writes for the hot tables: COPY on PostgreSQL, executemany on SQLite.

The ORM's bulk_create costs 6 times COPY and its bulk_update 20 times UPDATE ... FROM unnest, nearly all of it Python.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

Row = Sequence[Any]


def insert_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows of plain values, in the order of ``columns`` (column names). JSON is given as text.

    Columns left out take their database default. Raises IntegrityError as an INSERT does; then nothing is inserted.
    """
    names = ", ".join(f'"{column}"' for column in columns)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(
                f'INSERT INTO "{table}" ({names}) VALUES ({places})',  # noqa: S608  names from models only
                [sqlite_row(row) for row in rows],
            )


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Return ``count`` fresh keys, so that rows which refer to one another go in with one statement each.

    On SQLite call it inside the transaction that inserts the rows: its write lock keeps the keys free.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT array_agg(nextval(pg_get_serial_sequence(%s, 'id'))) FROM generate_series(1, %s)",
                [table, count],
            )
            ids: list[int] = cursor.fetchone()[0]
            return ids
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
    last = row[0] if row else 0
    return list(range(last + 1, last + 1 + count))


def sqlite_row(row: Row) -> list[Any]:
    """Return the row in the forms that Django stores on SQLite."""
    return [_SQLITE_FORMS[type(value)](value) if type(value) in _SQLITE_FORMS else value for value in row]


def _sqlite_time(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


_SQLITE_FORMS: dict[type, Any] = {datetime: _sqlite_time, UUID: lambda value: value.hex}
