"""What is known of sources: each process that reads one reports, and together the reports make the source's status."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from connectors.outcomes import Reason
from rules.models import Source, SourceReader, SourceStatus
from rules.services.accept import accept_events
from rules.services.own_events import own_event

SEEN_EVERY: Final = 5.0  # seconds between two signs of life of a process
LIVE_FOR: Final = timedelta(seconds=20)  # after its last sign a process is taken for gone
_BEST_FIRST: Final = (SourceStatus.CONNECTED, SourceStatus.WAITING, SourceStatus.DISCONNECTED)


@dataclass(frozen=True, slots=True)
class Report:
    """How a process stands with a source now, and what it counted since its last report."""

    status: SourceStatus
    reason: Reason | str = ""
    detail: str = ""
    lag: int | None = None
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    last_refusal: str = ""


def report(source_id: int, process: str, said: Report) -> None:
    """Store a report; a source that is gone is no error."""
    now = timezone.now()
    with transaction.atomic():
        if not Source.objects.select_for_update().filter(pk=source_id).exists():
            return
        SourceReader.objects.update_or_create(
            source_id=source_id,
            process=process,
            defaults={
                "status": said.status,
                "reason": said.reason,
                "detail": said.detail,
                "lag": said.lag,
                "seen_at": now,
            },
        )
        counted: dict[str, Any] = {
            "accepted_count": F("accepted_count") + said.accepted,
            "duplicate_count": F("duplicate_count") + said.duplicates,
            "refused_count": F("refused_count") + said.refused,
        }
        if said.accepted:
            counted["last_event_at"] = now
        if said.last_refusal:
            counted |= {"last_refusal": said.last_refusal, "last_refusal_at": now}
        Source.objects.filter(pk=source_id).update(**counted)
        settle(source_id)


def leave(process: str, source_ids: Iterable[int] | None = None) -> None:
    """Note that a process reads these sources no longer; None: none at all."""
    left = SourceReader.objects.filter(process=process)
    if source_ids is not None:
        left = left.filter(source_id__in=list(source_ids))
    for source_id in sorted(left.values_list("source_id", flat=True)):
        with transaction.atomic():
            Source.objects.select_for_update().filter(pk=source_id).first()
            SourceReader.objects.filter(process=process, source_id=source_id).delete()
            settle(source_id)


def give_sign_of_life(process: str) -> None:
    """Note that a process still reads what it reported on."""
    SourceReader.objects.filter(process=process).update(seen_at=timezone.now())


def settle_all() -> None:
    """Find the sources that nobody reads any longer, and forget who read them."""
    SourceReader.objects.filter(seen_at__lt=timezone.now() - LIVE_FOR).delete()
    in_doubt = Q(enabled=True) & ~Q(status=SourceStatus.STOPPED)
    for source_id in Source.objects.filter(in_doubt).filter(readers=None).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            Source.objects.select_for_update().filter(pk=source_id).first()
            settle(source_id)


def settle(source_id: int) -> None:
    """Work out the status of a source, in the caller's transaction; a change of it is an event of its space."""
    row = Source.objects.select_related("connector", "space").filter(pk=source_id).first()
    if row is None:
        return
    status, reason, detail, lag = _judge(row)
    if (status, reason, detail, lag) == (row.status, row.status_reason, row.status_detail, row.lag):
        return
    new: dict[str, Any] = {"status": status, "status_reason": reason, "status_detail": detail, "lag": lag}
    former = row.status
    if status != former:
        new["status_since"] = timezone.now()
    Source.objects.filter(pk=source_id).update(**new)
    if status != former and row.space.archived_at is None:
        _announce(row, former, status, reason, detail)


def _judge(row: Source) -> tuple[str, str, str, int | None]:
    """Return status, reason, detail and lag."""
    if not row.enabled:
        return SourceStatus.DISABLED, "", "", None
    if row.connector is None:
        return (
            SourceStatus.DISCONNECTED,
            Reason.BAD_CONFIG,
            f'Its connector "{row.lost_connector_id}" was deleted.',
            None,
        )
    if not row.connector.enabled:
        return SourceStatus.DISABLED, "", f'Its connector "{row.connector.public_id}" is disabled.', None
    readers = list(row.readers.filter(seen_at__gte=timezone.now() - LIVE_FOR))
    for status in _BEST_FIRST:
        found = [reader for reader in readers if reader.status == status]
        if found:
            lags = [reader.lag for reader in readers if reader.lag is not None]
            return status, found[0].reason, found[0].detail, sum(lags) if lags else None
    if row.status == SourceStatus.UNKNOWN and timezone.now() - row.created_at < LIVE_FOR:
        return SourceStatus.UNKNOWN, "", "", None
    detail = "No process reads it: start manage.py run_sources, or see why it stopped."
    return SourceStatus.STOPPED, "", detail, None


def _announce(row: Source, former: str, status: str, reason: str, detail: str) -> None:
    event = own_event(
        f"switchyard.source.{status}",
        subject=f"sources/{row.public_id}",
        time=timezone.now(),
        data={
            "source": {"id": row.public_id, "name": row.name, "source_type_id": row.type},
            "connector": row.connector.public_id if row.connector else None,
            "status": status,
            "former_status": former,
            "reason": reason,
            "detail": detail,
        },
    )
    accept_events(row.space_id, [event])
