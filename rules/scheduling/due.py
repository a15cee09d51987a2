"""Which rules are due, and who runs them: each is claimed by one process, under a lease with a token.

The database's clock alone decides. What was missed while nothing ran is made up by one run.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zlib import crc32

from django.db import connection
from django.db.models import F

from actions.engine.clock import database_time, now_plus
from rules.models import Rule, RuleRun
from spaces.models import Space

LEASE: Final = 90.0  # seconds; no type may look for longer
SOON: Final = 10.0  # seconds over which the first runs of rules that are enabled together are spread
MOST_CLAIMS: Final = 5  # in a row without an end, after which a rule is taken for one that kills its workers
LONGEST_PAUSE: Final = 24 * 3600  # seconds that such a rule waits
POISON: Final = "poison"
_SLACK: Final = 60  # seconds by which a time may lie further ahead than it should

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_RUNS, _RULES, _SPACES = RuleRun._meta.db_table, Rule._meta.db_table, Space._meta.db_table


@dataclass(frozen=True, slots=True)
class Claimed:
    """A rule that this process runs, as long as its run has this token."""

    rule_id: int
    token: uuid.UUID


def claim_due(most: int) -> list[Claimed]:
    """Lease rules that are due, the longest due first."""
    token = uuid.uuid4()
    lock = "FOR UPDATE OF r SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH due AS MATERIALIZED (SELECT r.rule_id FROM {_RUNS} r JOIN {_RULES} k ON k.id = r.rule_id "  # noqa: S608  constant names
            f"JOIN {_SPACES} s ON s.id = k.space_id WHERE r.next_at <= {now_plus()} "
            f"AND (r.lease_until IS NULL OR r.lease_until <= {now_plus()}) AND k.enabled AND s.archived_at IS NULL "
            f"ORDER BY r.next_at, r.rule_id LIMIT %s {lock}) "
            f"UPDATE {_RUNS} SET lease_token = %s, lease_until = {now_plus()}, claims = claims + 1 "
            "WHERE rule_id IN (SELECT rule_id FROM due) RETURNING rule_id",
            [0, 0, most, _stored(token), LEASE],
        )
        return [Claimed(rule_id, token) for (rule_id,) in sorted(cursor.fetchall())]


def give_back(claims: Sequence[Claimed]) -> None:
    """End the leases: the rules are due still, and what their runs here find is not stored any more."""
    for claimed in claims:
        held = RuleRun.objects.filter(pk=claimed.rule_id, lease_token=claimed.token)
        held.update(lease_token=None, lease_until=None, claims=F("claims") - 1)


def repair_times() -> int:
    """Make due what stands further ahead than it can since the clock was set back; return how many rules that were."""
    longest = f"CASE WHEN r.reason = '{POISON}' THEN {LONGEST_PAUSE} ELSE k.\"interval\" END"
    ahead = now_plus().replace("%s", f"({longest} + {_SLACK})")
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_RUNS} SET next_at = {now_plus()} WHERE rule_id IN (SELECT r.rule_id FROM {_RUNS} r "  # noqa: S608  constant names
            f"JOIN {_RULES} k ON k.id = r.rule_id WHERE r.next_at > {ahead})",
            [0],
        )
        moved: int = cursor.rowcount
        cursor.execute(
            f"UPDATE {_RUNS} SET lease_token = NULL, lease_until = NULL WHERE lease_until > {now_plus()}",  # noqa: S608  constant names
            [LEASE + _SLACK],
        )
    return moved


def first_run(rule_id: int) -> datetime:
    """Return when a rule that was enabled or changed runs first: soon."""
    return database_time() + timedelta(seconds=SOON * _place(rule_id))


def next_run(rule_id: int, interval: int, now: datetime) -> datetime:
    """Return the rule's next turn after ``now``. Its turns stand at a place in the interval that its key gives."""
    # In whole microseconds: a rounded turn would come twice.
    length = timedelta(seconds=interval)
    phase = _EPOCH + length * _place(rule_id)
    return phase + ((now - phase) // length + 1) * length


def pause_after(failures: int, now: datetime) -> datetime:
    """Return when a rule is tried again that killed its workers: each time later, a day at most."""
    return now + timedelta(seconds=min(LONGEST_PAUSE, 300 * 2 ** min(failures - 1, 9)))


def _place(rule_id: int) -> float:
    return crc32(str(rule_id).encode()) / 2**32


def _stored(token: uuid.UUID) -> str:
    return str(token) if connection.vendor == "postgresql" else token.hex
