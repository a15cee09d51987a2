"""Tells that a rule of the type schedule fired: an event for each time, and a delivery for each of its actions."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rules.alerts.telling import Telling
from rules.evaluation.envelope import envelope_of
from rules.evaluation.terms import terms_of
from rules.incoming import IncomingEvent
from rules.models import Rule
from rules.services.conditions import expanded_in
from rules.services.own_events import own_event
from rules.silences.silence import OUTSIDE_TIME_FRAME, Observed, Silence, silence_of
from rules.silences.stored import audible, windows_of
from rules.types.base import Firing


def fire(rule: Rule, firings: Sequence[Firing], now: datetime) -> None:
    """Store the event of each firing and make the deliveries of the rule's actions, in the caller's transaction."""
    if not firings:
        return
    links = list(rule.links.filter(action__enabled=True).order_by("pk"))
    terms = [(link.action_id, terms_of(expanded_in(rule.space_id, link.condition), link.time_frame)) for link in links]
    silent, windows = audible(rule), windows_of(rule.space_id)
    telling = Telling(rule)
    for firing in firings:
        event = _fired(rule, firing)
        observed = Observed(envelope_of(event))
        silence = silence_of(silent, windows, observed, now)
        hearers: dict[int, Silence | None] = {}
        for action_id, each in terms:
            if each.refusal(observed) is None:
                hearers[action_id] = silence or (None if each.is_open(now) else OUTSIDE_TIME_FRAME)
        telling.events.append(event)
        telling.hearers.append(hearers)
    telling.send()


def _fired(rule: Rule, firing: Firing) -> IncomingEvent:
    scheduled_at = firing.scheduled_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return own_event(
        "switchyard.schedule.fired",
        subject=f"rules/{rule.public_id}",
        time=firing.scheduled_at,
        event_id=f"schedule/{rule.pk}/{scheduled_at}",
        data={
            "rule": {"id": rule.public_id, "name": rule.name},
            "scheduled_at": scheduled_at,
            "data": dict(firing.data),
        },
    )
