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
from spaces.access import visible_spaces
from spaces.admin.markup import EMPTY, page_link
from spaces.admin.read_only import SEARCHED_ROWS
from spaces.admin.refusals import is_superuser
from spaces.admin.scoping import scoped
from spaces.models import DEFAULT_SPACE, ApiKey

# What happened within the hour is counted among this many of the newest rows, what waits up to this many.
COUNTED_ROWS = 20_000
SHOWN_FAILURES = 10


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the cards, the latest failures and the first steps that this user may see to the page's context."""
    since = timezone.now() - timedelta(hours=1)
    cards = []
    if scoped(Event).has_view_permission(request):
        received = _newest(request, Event, COUNTED_ROWS).filter(received_at__gte=since).count()
        cards.append(_card("Events", received, "received in the last hour", "rules_event"))
    if scoped(Delivery).has_view_permission(request):
        of_user = _deliveries(request)
        for state, note in ((Delivery.State.PENDING, "waiting to be sent"), (Delivery.State.DEAD, "given up")):
            count = of_user.filter(state=state).order_by()[:COUNTED_ROWS].count()
            alarm = state is Delivery.State.DEAD
            query = f"?state__exact={state.value}"
            cards.append(_card(f"Deliveries {state.value}", count, note, "actions_delivery", query, alarm))
    if scoped(EventLogEntry).has_view_permission(request):
        failed = _newest(request, EventLogEntry, COUNTED_ROWS).filter(outcome="failure")
        count = failed.filter(time__gte=since).count()
        cards.append(
            _card("Failures", count, "in the last hour", "actions_eventlogentry", "?outcome__exact=failure", True)
        )
        context["failures"] = _failures(failed)
    steps = {"quick_start": _quick_start(request), "may_add_keys": scoped(ApiKey).has_add_permission(request)}
    return {**context, **steps, "cards": cards, "title": "Overview"}


def _newest(request: HttpRequest, model: type[Model], count: int) -> QuerySet[Any]:
    newest = model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
    return scoped(model).plain(request).filter(pk__gt=newest - count)


def _deliveries(request: HttpRequest) -> QuerySet[Any]:
    # The indexes of states know no spaces: who sees some spaces only counts as far as the list of deliveries looks.
    seen = scoped(Delivery)
    return seen.plain(request) if is_superuser(request) else _newest(request, Delivery, SEARCHED_ROWS)


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
    """Return a command that sends an event to a space of the user's, "" where there is none."""
    spaces = visible_spaces(request.user)
    space = spaces.filter(slug=DEFAULT_SPACE).first() or spaces.first()
    if space is None and not is_superuser(request):
        return ""
    slug = space.slug if space else DEFAULT_SPACE
    url = request.build_absolute_uri(f"/api/v1/spaces/{slug}/events")
    return (
        f"curl {url} \\\n"
        '  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n'
        """  -d '{"specversion": "1.0", "id": "1", "source": "/shell", "type": "order.paid", "data": {"amount": 7}}'"""
    )
