"""What is seen of a connector's system moves its circuit, which its status shows; each change of either is recorded."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connectors.circuit import (
    SETTLED,
    Circuit,
    CircuitState,
    Tally,
    after_check,
    after_results,
    begin_trial,
    close_at_once,
    give_up,
    open_at_once,
    settle,
    trial_wait,
)
from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.services.status import CIRCUIT_FIELDS, change_status, resting_status, shown_status
from connectors.signals import CircuitChange, circuit_changed
from spaces import audit
from spaces.services import bump_config_revision

# Outcomes that say that the system, or the way to it, does not work. Others blame the message, or nobody.
FAULTS: Final = frozenset(
    {
        Reason.RETRY_HTTP_5XX,
        Reason.RETRY_429,
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
_SHOWN_REASON: Final = ["status_reason", "status_detail"]


def observe(connector_id: int, reason: Reason, detail: str, *, at_once: bool = False) -> None:
    """Take in what a health check, or one message that a person sent, came to.

    What says nothing of the system, such as a message it refused, changes nothing. ``at_once`` lets this one success
    or failure decide. A connector that is disabled, lacks secrets or is gone is left alone.
    """
    if not reason.is_ok and reason not in FAULTS:
        return

    def move(row: Connector) -> Circuit:
        circuit, now = row.circuit, timezone.now()
        wait = trial_wait(circuit, now, random.random())  # noqa: S311  spreads load, guards nothing
        if at_once:
            return close_at_once(circuit, now) if reason.is_ok else open_at_once(circuit, now, wait)
        return after_check(circuit, succeeded=reason.is_ok, now=now, wait=wait)

    _move(connector_id, move, reason, detail)


def take_in(connector_id: int, tally: Tally, reason: Reason, detail: str) -> Connector | None:
    """Take in what deliveries came to; ``reason`` and ``detail`` are of the last failure, or OK.

    Returns the connector as it is afterwards, or None when it is gone.
    """

    def move(row: Connector) -> Circuit:
        circuit = results_of(row, tally)
        return give_up(circuit, timezone.now(), timedelta(days=settings.DISABLE_AFTER_DAYS))

    return _move(connector_id, move, reason, detail)


def results_of(row: Connector, tally: Tally) -> Circuit:
    """Return where the circuit of the row would stand after these results."""
    circuit, now = row.circuit, timezone.now()
    wait = trial_wait(circuit, now, random.random(), tally.retry_after)  # noqa: S311  as above
    return after_results(circuit, tally, since=row.circuit_since, now=now, wait=wait)


def try_out(connector_id: int) -> bool:
    """Begin a trial, if one may begin and nobody else has; of a trial that is not heard of again, another is begun."""

    begun = False

    def move(row: Connector) -> Circuit:
        nonlocal begun
        circuit = begin_trial(row.circuit, timezone.now(), settings.LEASE_SECONDS)
        begun = circuit is not None
        return circuit or row.circuit

    _move(connector_id, move, "", "")
    return begun


def settle_degraded() -> None:
    """Close the circuits that are degraded although nothing fails any more, where no health check will find that out.

    Without traffic and checks nothing else would look at them.
    """
    now = timezone.now()
    unattended = Connector.objects.filter(enabled=True, circuit_state=CircuitState.DEGRADED, health_due_at=None)
    for key in unattended.filter(circuit_since__lte=now - SETTLED).values_list("pk", flat=True):
        _move(key, lambda row: settle(row.circuit, since=row.circuit_since, now=timezone.now()), Reason.OK, "")


def _move(
    connector_id: int, move: Callable[[Connector], Circuit], reason: Reason | str, detail: str
) -> Connector | None:
    with transaction.atomic():
        row = Connector.objects.select_for_update().filter(pk=connector_id).first()
        if row is None or resting_status(row) is not None:
            return row
        if fields := _put(row, move(row), reason, detail):
            row.save(update_fields=fields)
    return row


def _put(row: Connector, circuit: Circuit, reason: Reason | str, detail: str) -> list[str]:
    """Put the circuit and the status that it means on the row; return the names of the fields that changed."""
    former = row.circuit
    if circuit == former:
        return []
    row.circuit = circuit
    fields = [*CIRCUIT_FIELDS]
    failure = "" if reason == Reason.OK else detail
    if circuit.state != former.state:
        row.circuit_since = timezone.now()
        fields.append("circuit_since")
        if circuit.state is CircuitState.DISABLED:
            fields += _disable(row)
        circuit_changed.send(Connector, change=CircuitChange(row, former.state, str(reason), failure))
    status = shown_status(row)
    if status != row.status:
        return [*fields, *change_status(row, status, reason, failure, follows_circuit=circuit.state != former.state)]
    if circuit.state is CircuitState.OPEN and reason:
        row.status_reason, row.status_detail = str(reason), failure
        fields += _SHOWN_REASON
    return fields


def _disable(row: Connector) -> list[str]:
    row.enabled, row.health_due_at = False, None
    row.version += 1
    row.updated_at = timezone.now()
    bump_config_revision(row.space_id)
    audit.record(
        "connector.update",
        space=row.space_id,
        object_id=row.public_id,
        object_name=row.name,
        before={"enabled": True},
        after={"enabled": False},
    )
    return ["enabled", "health_due_at", "version", "updated_at"]
