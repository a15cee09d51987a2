"""The database's clock decides what is due and which lease has ended, so that workers' clocks may differ."""

from datetime import UTC, datetime

from django.db import connection


def now_plus() -> str:
    """Return SQL for the present time plus ``%s`` seconds (a parameter; may be negative or a fraction)."""
    if connection.vendor == "postgresql":
        return "(now() + %s * interval '1 second')"
    # Milliseconds, as Django's Now() writes them on SQLite.
    return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s || ' seconds')"


def database_time() -> datetime:
    """Return the present time of the database."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now
