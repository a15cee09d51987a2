"""Send again what has ended: the same message under the same ``webhook-id``, with all its tries anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction

from actions import bulk, occasions
from actions.engine import log, ordering
from actions.engine.clock import database_time
from actions.engine.rendering import compiled_params, failure_of, key_of, render
from actions.models import ENDED, Action, Delivery
from actions.occasions import Key, Occasion
from actions.wakeups import DELIVER, wake
from connectors.models import Connector
from spaces import audit
from spaces.errors import ReadOnly


def replay_delivery(delivery: Delivery) -> None:
    """Put a delivery that has ended back into the queue, due now.

    Its attempts go on counting, and it gets as many tries, and as long, as a new one. Where no message could be
    rendered for it, it is rendered anew; where its connector was deleted, it goes through the one that its action has
    now. Raises ReadOnly where it has not ended or cannot be sent, and Delivery.DoesNotExist when it is gone.
    """
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        before = row.state
        if refusals := replay_rows([row]):
            raise ReadOnly(refusals[row.pk])
        audit.record("delivery.replay", space=row.space_id, object_id=str(row.pk), before={"state": before})


def replay_rows(rows: Sequence[Delivery], *, since: datetime | None = None, apart: float = 0.0) -> dict[int, str]:
    """Put deliveries that the caller's transaction has locked back into the queue; return by key why one is not.

    The first is due at ``since``, now if it is None, and each ``apart`` seconds after the one before it.
    """
    surroundings = read_surroundings(rows)
    now = database_time()
    refusals: dict[int, str] = {}
    sent: list[Delivery] = []
    said: dict[int, str] = {}
    for row in rows:
        said[row.pk] = f"Sent again after it was {row.state}."
        if refusal := surroundings.refusal(row) or surroundings.complete(row):
            refusals[row.pk] = f"Delivery {row.pk} {refusal}"
            continue
        action = surroundings.actions[row.action_id]
        row.due_at = (since or now) + timedelta(seconds=apart * len(sent))
        row.expires_at = row.due_at + timedelta(seconds=action.expires_after) if action.expires_after else None
        sent.append(row)
    if sent:
        _queue(sent)
        log.append(log.rows_of(sent, action="replay", outcome="success", message=lambda row: said[row.pk]))
        wake_connectors(sent)
    return refusals


def _queue(rows: Sequence[Delivery]) -> None:
    """Let each wait again from its ``due_at``, with its tries anew. The ORM's bulk_update takes 12 times as long."""
    values = [(row.expires_at, row.connector_id, row.due_at, row.pk) for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {Delivery._meta.db_table} SET state = 'pending', finished_at = NULL, replayed_from = attempts, "  # noqa: S608  constant names
            "lost_leases = 0, cancel_asked = FALSE, expires_at = %s, connector_id = %s, "
            # What has an ordering key waits for its turn.
            "due_at = CASE WHEN ordering_key = '' THEN %s ELSE NULL END WHERE id = %s",
            values if connection.vendor == "postgresql" else [bulk.sqlite_row(each) for each in values],
        )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What deliveries refer to, as it is now."""

    actions: Mapping[int, Action]
    connectors: Mapping[int, Connector]
    occasions: Mapping[Key, Occasion]
    former: Mapping[int, Delivery]

    def connector_for(self, row: Delivery) -> Connector | None:
        """Return the connector that the delivery goes through from now on."""
        own = self.connectors.get(row.connector_id or 0)
        return own if own is not None or row.action_id not in self.actions else self.actions[row.action_id].connector

    def refusal(self, row: Delivery) -> str:
        """Return why the delivery cannot be sent again, or ""."""
        if row.state not in ENDED:
            return f"has not ended: it is {row.state}, and tried by itself."
        if row.action_id not in self.actions:
            return "cannot be sent again: its action was deleted."
        if self.connector_for(row) is None:
            return "cannot be sent again: its connector was deleted. Give its action another one."
        return ""

    def complete(self, row: Delivery) -> str:
        """Give the row its connector, and store its message where none could be rendered; return why not, or ""."""
        row.connector = self.connector_for(row)
        if row.message:
            return ""
        occasion = self.occasions.get(key_of(row))
        if occasion is None:
            return "cannot be sent again: it has no message, and its event is not stored any more."
        action, dead = self.actions[row.action_id], self.former.get(row.former_id)
        failed = failure_of(dead) if dead is not None and row.fallbacks else None
        row.message, fault = render(action, compiled_params(action), occasion, failed)
        if fault:
            return f"cannot be sent again: its message still cannot be rendered. {fault[1]}"
        row.save(update_fields=["message"])
        return ""


def read_surroundings(rows: Sequence[Delivery]) -> Surroundings:
    """Return what these deliveries refer to."""
    unrendered = [row for row in rows if not row.message]
    former = Delivery.objects.filter(pk__in=[row.former_id for row in unrendered if row.former_id])
    actions = Action.objects.select_related("connector", "space")
    return Surroundings(
        actions=actions.in_bulk({row.action_id for row in rows}),
        connectors=Connector.objects.in_bulk({row.connector_id for row in rows if row.connector_id is not None}),
        occasions=occasions.source().occasions(key_of(row) for row in unrendered),
        former={row.pk: row for row in former.select_related("action", "connector")},
    )


def wake_connectors(rows: Sequence[Delivery]) -> None:
    """Once the transaction commits, have what is due sent."""
    if keys := {(row.action_id, row.ordering_key) for row in rows if row.ordering_key}:
        transaction.on_commit(partial(ordering.let_go, keys))
    for connector_id in {row.connector_id for row in rows if row.connector_id is not None}:
        transaction.on_commit(partial(wake, DELIVER, connector_id))
