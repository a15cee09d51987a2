"""What keeps spaces apart in the database itself, whatever code writes there: a trigger for each reference.

They are no constraints of models, because SQLite changes a table by making it anew, which it refuses while another
table's trigger names it. So they are put up after each migration, and taken down on SQLite before one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

_PREFIX: Final = "boundary_"
_POSTGRESQL: Final = (
    "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF {broken} THEN RAISE EXCEPTION '{text}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
    "RETURN NEW; END $$; "
    "CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
)
_SQLITE: Final = (
    "CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {broken} BEGIN SELECT RAISE(ABORT, '{text}'); END"
)
_STANDING: Final = {
    "postgresql": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE starts_with(tgname, %s)",
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND instr(name, %s) = 1",
}


@dataclass(frozen=True, slots=True)
class Boundary:
    """A row of ``model`` is refused (IntegrityError) under the SQL condition ``broken`` of NEW and OLD."""

    model: type[Model]
    broken: str
    text: str
    events: tuple[str, ...]


_boundaries: Final[list[Boundary]] = []


def keep_in_same_space(model: type[Model], one: str, other: str) -> None:
    """Declare that what these two fields name is of one space; ``space`` is the row's own.

    What is of no space, as a preconfigured connector is, is of every space.
    """
    broken = f"{_space_of(model, one)} <> {_space_of(model, other)}"
    _boundaries.append(Boundary(model, broken, "What a row refers to must be of its space.", ("INSERT", "UPDATE")))


def keep_where_it_is(model: type[Model]) -> None:
    """Declare that no row moves to another space: what refers to it would be left behind."""
    broken = "coalesce(OLD.space_id, 0) <> coalesce(NEW.space_id, 0)"
    _boundaries.append(Boundary(model, broken, "What lives in a space stays there.", ("UPDATE",)))


def put_up(using: str) -> None:
    """Create the triggers that are missing, and drop those that are declared no more."""
    connection = connections[using]
    standing = _standing(connection)
    with connection.cursor() as cursor:
        # A migration that is not the last one may end before a table is made, or after it was taken away.
        tables = set(connection.introspection.table_names(cursor))
        wanted = {name: sql for name, table, sql in _triggers(connection.vendor) if table in tables}
        for name, table in standing.items():
            if name not in wanted:
                _drop(cursor, connection.vendor, name, table)
        for name, sql in wanted.items():
            if name not in standing:
                cursor.execute(sql)


def take_down(using: str) -> None:
    """Drop the triggers, so that tables can be changed."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for name, table in _standing(connection).items():
            _drop(cursor, connection.vendor, name, table)


def missing(using: str) -> Sequence[str]:
    """Return the names of the triggers that are declared and not there."""
    connection = connections[using]
    standing = _standing(connection)
    return [name for name, _, _ in _triggers(connection.vendor) if name not in standing]


def _triggers(vendor: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, table and SQL of each trigger; its name tells what it does, so that a changed one is another."""
    for boundary in _boundaries:
        table = boundary.model._meta.db_table
        # A trigger of SQLite's has one event.
        events = boundary.events if vendor == "sqlite" else (" OR ".join(boundary.events),)
        template = _SQLITE if vendor == "sqlite" else _POSTGRESQL
        for event in events:
            digest = sha256(f"{template}{boundary.broken}{boundary.text}{event}".encode()).hexdigest()[:12]
            name = f"{_PREFIX}{table}_{digest}"
            yield (
                name,
                table,
                template.format(name=name, event=event, table=table, broken=boundary.broken, text=boundary.text),
            )


def _standing(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return name and table of the triggers that are there."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING[connection.vendor], [_PREFIX])
        return dict(cursor.fetchall())


def _drop(cursor: Any, vendor: str, name: str, table: str) -> None:
    if vendor == "sqlite":
        cursor.execute(f"DROP TRIGGER {name}")
    else:
        cursor.execute(f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()")


def _space_of(model: type[Model], field: str) -> str:
    if field == "space":
        return "NEW.space_id"
    key: Any = model._meta.get_field(field)
    table = key.remote_field.model._meta.db_table
    return f"(SELECT space_id FROM {table} WHERE id = NEW.{field}_id)"  # noqa: S608  constant names
