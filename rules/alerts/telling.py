"""Tells of alerts: an event of the system's own for each change, and a delivery for each action that is to hear of it.

All of it happens in the transaction that stores the run, so a change is told once or not at all. The event's id is made
of the alert's and the number of the change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from actions.engine.rendering import Fault, compiled_params, render
from actions.models import MAX_ORDERING_KEY, Action
from actions.occasions import Occasion
from actions.policy import COLUMNS, policy_of
from actions.services.deliveries import Planned, Target, make_deliveries
from actions.services.params import compile_ordering_key
from actions.templating import CompiledParams
from connectors.outcomes import Reason
from rules.alerts.cycle import Change
from rules.alerts.keeping import Changed
from rules.evaluation.envelope import alert_in, read_events
from rules.evaluation.failures import rule_failures
from rules.incoming import IncomingEvent
from rules.links import RECOVERED
from rules.models import Alert, Frequency, Rule, RuleAction
from rules.services.accept import accept_events
from rules.services.own_events import own_event
from rules.types.base import Firing

_TYPES: Final = {
    Change.OPENED: "switchyard.alert.opened",
    Change.REGROUPED: "switchyard.alert.ongoing",
    Change.ONGOING: "switchyard.alert.ongoing",
    Change.RECOVERED: "switchyard.alert.recovered",
}


@dataclass(frozen=True, slots=True)
class _Message:
    """What an action of the rule says, ready to render."""

    action: Action
    target: Target
    params: CompiledParams | Fault
    ordering_key: CompiledParams | None


@dataclass(frozen=True, slots=True)
class Telling:
    """The events to store and, for each, the keys of the actions that hear of it."""

    rule: Rule
    events: list[IncomingEvent]
    hearers: list[list[int]]

    def send(self) -> None:
        """Store the events and make their deliveries, in the caller's transaction."""
        if not self.events:
            return
        accepted = accept_events(self.rule.space_id, self.events)
        # What is known already was told of with its first firing.
        fresh = [
            (each.id, keys) for each, keys in zip(accepted, self.hearers, strict=True) if each.status == "accepted"
        ]
        if not fresh:
            return
        stored = [key for key, _ in fresh]
        wanted = {key for _, keys in fresh for key in keys}
        actions = Action.objects.select_related("connector", "space").filter(pk__in=wanted)
        messages = {action.pk: _message(action) for action in actions}
        about = {"id": self.rule.public_id, "name": self.rule.name}
        planned: list[Planned] = []
        for event, keys in zip(read_events(stored), (keys for _, keys in fresh), strict=True):
            occasion = Occasion(event.envelope, about, alert_in(event.envelope))
            planned += [_plan(self.rule, event.id, messages[key], occasion) for key in keys]
        make_deliveries(planned)


def fire(rule: Rule, firings: Sequence[Firing]) -> None:
    """Store the event of each firing and make the deliveries of the rule's actions, in the caller's transaction."""
    links = rule.links.filter(action__enabled=True).order_by("pk")
    hearers = list(dict.fromkeys(links.values_list("action_id", flat=True))) if firings else []
    Telling(rule, [_fired(rule, each) for each in firings], [hearers] * len(firings)).send()


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


def plan_telling(rule: Rule, changes: Iterable[Changed], now: datetime) -> Telling:
    """Return what is to be told of the changes. The number of each alert's last change moves on, unwritten.

    That an alert is still active makes an event only where an action is to hear of it.
    """
    links = list(rule.links.filter(action__enabled=True).order_by("pk"))
    telling = Telling(rule, [], [])
    for changed in changes:
        alert = changed.alert
        hearing = [link for link in links if _is_for(link, alert, changed.change) and _is_time(link, changed, now)]
        if changed.change is Change.ONGOING and not hearing:
            continue
        for link in hearing:
            if link.frequency == Frequency.INTERVAL:
                alert.told[str(link.pk)] = now.timestamp()
        alert.change += 1
        telling.events.append(_event(rule, changed, now))
        telling.hearers.append(list(dict.fromkeys(link.action_id for link in hearing)))
    return telling


def _is_for(link: RuleAction, alert: Alert, change: Change) -> bool:
    if change is Change.RECOVERED:
        return link.group == RECOVERED
    return link.group in ("", alert.group)


def _is_time(link: RuleAction, changed: Changed, now: datetime) -> bool:
    if changed.change is Change.RECOVERED or link.frequency == Frequency.EACH:
        return True
    if link.frequency == Frequency.CHANGE:
        return changed.change is not Change.ONGOING
    last = changed.alert.told.get(str(link.pk))
    # A time to come was written before the clock was set back.
    return last is None or not 0 <= now.timestamp() - last < (link.throttle or 0)


def _event(rule: Rule, changed: Changed, now: datetime) -> IncomingEvent:
    alert = changed.alert
    return own_event(
        _TYPES[changed.change],
        subject=f"alerts/{alert.uuid}",
        time=now,
        event_id=f"{alert.uuid}/{alert.change}",
        data={
            "alert": _shown(alert, changed.change, now),
            "rule": {"id": rule.public_id, "name": rule.name, "rule_type_id": rule.type},
        },
    )


def _shown(alert: Alert, change: Change, now: datetime) -> dict[str, Any]:
    """Return ``alert`` as templates see it."""
    return {
        "uuid": str(alert.uuid),
        "key": alert.key,
        "group": RECOVERED if change is Change.RECOVERED else alert.group,
        "former_group": alert.group if change is Change.RECOVERED else None,
        "state": str(alert.state),
        "since": alert.since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "duration": max(0, int((now - alert.since) / timedelta(seconds=1))),
        "value": alert.value,
        "summary": alert.summary,
        "flapping": alert.flapping,
        "change": str(change),
        "number": alert.change,
    }


def _message(action: Action) -> _Message:
    connector = action.connector
    target = Target(
        id=action.pk,
        public_id=action.public_id,
        connector_id=connector.pk if connector else None,
        connector_public_id=connector.public_id if connector else action.lost_connector_id,
        connector_enabled=connector is not None and connector.enabled,
        max_attempts=action.max_attempts,
        expires_after=action.expires_after,
        policy=policy_of(action.pk, *(getattr(action, column) for column in COLUMNS)),
    )
    return _Message(action, target, compiled_params(action), compile_ordering_key(action.ordering_key))


def _plan(rule: Rule, event_id: int, message: _Message, occasion: Occasion) -> Planned:
    rendered, fault = render(message.action, message.params, occasion)
    key = ""
    if fault is None and message.ordering_key is not None:
        ordered, fault = render(message.action, message.ordering_key, occasion)
        key = ordered.get("ordering_key", "")
        if len(key) > MAX_ORDERING_KEY:
            key, fault = "", (Reason.TOO_LARGE, f"The ordering key has more than {MAX_ORDERING_KEY} characters.")
    if fault is not None and fault[0] is not Reason.BAD_CONFIG:
        rule_failures.note(rule.space_id, occasion.rule, event_id, 0, "message", fault[1], message.action.public_id)
    return Planned(rule.space_id, event_id, rule.public_id, message.target, rendered, fault, 0, key)
