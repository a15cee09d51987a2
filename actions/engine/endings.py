"""What follows when tries fail: what was cancelled meanwhile ends, and fallbacks take over from the dead.

Each function is called in the transaction that ends the tries.
"""

from collections.abc import Collection, Sequence
from typing import Final

from django.db.models.functions import Now

from actions.engine import log
from actions.engine.fallbacks import make_fallbacks
from actions.engine.tally import tally
from actions.models import Delivery
from connectors.outcomes import Reason

State = Delivery.State

CANCELLED: Final = "It was cancelled."


def after_failures(ids: Collection[int]) -> None:
    """Let follow what has to, once these deliveries wait again or are dead."""
    if ids:
        end_cancelled(ids)
        make_fallbacks(ids)


def end_cancelled(ids: Collection[int]) -> None:
    """End those of these deliveries that somebody cancelled while they were tried."""
    asked = Delivery.objects.filter(pk__in=ids, cancel_asked=True, state__in=[State.PENDING, State.DEAD])
    end_as_cancelled(list(asked.order_by("pk")))


def end_as_cancelled(rows: Sequence[Delivery]) -> None:
    """Make deliveries that no worker holds dead, as cancelled."""
    if not rows:
        return
    tally.count((row.space_id, row.rule_id, "failed") for row in rows if row.state != State.DEAD)
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=State.DEAD,
        cancel_asked=False,
        last_reason=Reason.CANCELLED,
        last_detail=CANCELLED,
        finished_at=Now(),
    )
    log.append(
        log.rows_of(rows, action="cancel", outcome="success", reason=Reason.CANCELLED, message=lambda _: CANCELLED)
    )
