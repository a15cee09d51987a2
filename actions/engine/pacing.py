"""Rates that hold over all processes: when the next message may go, one after another at even distances.

Redis keeps count where it is the broker, else, and while Redis fails, the database does. What is not sent in its time
lapses, so no second ever has more than the rate.
"""

import logging
import time
from typing import Final

import redis
from django.conf import settings
from django.db import connection

from actions.models import Pace

logger = logging.getLogger(__name__)

_SLICE: Final = 0.1  # seconds of messages that are asked for at once
_LATE: Final = 0.02  # seconds after which a message's time has lapsed
_SPARED: Final = 0.02  # share of the rate that is left out, so that what is late makes no second too full
_AHEAD: Final = 0.2  # seconds for which messages are given out ahead of time
_SHUNNED: Final = 5.0  # seconds for which a Redis that failed is not asked
_KEPT: Final = 60  # seconds after which Redis may forget

_TABLE: Final = Pace._meta.db_table
_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local from = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
if from - now <= tonumber(ARGV[2]) then
  local given_until = from + tonumber(ARGV[1])
  redis.call('SET', KEYS[1], string.format('%.6f', given_until), 'EX', math.ceil(given_until - now) + tonumber(ARGV[3]))
  return {1, string.format('%.6f', from - now)}
end
return {0, string.format('%.6f', from - now)}
"""


class Pacer:
    """Says when the next message of ``key`` may go. For one thread."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._left = 0
        self._at = 0.0  # monotonic time of the next message
        self._distance = 0.0  # seconds between two
        self._ask_at = 0.0  # monotonic

    def wait(self, rate: float) -> float:
        """Return the seconds until one may go at so many a second; 0 or less: now."""
        now = time.monotonic()
        # Where turns are far apart, one that comes late is better than one that is lost.
        if self._left and (late := now - self._at - max(_LATE, self._distance / 4)) > 0:
            lapsed = min(self._left, int(late / self._distance) + 1)
            self._left -= lapsed
            self._at += lapsed * self._distance
        if not self._left:
            if now < self._ask_at:
                return self._ask_at - now
            self._ask(rate)
            now = time.monotonic()
        return (self._at if self._left else self._ask_at) - now

    def take(self) -> None:
        """Use up the one that may go now."""
        self._left -= 1
        self._at += self._distance
        if not self._left:
            self._ask_at = time.monotonic() + self._distance - _LATE

    def _ask(self, rate: float) -> None:
        count, distance = max(1, int(rate * _SLICE)), (1 + _SPARED) / rate
        is_given, wait = _store.ask(self._key, count * distance)
        now = time.monotonic()
        if is_given:
            self._left, self._at, self._distance = count, now + wait, distance
        else:
            self._ask_at = now + max(wait - _AHEAD / 2, 0.01)


class _Store:
    """Gives out stretches of time, none twice."""

    def __init__(self) -> None:
        self._client: redis.Redis | None = None
        self._shunned_until = 0.0
        if settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
            self._client = redis.Redis.from_url(
                settings.CELERY_BROKER_URL, socket_connect_timeout=0.5, socket_timeout=0.5
            )

    def ask(self, key: str, seconds: float) -> tuple[bool, float]:
        """Ask for ``seconds``; return whether they were given, and in how many seconds the next free ones begin."""
        if self._client is not None and time.monotonic() >= self._shunned_until:
            try:
                given, wait = self._client.eval(
                    _SCRIPT, 1, f"switchyard:pace:{key}", str(seconds), str(_AHEAD), str(_KEPT)
                )
            except redis.RedisError as error:
                logger.warning("Redis keeps no rates (%s); the database does for now.", error)
                self._shunned_until = time.monotonic() + _SHUNNED
            else:
                return bool(given), float(wait)
        return _ask_database(key, seconds)


def _ask_database(key: str, seconds: float) -> tuple[bool, float]:
    if connection.vendor == "postgresql":
        now, later = "extract(epoch FROM clock_timestamp())::float8", "greatest"
    else:
        now, later = "((julianday('now') - 2440587.5) * 86400.0)", "max"
    given = (
        f"UPDATE {_TABLE} SET given_until = {later}(given_until, {now}) + %s "  # noqa: S608  constant names
        f"WHERE key = %s AND given_until - {now} <= %s RETURNING given_until - %s - {now}"
    )
    with connection.cursor() as cursor:
        cursor.execute(given, [seconds, key, _AHEAD, seconds])
        if row := cursor.fetchone():
            return True, max(row[0], 0.0)
        cursor.execute(f"SELECT given_until - {now} FROM {_TABLE} WHERE key = %s", [key])  # noqa: S608  constant names
        if row := cursor.fetchone():
            return False, max(row[0], 0.0)
        cursor.execute(f"INSERT INTO {_TABLE} (key, given_until) VALUES (%s, 0) ON CONFLICT DO NOTHING", [key])  # noqa: S608  constant names
        cursor.execute(given, [seconds, key, _AHEAD, seconds])
        row = cursor.fetchone()
        return row is not None, max(row[0], 0.0) if row else _AHEAD


_store: Final = _Store()
