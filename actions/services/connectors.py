"""What happens to actions and deliveries, and what is logged, when something happens to a connector."""

from typing import Final

from django.db import connection
from django.utils import timezone

from actions import bulk
from actions.engine import log
from actions.engine.fallbacks import make_fallbacks
from actions.engine.tally import tally
from actions.models import Action, Delivery, EventLogEntry
from actions.services.gone import remember_connector
from connectors.circuit import CircuitState
from connectors.models import Connector, Status, StatusChange
from connectors.outcomes import Reason
from connectors.signals import CircuitChange
from spaces import audit

_AT_ONCE: Final = 1000
_CIRCUITS = {
    CircuitState.CLOSED: ("success", "Deliveries go out."),
    CircuitState.DEGRADED: ("failure", "Deliveries go out more slowly."),
    CircuitState.OPEN: ("failure", "Deliveries are held"),
    CircuitState.HALF_OPEN: ("unknown", "A few deliveries go out on trial."),
    CircuitState.DISABLED: ("failure", "It was disabled. Deliveries are held until somebody enables it."),
}
_OUTCOMES = {Status.CONNECTED: "success", Status.DISCONNECTED: "failure", Status.MISSING_SECRETS: "failure"}


def part_with_connector(gone: Connector, replacement: Connector | None) -> None:
    """Move what refers to a connector that is being deleted to ``replacement``; without one, end what waits.

    Deliveries that a worker is sending at this moment are recorded as they turn out; their next try, where they have
    one, goes through the replacement, or ends them.
    """
    remember_connector(gone)
    actions = list(Action.objects.select_for_update().filter(connector=gone).order_by("pk"))
    _record_changes(actions, gone, replacement)
    users = Action.objects.filter(pk__in=[action.pk for action in actions])
    if replacement is not None:
        users.update(connector=replacement)
        unended = Delivery.objects.filter(connector=gone, state__in=[Delivery.State.PENDING, Delivery.State.LEASED])
        unended.update(connector=replacement)
    else:
        users.update(connector=None, lost_connector_id=gone.public_id)
        _end_waiting(gone)


def log_status_change(change: StatusChange) -> None:
    """Append the change to the event log of each space that the connector serves."""
    connector, status = change.connector, Status(change.status)
    message = f'The connector "{connector.name}" was {change.former} and is {status}.'
    if change.detail:
        message = f"{message} {change.detail}"
    _log_in_each_space(connector, "status", _OUTCOMES.get(status, "unknown"), change.reason, message)


def log_circuit_change(change: CircuitChange) -> None:
    """Append the change of the circuit to the event log of each space that the connector serves."""
    connector = change.connector
    state = connector.circuit.state
    outcome, effect = _CIRCUITS[state]
    if state is CircuitState.OPEN and connector.next_trial_at is not None:
        effect = f"{effect}; the next trial is at {connector.next_trial_at:%Y-%m-%d %H:%M:%S} UTC."
    message = f'The circuit of the connector "{connector.name}" was {_words(change.former)} and is {_words(state)}.'
    parts = [message, effect, change.detail]
    action = f"circuit-{state.replace('_', '-')}"
    _log_in_each_space(connector, action, outcome, change.reason, " ".join(part for part in parts if part))


def _words(state: CircuitState) -> str:
    return state.replace("_", " ")


def _log_in_each_space(connector: Connector, action: str, outcome: str, reason: str, message: str) -> None:
    log.append(
        log.row(
            space_id=space_id,
            provider="connectors",
            action=action,
            outcome=outcome,
            reason=reason,
            message=message,
            connector_id=connector.public_id,
        )
        for space_id in spaces_served(connector)
    )


def spaces_served(connector: Connector) -> list[int]:
    """Return the space of the connector; of a preconfigured one, every space with an action that uses it."""
    if connector.space_id is not None:
        return [connector.space_id]
    return list(connector.actions.order_by("space_id").values_list("space_id", flat=True).distinct())


def _record_changes(actions: list[Action], gone: Connector, replacement: Connector | None) -> None:
    for action in actions:
        audit.record(
            "action.update",
            space=action.space_id,
            object_id=action.public_id,
            object_name=action.name,
            before={"connector": gone.public_id},
            after={"connector": replacement.public_id if replacement else None},
        )


def _end_waiting(gone: Connector) -> None:
    detail, moment = f'The connector "{gone.public_id}" was deleted.', timezone.now()
    Delivery.objects.filter(connector=gone, state=Delivery.State.PENDING).update(
        state=Delivery.State.DEAD, last_reason=Reason.BAD_CONFIG, last_detail=detail, finished_at=moment
    )
    log_table, table, actions = EventLogEntry._meta.db_table, Delivery._meta.db_table, Action._meta.db_table
    # The moment tells these from others that ended dead.
    time = moment if connection.vendor == "postgresql" else bulk.sqlite_row([moment])[0]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {log_table} (time, space_id, provider, action, outcome, reason, duration, message, "  # noqa: S608  constant names
            "event_id, rule_id, action_id, connector_id, delivery_id, request, response) "
            "SELECT d.finished_at, d.space_id, 'actions', 'execute', 'failure', %s, 0, %s, d.event_id, d.rule_id, "
            f"COALESCE(a.public_id, ''), %s, d.id, '{{}}', '{{}}' FROM {table} d "
            f"LEFT JOIN {actions} a ON a.id = d.action_id "
            "WHERE d.connector_id = %s AND d.state = 'dead' AND d.finished_at = %s",
            [Reason.BAD_CONFIG.value, detail, gone.public_id, gone.pk, time],
        )
    ended = Delivery.objects.filter(connector=gone, state=Delivery.State.DEAD, finished_at=moment)
    rows = list(ended.order_by("pk").values_list("pk", "space_id", "rule_id"))
    tally.count((space_id, rule_id, "failed") for _, space_id, rule_id in rows)
    keys = [key for key, _, _ in rows]
    for start in range(0, len(keys), _AT_ONCE):
        make_fallbacks(keys[start : start + _AT_ONCE])
