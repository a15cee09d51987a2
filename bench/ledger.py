"""What a pipeline recorded in its database, counted with plain SQL beside it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg

# What stands in the tables of Switchyard for N events with one delivery each: N of each.
SWITCHYARD = {
    "events": ("rules_event", "source <> '/switchyard'"),
    "deliveries": ("actions_delivery", "true"),
    "delivered": ("actions_delivery", "state = 'delivered'"),
    "log entries": ("actions_eventlogentry", "delivery_id IS NOT NULL"),
}
# Why an attempt did not succeed, counted.
SWITCHYARD_FAILURES = (
    "SELECT reason, message, count(*) FROM actions_eventlogentry WHERE outcome <> 'success' GROUP BY 1, 2"
)
NAIVE = {
    "events": ("naive_event", "true"),
    "deliveries": ("naive_execution", "true"),
    "delivered": ("naive_execution", "status = 'delivered'"),
}


class _Database(Protocol):
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what a query gives."""


class _PostgreSQL:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.encode()).fetchall()


class _SQLite:
    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection:
            return connection.execute(sql).fetchall()


class Ledger:
    """Counts the rows that came since the last mark, by table and condition."""

    def __init__(self, database: str | Path, tables: Mapping[str, tuple[str, str]], failures: str = "") -> None:
        """``tables`` gives a table and a condition for each kind of row, ``failures`` a query for what went wrong."""
        self._database: _Database = _SQLite(database) if isinstance(database, Path) else _PostgreSQL(database)
        self._tables = tables
        self._failures = failures
        self._marks: dict[str, int] = {}

    def mark(self) -> None:
        """Begin to count anew."""
        for table, _ in self._tables.values():
            self._marks[table] = self._number(f"SELECT coalesce(max(id), 0) FROM {table}")

    def count(self, name: str) -> int:
        """Return the number of new rows of one kind."""
        table, condition = self._tables[name]
        return self._number(f"SELECT count(*) FROM {table} WHERE id > {self._marks[table]} AND {condition}")

    def counts(self) -> dict[str, int]:
        """Return the number of new rows of every kind."""
        return {name: self.count(name) for name in self._tables}

    def failures(self) -> list[tuple[Any, ...]]:
        """Return what went wrong since the beginning."""
        return self._database.rows(self._failures) if self._failures else []

    def _number(self, sql: str) -> int:
        return int(self._database.rows(sql)[0][0])
