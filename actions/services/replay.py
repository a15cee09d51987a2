"""Send again what has ended: the same message under the same ``webhook-id``, with all its tries anew."""

from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from actions.engine import log
from actions.models import Action, Delivery
from actions.wakeups import DELIVER, wake
from connectors.models import Connector
from spaces import audit
from spaces.errors import ReadOnly

State = Delivery.State
_ENDED: Final = (State.DELIVERED, State.DEAD)


def replay_delivery(delivery: Delivery) -> None:
    """Put a delivery that has ended back into the queue, due now.

    Its attempts go on counting, and it gets as many tries, and as long, as a new one. Raises ReadOnly where it has not
    ended or its connector is gone, and Delivery.DoesNotExist when it is.
    """
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if row.state not in _ENDED:
            raise ReadOnly(f"Delivery {row.pk} has not ended: it is {row.state}, and tried by itself.")
        connector, action = _standing(row)
        lasts = row.expires_at - row.created_at if row.expires_at else None
        Delivery.objects.filter(pk=row.pk).update(
            state=State.PENDING,
            due_at=Now(),
            finished_at=None,
            replayed_from=F("attempts"),
            lost_leases=0,
            cancel_asked=False,
            expires_at=timezone.now() + lasts if lasts else None,
        )
        log.append(
            [
                log.row(
                    space_id=row.space_id,
                    action="replay",
                    outcome="success",
                    message=f"Sent again after it was {row.state}.",
                    event_id=row.event_id,
                    rule_id=row.rule_id,
                    action_id=action,
                    connector_id=connector,
                    delivery_id=row.pk,
                )
            ]
        )
        audit.record("delivery.replay", space=row.space_id, object_id=str(row.pk), before={"state": row.state})
        transaction.on_commit(lambda: wake(DELIVER, row.connector_id or 0))


def _standing(row: Delivery) -> tuple[str, str]:
    """Return the public ids of connector and action; raise ReadOnly where one is gone."""
    connector = Connector.objects.filter(pk=row.connector_id or 0).values_list("public_id", flat=True).first()
    action = Action.objects.filter(pk=row.action_id).values_list("public_id", flat=True).first()
    if connector is None or action is None:
        gone = "connector" if action is not None else "action"
        raise ReadOnly(f"Delivery {row.pk} cannot be sent again: its {gone} was deleted.")
    return connector, action
