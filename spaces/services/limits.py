"""Rates: how much a caller or a space may ask for in a time, over all processes where they share a Redis."""

import time
from math import ceil
from typing import Final

from django.conf import settings
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from spaces.models import ApiKey, Space

BURST_SECONDS: Final = 10  # over which a rate of events is evened out
_SHUNNED_SECONDS: Final = 5.0  # how long a Redis that failed is not asked

_here = SlidingWindowCounterRateLimiter(MemoryStorage())


class TooMany(Exception):
    """The rate is reached; ``wait`` is in seconds."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(f"Too many: wait {wait} s.")


class TooManyAtOnce(Exception):
    """More than the rate ever allows in one request: ``most`` would be taken."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"At most {most:,} at once.")


def count_request(caller: str, per_minute: int) -> None:
    """Count a request of a caller that may send so many in a minute, 0 for any number; raise TooMany."""
    if per_minute:
        _limiter.hit(RateLimitItemPerMinute(per_minute), "request", caller)


def count_request_of_key(key: ApiKey) -> None:
    """Count a request that sends events: only a key's own limit holds for it; raise TooMany."""
    count_request(f"key:{key.pk}", key.max_requests_per_minute or 0)


def is_news(*about: str) -> bool:
    """Whether this has not been said in this process for a minute; what repeats need not be written down each time."""
    return _here.hit(RateLimitItemPerMinute(1), "news", *about)


def count_events(space: Space, events: int) -> None:
    """Count events that a space is sent; raise TooMany, or TooManyAtOnce for what no wait would let in."""
    if not space.max_events_per_second:
        return
    most = space.max_events_per_second * BURST_SECONDS
    if events > most:
        raise TooManyAtOnce(most)
    _limiter.hit(RateLimitItemPerSecond(most, BURST_SECONDS), "events", str(space.pk), cost=events)


class _Limiter:
    """Counts in Redis where the broker is one, else, and while Redis fails, in this process: its share of the rate."""

    def __init__(self) -> None:
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._shunned_until = 0.0
        if settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
            storage = RedisStorage(
                settings.CELERY_BROKER_URL,
                key_prefix="switchyard:limits",
                wrap_exceptions=True,
                socket_connect_timeout=0.5,
                socket_timeout=0.5,
            )
            self._shared = SlidingWindowCounterRateLimiter(storage)

    def hit(self, item: RateLimitItem, *names: str, cost: int = 1) -> None:
        """Count; raise TooMany."""
        if self._shared is not None and time.monotonic() >= self._shunned_until:
            try:
                _hit(self._shared, item, names, cost)
            except StorageError:
                self._shunned_until = time.monotonic() + _SHUNNED_SECONDS
            else:
                return
        share = max(1, item.amount // settings.WEB_WORKERS)
        _hit(_here, type(item)(share, item.multiples), names, min(cost, share))


def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, names: tuple[str, ...], cost: int) -> None:
    if limiter.hit(item, *names, cost=cost):
        return
    lacking = cost - limiter.get_window_stats(item, *names).remaining
    raise TooMany(max(1, ceil(lacking * item.get_expiry() / item.amount)))


_limiter: Final = _Limiter()
