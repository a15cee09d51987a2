"""The console's first page. Its queries read a bounded number of rows of the hot tables, through an index."""

from datetime import timedelta
from typing import Any

from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize

from actions.models import Delivery, EventLogEntry
from rules.models import Event
from spaces.admin.markup import EMPTY, page_link
from spaces.models import DEFAULT_SPACE

# What happened within the hour is counted among this many of the newest rows, what waits up to this many.
COUNTED_ROWS = 20_000
SHOWN_FAILURES = 10


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the cards, the latest failures and the first steps that this user may see to the page's context."""
    since = timezone.now() - timedelta(hours=1)
    cards = []
    if request.user.has_perm("rules.view_event"):
        received = _newest(Event).filter(received_at__gte=since).count()
        cards.append(_card("Events", received, "received in the last hour", "rules_event"))
    if request.user.has_perm("actions.view_delivery"):
        for state, note in ((Delivery.State.PENDING, "waiting to be sent"), (Delivery.State.DEAD, "given up")):
            count = Delivery.objects.filter(state=state).order_by()[:COUNTED_ROWS].count()
            alarm = state is Delivery.State.DEAD
            query = f"?state__exact={state.value}"
            cards.append(_card(f"Deliveries {state.value}", count, note, "actions_delivery", query, alarm))
    if request.user.has_perm("actions.view_eventlogentry"):
        failed = _newest(EventLogEntry).filter(outcome="failure")
        count = failed.filter(time__gte=since).count()
        cards.append(
            _card("Failures", count, "in the last hour", "actions_eventlogentry", "?outcome__exact=failure", True)
        )
        context["failures"] = _failures(failed)
    return {**context, "cards": cards, "quick_start": _quick_start(request), "title": "Overview"}


def _newest(model: type[Model]) -> QuerySet[Any]:
    newest = model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
    return model._default_manager.filter(pk__gt=newest - COUNTED_ROWS)


def _card(title: str, count: int, note: str, page: str, query: str = "", alarm: bool = False) -> dict[str, str]:
    return {
        "title": title,
        "value": f"{count:,}+" if count >= COUNTED_ROWS else f"{count:,}",
        "note": note,
        "link": reverse(f"admin:{page}_changelist") + query,
        "tone": "text-red-600 dark:text-red-500" if alarm and count else "",
    }


def _failures(failed: QuerySet[EventLogEntry]) -> dict[str, Any]:
    return {
        "headers": ["Time", "Reason", "Message", "Delivery"],
        "rows": [
            [
                page_link("actions.eventlogentry", entry.pk, localize(timezone.localtime(entry.time))),
                entry.reason or EMPTY,
                entry.message,
                page_link("actions.delivery", entry.delivery_id, str(entry.delivery_id))
                if entry.delivery_id
                else EMPTY,
            ]
            for entry in failed.order_by("-pk")[:SHOWN_FAILURES]
        ],
    }


def _quick_start(request: HttpRequest) -> str:
    url = request.build_absolute_uri(f"/api/v1/spaces/{DEFAULT_SPACE}/events")
    return (
        f"curl {url} \\\n"
        '  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n'
        """  -d '{"specversion": "1.0", "id": "1", "source": "/shell", "type": "order.paid", "data": {"amount": 7}}'"""
    )
