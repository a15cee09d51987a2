"""Ends what expires while it waits: for its next try, its connector, or another of its ordering key."""

from datetime import datetime
from typing import Final

from django.db import connection, transaction

from actions.engine import log
from actions.engine.clock import now_plus
from actions.engine.endings import after_failures
from actions.engine.tally import tally
from actions.models import Delivery
from connectors.outcomes import Reason

_AT_ONCE: Final = 1000  # deliveries of one transaction
_BATCHES: Final = 20  # of one call; what is left beyond them is left to the next

_TABLE: Final = Delivery._meta.db_table
# The condition of the partial index, word for word.
_EXPIRING: Final = "state = 'pending' AND expires_at IS NOT NULL"


def expired_detail(expires_at: datetime) -> str:
    """Return what is said of a delivery that expired then."""
    return f"It was pointless after {expires_at:%Y-%m-%d %H:%M:%S} UTC."


def end_expired() -> int:
    """End deliveries that wait and have expired, at most 20,000 of them; return how many.

    What is under lease is left to its worker. Two callers never end the same delivery.
    """
    ended = 0
    for _ in range(_BATCHES):
        count = _end_some()
        ended += count
        if count < _AT_ONCE:
            break
    return ended


def _end_some() -> int:
    if not _expired_keys(limit=1):
        return 0  # without a transaction, which on SQLite would take the write lock
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with transaction.atomic():
        rows = list(Delivery.objects.filter(pk__in=_expired_keys(limit=_AT_ONCE, lock=lock)).order_by("pk"))
        if not rows:
            return 0
        details = {row.pk: expired_detail(row.expires_at) for row in rows if row.expires_at is not None}
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {_TABLE} SET state = 'dead', last_reason = %s, last_detail = %s, finished_at = {now_plus()} "  # noqa: S608  constant names
                "WHERE id = %s",
                [(Reason.EXPIRED.value, detail, 0, key) for key, detail in details.items()],
            )
        log.append(
            log.rows_of(
                rows,
                action="execute",
                outcome="failure",
                reason=Reason.EXPIRED,
                message=lambda row: details[row.pk],
            )
        )
        tally.count((row.space_id, row.rule_id, "failed") for row in rows)
        after_failures(list(details))
    return len(rows)


def _expired_keys(*, limit: int, lock: str = "") -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"{expired_query()} {lock}", [0, limit])
        return [row[0] for row in cursor.fetchall()]


def expired_query() -> str:
    """Return the SQL for the keys of what has expired, the longest ago first; its parameters are 0 and a limit."""
    return f"SELECT id FROM {_TABLE} WHERE {_EXPIRING} AND expires_at <= {now_plus()} ORDER BY expires_at LIMIT %s"  # noqa: S608  constant names
