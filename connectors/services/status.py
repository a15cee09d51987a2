"""The status of a connector: what its settings and its circuit mean for a person, and each change of it recorded."""

from typing import Final

from django.utils import timezone

from connectors.circuit import Circuit, CircuitState
from connectors.models import Connector, Status, StatusChange
from connectors.outcomes import Reason
from connectors.signals import CircuitChange, circuit_changed, status_changed

KEPT_CHANGES: Final = 200  # of one connector
CIRCUIT_FIELDS: Final = (
    "circuit_state",
    "health_streak",
    "circuit_openings",
    "next_trial_at",
    "failing_since",
    "resumed_at",
    "failed_at",
)


def resting_status(connector: Connector) -> Status | None:
    """Return the status of a connector that is not used at all; None for one that is."""
    if not connector.enabled:
        return Status.DISABLED
    return Status.MISSING_SECRETS if connector.is_missing_secrets else None


def shown_status(connector: Connector) -> Status:
    """Return what settings and circuit mean. One on trial is up again by half once something succeeded."""
    if (resting := resting_status(connector)) is not None:
        return resting
    has_succeeded = connector.circuit.streak > 0
    match connector.circuit.state:
        case CircuitState.CLOSED:
            return Status.CONNECTED if has_succeeded else Status.UNKNOWN
        case CircuitState.DEGRADED:
            return Status.DEGRADED
        case CircuitState.HALF_OPEN if has_succeeded:
            return Status.DEGRADED
    return Status.DISCONNECTED


def settle_status(row: Connector) -> list[str]:
    """After a change of settings, forget what was seen before; return the names of the fields that changed.

    The caller holds the row's lock and saves it.
    """
    resting, former, now = resting_status(row), row.circuit, timezone.now()
    has_held = former.holds or row.status in (Status.DISABLED, Status.MISSING_SECRETS)
    row.circuit = Circuit(resumed_at=now if has_held and resting is None else None)
    row.health_due_at = now if resting is None and row.health_interval != 0 else None
    fields = [*CIRCUIT_FIELDS, "health_due_at"]
    if row.circuit.state != former.state:
        row.circuit_since = now
        fields.append("circuit_since")
        circuit_changed.send(Connector, change=CircuitChange(row, former.state, "", "Its settings were changed."))
    status = shown_status(row)
    if status == row.status:
        return fields
    reason = Reason.MISSING_SECRETS if status is Status.MISSING_SECRETS else ""
    return fields + change_status(row, status, reason, "")


def change_status(
    row: Connector, status: Status, reason: Reason | str, detail: str, *, follows_circuit: bool = False
) -> list[str]:
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
        status_changed.send(Connector, change=change, follows_circuit=follows_circuit)
    return ["status", "status_reason", "status_detail", "status_since"]


def _prune(row: Connector) -> None:
    oldest = row.status_changes.order_by("-id").values_list("id", flat=True)[KEPT_CHANGES : KEPT_CHANGES + 1]
    if found := list(oldest):
        row.status_changes.filter(id__lte=found[0]).delete()
