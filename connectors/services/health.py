"""Scheduled health checks: each connector is probed at its interval, more rarely while it is down."""

import logging
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from connectors.models import Connector
from connectors.services.probing import probe_connector
from connectors.steps import PROBE_TIMEOUT

logger = logging.getLogger(__name__)

JITTER: Final = 0.2
LONGEST_BACK_OFF: Final = 600.0  # seconds
_MOST_AT_ONCE: Final = 32
_THREADS: Final = 8
_CLAIM: Final = timedelta(seconds=PROBE_TIMEOUT * _MOST_AT_ONCE / _THREADS + 30)
_RUN_FOR: Final = 60.0  # seconds after which a run leaves the rest to the next one

_running = threading.Lock()


def check_health() -> int:
    """Probe every connector that is due; return how many. A second run in the same process does nothing."""
    if not _running.acquire(blocking=False):
        return 0
    try:
        return sum(_rounds())
    finally:
        _running.release()


def next_check(interval: float, streak: int, chance: float) -> float:
    """Return the seconds until the next check after one that left this streak.

    Each failure after the first doubles the wait, up to ten minutes or the interval if that is longer. ``chance`` in
    [0, 1) spreads it by 20 % either way, so that connectors do not march in step.
    """
    failures = max(-streak, 0)
    longest = max(interval, LONGEST_BACK_OFF)
    wait = min(interval * 2.0 ** min(max(failures - 1, 0), 20), longest)
    return wait * (1 - JITTER + 2 * JITTER * chance)


def _rounds() -> Iterator[int]:
    began = time.monotonic()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="health") as threads:
        while time.monotonic() - began < _RUN_FOR:
            claimed = _claim()
            list(threads.map(_check, claimed))
            yield len(claimed)
            if len(claimed) < _MOST_AT_ONCE:
                return


def _claim() -> list[Connector]:
    """Return connectors that are due, put off so that no other process takes them as well."""
    resting = Q(enabled=False) | Q(is_missing_secrets=True)
    with transaction.atomic():
        due = list(
            Connector.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            .exclude(resting)
            .filter(health_due_at__lte=timezone.now())
            .order_by("health_due_at")[:_MOST_AT_ONCE]
        )
        if due:
            Connector.objects.filter(pk__in=[row.pk for row in due]).update(health_due_at=timezone.now() + _CLAIM)
    return due


def _check(row: Connector) -> None:
    try:
        probe_connector(row)
    except Exception:
        # A fault of this program in one type must not keep the others from being checked.
        logger.exception("The health check of connector %s failed.", row.public_id)
    finally:
        _schedule_next(row)
        connection.close()


def _schedule_next(row: Connector) -> None:
    now = timezone.now()
    present = Connector.objects.filter(pk=row.pk).values_list("health_interval", "health_streak").first()
    if present is None:
        return
    Connector.objects.filter(pk=row.pk).update(health_checked_at=now, health_due_at=_due_at(now, *present))


def _due_at(now: datetime, interval: int | None, streak: int) -> datetime | None:
    if interval == 0:
        return None
    wait = next_check(settings.HEALTH_INTERVAL if interval is None else interval, streak, random.random())  # noqa: S311
    return now + timedelta(seconds=wait)
