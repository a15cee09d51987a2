"""The status of a connector: what health checks and deliveries see, damped, and each change of it recorded.

A few failures in a row bring a connector down and a few successes up again, so that one lost packet alarms nobody.
"""

import time
from typing import Final

from django.db import transaction
from django.utils import timezone

from connectors.models import Connector, Status, StatusChange
from connectors.outcomes import Reason
from connectors.signals import status_changed

DOWN_AFTER: Final = 3  # failures in a row
UP_AFTER: Final = 2  # successes in a row
KEPT_CHANGES: Final = 200  # of one connector
_LONGEST_STREAK: Final = 1000
_PAUSE: Final = 1.0  # seconds between two looks at what deliveries came to

# Outcomes that say that the system, or the way to it, does not work. Others blame the message, or nobody.
_FAULTS: Final = frozenset(
    {
        Reason.RETRY_HTTP_5XX,
        Reason.RETRY_TIMEOUT,
        Reason.RETRY_CONNECT,
        Reason.RETRY_DNS,
        Reason.RETRY_TLS,
        Reason.PERMANENT_410,
        Reason.BLOCKED_TARGET,
        Reason.BAD_CONFIG,
        Reason.MISSING_SECRETS,
    }
)


def resting_status(connector: Connector) -> Status | None:
    """Return the status of a connector that is not used at all; None for one that is."""
    if not connector.enabled:
        return Status.DISABLED
    return Status.MISSING_SECRETS if connector.is_missing_secrets else None


def next_status(status: Status, streak: int, *, succeeded: bool) -> tuple[Status, int]:
    """Return status and streak after one more observation. A streak of failures counts below zero."""
    if succeeded:
        streak = min(max(streak, 0) + 1, _LONGEST_STREAK)
        if status in (Status.UNKNOWN, Status.CONNECTED) or streak >= UP_AFTER:
            return Status.CONNECTED, streak
        return Status.DEGRADED, streak
    streak = max(min(streak, 0) - 1, -_LONGEST_STREAK)
    if status is Status.DISCONNECTED or -streak >= DOWN_AFTER:
        return Status.DISCONNECTED, streak
    return Status.DEGRADED, streak


def observe(connector_id: int, reason: Reason, detail: str, *, at_once: bool = False) -> None:
    """Take in what one try came to: a health check, or the deliveries of about a second.

    What says nothing of the system, such as a message it refused, changes nothing. ``at_once`` lets a single success
    or failure decide. A connector that is disabled, lacks secrets or is gone is left alone.
    """
    if not reason.is_ok and reason not in _FAULTS:
        return
    with transaction.atomic():
        row = Connector.objects.select_for_update().filter(pk=connector_id).first()
        if row is None or resting_status(row) is not None:
            return
        status, streak = next_status(Status(row.status), row.health_streak, succeeded=reason.is_ok)
        if at_once:
            status = Status.CONNECTED if reason.is_ok else Status.DISCONNECTED
        row.health_streak = streak
        fields = ["health_streak"]
        if status != row.status:
            fields += change_status(row, status, reason, "" if reason.is_ok else detail)
        row.save(update_fields=fields)


def settle_status(row: Connector) -> list[str]:
    """After a change of settings, forget what was seen before; return the names of the fields that changed.

    The caller holds the row's lock and saves it.
    """
    resting = resting_status(row)
    row.health_streak = 0
    row.health_due_at = timezone.now() if resting is None and row.health_interval != 0 else None
    fields = ["health_streak", "health_due_at"]
    status = resting or Status.UNKNOWN
    if status == row.status:
        return fields
    reason = Reason.MISSING_SECRETS if status is Status.MISSING_SECRETS else ""
    return fields + change_status(row, status, reason, "")


def change_status(row: Connector, status: Status, reason: Reason | str, detail: str) -> list[str]:
    """Put the status on the row, record the change and tell of it; return the names of the fields that changed.

    The caller holds the row's lock, in a transaction, and saves it.
    """
    former = row.status
    row.status, row.status_reason, row.status_detail = status, str(reason), detail
    row.status_since = timezone.now()
    if row.pk is not None:
        change = StatusChange.objects.create(
            connector=row, former=former, status=status, reason=str(reason), detail=detail, time=row.status_since
        )
        _prune(row)
        status_changed.send(Connector, change=change)
    return ["status", "status_reason", "status_detail", "status_since"]


def _prune(row: Connector) -> None:
    oldest = row.status_changes.order_by("-id").values_list("id", flat=True)[KEPT_CHANGES : KEPT_CHANGES + 1]
    if found := list(oldest):
        row.status_changes.filter(id__lte=found[0]).delete()


class Watch:
    """Sums up what the deliveries through one connector come to, so that thousands a second cost no query.

    For one thread. At most one observation a second goes to the database, and none while nothing is new.
    """

    def __init__(self, connector_id: int) -> None:
        self._connector_id = connector_id
        self._status = Status.UNKNOWN
        self._fault: tuple[Reason, str] | None = None
        self._succeeded = False
        self._told_at = float("-inf")

    def begin(self, connector: Connector) -> None:
        """Note the status that the row has now."""
        self._status = Status(connector.status)

    def see(self, reason: Reason, detail: str) -> None:
        """Count one outcome."""
        if reason is Reason.OK:
            self._succeeded = True
        elif reason in _FAULTS:
            self._fault = (reason, detail)

    def tell(self, *, is_last: bool = False) -> None:
        """Pass on what was seen, if there is anything new and the last time was long enough ago, or ``is_last``."""
        if not (self._succeeded or self._fault):
            return
        now = time.monotonic()
        if not is_last and now - self._told_at < _PAUSE:
            return
        fault, self._fault = self._fault, None
        succeeded, self._succeeded = self._succeeded, False
        self._told_at = now
        if fault is None:
            if self._status is not Status.CONNECTED:
                observe(self._connector_id, Reason.OK, "")
        elif self._status is not Status.DISCONNECTED or succeeded:
            self._tell_fault(*fault, mixed=succeeded)

    def _tell_fault(self, reason: Reason, detail: str, *, mixed: bool) -> None:
        if not mixed:
            observe(self._connector_id, reason, detail)
        elif self._status is not Status.DEGRADED:
            # Some arrive and some do not: that is neither up nor down, however long it lasts.
            observe(self._connector_id, Reason.OK, "")
            observe(self._connector_id, reason, detail)
