"""Cancel deliveries that have not ended."""

from collections.abc import Sequence

from django.db import transaction

from actions.engine import log
from actions.engine.endings import end_as_cancelled
from actions.models import ENDED, Delivery
from connectors.outcomes import Reason
from spaces import audit
from spaces.errors import ReadOnly

State = Delivery.State

ASKED = "It is cancelled unless the try under way succeeds."


def cancel_delivery(delivery: Delivery) -> None:
    """End a delivery that waits. One that is being tried ends when the try does, unless that succeeds.

    Raises ReadOnly where it has ended, and Delivery.DoesNotExist when it is gone.
    """
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if row.state in ENDED:
            raise ReadOnly(f"Delivery {row.pk} has ended: it is {row.state}.")
        if row.cancel_asked:
            return
        cancel_rows([row])
        audit.record("delivery.cancel", space=row.space_id, object_id=str(row.pk), before={"state": row.state})


def cancel_rows(rows: Sequence[Delivery]) -> None:
    """Cancel deliveries that have not ended, and that the caller's transaction has locked."""
    end_as_cancelled([row for row in rows if row.state == State.PENDING])
    if leased := [row for row in rows if row.state == State.LEASED]:
        Delivery.objects.filter(pk__in=[row.pk for row in leased]).update(cancel_asked=True)
        log.append(
            log.rows_of(leased, action="cancel", outcome="unknown", reason=Reason.CANCELLED, message=lambda _: ASKED)
        )
