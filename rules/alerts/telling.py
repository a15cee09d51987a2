"""Tells of alerts: an event of the system's own for each change, and a delivery for each action that is to hear of it.

All of it happens in the transaction that stores the run, so a change is told once or not at all. The event's id is made
of the alert's and the number of the change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from actions.engine.rendering import Fault, compiled_params, render
from actions.engine.tally import tally
from actions.models import MAX_ORDERING_KEY, Action
from actions.occasions import Occasion
from actions.services.deliveries import Planned, Target, make_deliveries, target_of
from actions.services.params import compile_ordering_key
from actions.templating import CompiledParams
from connectors.outcomes import Reason
from rules.alerts.cycle import Change
from rules.alerts.hearing import Hearer
from rules.alerts.keeping import Changed
from rules.alerts.silencing import Silencing
from rules.alerts.summaries import Gathered
from rules.evaluation.envelope import SUMMARY, alert_in, alerts_in, envelope_of, read_events
from rules.evaluation.failures import rule_failures
from rules.history.troubles import troubles
from rules.incoming import IncomingEvent
from rules.links import RECOVERED
from rules.models import Alert, GatheredSummary, Rule
from rules.services.accept import accept_events
from rules.services.conditions import named_in
from rules.services.own_events import own_event
from rules.silences.silence import OUTSIDE_TIME_FRAME, Observed, Silence
from rules.variables import about_rule, alert_url, event_url

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
    """The events to store and, for each, the keys of the actions that hear of it, each with why it does not for now.

    ``gathered`` is what summaries remember from now on, by the key of the action.
    """

    rule: Rule
    events: list[IncomingEvent] = field(default_factory=list)
    hearers: list[dict[int, Silence | None]] = field(default_factory=list)
    gathered: dict[int, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def send(self) -> None:
        """Store the events and make their deliveries, in the caller's transaction."""
        if self.gathered:
            self._remember()
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
        about = about_rule(self.rule)
        planned: list[Planned] = []
        for event, hearers in zip(read_events(stored), (keys for _, keys in fresh), strict=True):
            envelope = event.envelope
            occasion = Occasion(envelope, about, alert_in(envelope), event_url(event.id), alerts_in(envelope))
            planned += [
                _plan(self.rule, event.id, messages[key], occasion, silence) for key, silence in hearers.items()
            ]
        make_deliveries(planned)
        tally.count([(self.rule.space_id, self.rule.public_id, "matched")] * len(stored))
        if planned and not any(plan.failure for plan in planned):
            troubles.succeeded(self.rule.space_id, self.rule.public_id, self.rule.version)

    def _remember(self) -> None:
        GatheredSummary.objects.bulk_create(
            [GatheredSummary(rule=self.rule, action_id=key, gathered=each) for key, each in self.gathered.items()],
            update_conflicts=True,
            unique_fields=["rule", "action"],
            update_fields=["gathered"],
        )


def plan_telling(rule: Rule, changes: Iterable[Changed], now: datetime) -> Telling:
    """Return what is to be told of the changes. The number of each alert's last change moves on, unwritten.

    That an alert is still active makes an event only where an action is to hear of it.
    """
    links = rule.links.filter(action__enabled=True).order_by("pk").select_related("action")
    named = named_in(rule.space_id) if any(link.condition for link in links) else {}
    hearers = [Hearer(link, now, named) for link in links]
    is_conditional = any(hearer.has_condition for hearer in hearers)
    singly, together = _parted(hearers)
    remembered = _remembered(rule) if together else {}
    gathered = {hearer.action_id: Gathered.of(remembered.get(hearer.action_id)) for hearer in together}
    telling, silencing = Telling(rule), Silencing(rule, now)
    for changed in changes:
        alert = changed.alert
        said, silence = silencing.rule_on(changed, partial(_event, rule, changed, changed.change, now))
        observed = Observed(envelope_of(_event(rule, changed, said, now)) if is_conditional else {})
        hearing = [hearer for hearer in singly if hearer.hears(alert, said, observed)]
        if hearing or said is not Change.ONGOING:
            for hearer in hearing:
                hearer.note(alert)
            telling.events.append(_event(rule, changed, said, now))
            telling.hearers.append(_told(hearing, silence))
            alert.change += 1
        if silence is None:
            for hearer in together:
                if hearer.meets(observed):
                    gathered[hearer.action_id].add(said, _shown(alert, said, now, alert.change))
    for hearer in together:
        left = _summarise(telling, silencing, hearer, gathered[hearer.action_id], now).stored()
        if left != remembered.get(hearer.action_id):
            telling.gathered[hearer.action_id] = left
    faults = {hearer.action_public_id: hearer.fault for hearer in hearers if hearer.fault}
    telling.warnings.extend(f'The condition of the action "{key}" fails: {why}' for key, why in faults.items())
    return telling


def _parted(hearers: Iterable[Hearer]) -> tuple[list[Hearer], list[Hearer]]:
    """Return those that hear of each alert by itself, and those that hear of all together."""
    singly, together = list[Hearer](), list[Hearer]()
    for hearer in hearers:
        (together if hearer.is_summary else singly).append(hearer)
    return singly, together


def _remembered(rule: Rule) -> dict[int, dict[str, Any]]:
    """Return what the summaries of a rule remember, by the key of the action."""
    return dict(GatheredSummary.objects.filter(rule=rule).values_list("action_id", "gathered"))


def _told(hearing: Iterable[Hearer], silence: Silence | None) -> dict[int, Silence | None]:
    """Return the actions that hear of a change, each once: also where but one of its links is in its time frame."""
    told: dict[int, Silence | None] = {}
    for hearer in hearing:
        if silence is not None or hearer.is_open:
            told[hearer.action_id] = silence
        else:
            told.setdefault(hearer.action_id, OUTSIDE_TIME_FRAME)
    return told


def _summarise(telling: Telling, silencing: Silencing, hearer: Hearer, gathered: Gathered, now: datetime) -> Gathered:
    """Tell what was gathered, where it is time and nothing is silent; return what is to be remembered."""
    if not (hearer.is_open and gathered.is_due(now.timestamp(), hearer.throttle)):
        return gathered
    event = _summary(telling.rule, gathered, now)
    if silencing.of_summary(event) is not None:
        return gathered
    telling.events.append(event)
    telling.hearers.append({hearer.action_id: None})
    return Gathered(now.timestamp())


def _summary(rule: Rule, gathered: Gathered, now: datetime) -> IncomingEvent:
    since = datetime.fromtimestamp(gathered.told_at, UTC) if gathered.told_at is not None else None
    return own_event(
        SUMMARY,
        subject=f"rules/{rule.public_id}",
        time=now,
        data={
            "alerts": gathered.alerts(),
            "rule": _about(rule),
            "since": since and since.isoformat().replace("+00:00", "Z"),
        },
    )


def _about(rule: Rule) -> dict[str, str]:
    return {"id": rule.public_id, "name": rule.name, "rule_type_id": rule.type}


def _event(rule: Rule, changed: Changed, said: Change, now: datetime) -> IncomingEvent:
    """Return the event that tells of the next change of the alert."""
    alert = changed.alert
    return own_event(
        _TYPES[changed.change],
        subject=f"alerts/{alert.uuid}",
        time=now,
        event_id=f"{alert.uuid}/{alert.change + 1}",
        data={
            "alert": _shown(alert, said, now, alert.change + 1),
            "rule": _about(rule),
        },
    )


def _shown(alert: Alert, change: Change, now: datetime, number: int) -> dict[str, Any]:
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
        "number": number,
        "url": alert_url(str(alert.uuid)),
    }


def _message(action: Action) -> _Message:
    return _Message(action, target_of(action), compiled_params(action), compile_ordering_key(action.ordering_key))


def _plan(rule: Rule, event_id: int, message: _Message, occasion: Occasion, silence: Silence | None = None) -> Planned:
    rendered, fault = render(message.action, message.params, occasion)
    key = ""
    if fault is None and message.ordering_key is not None:
        ordered, fault = render(message.action, message.ordering_key, occasion)
        key = ordered.get("ordering_key", "")
        if len(key) > MAX_ORDERING_KEY:
            key, fault = "", (Reason.TOO_LARGE, f"The ordering key has more than {MAX_ORDERING_KEY} characters.")
    if fault is not None and fault[0] is not Reason.BAD_CONFIG:
        troubles.failed(rule.space_id, rule.public_id, rule.version, "message", fault[1], message.action.public_id)
        rule_failures.note(rule.space_id, occasion.rule, event_id, 0, "message", fault[1], message.action.public_id)
    made = Planned(rule.space_id, event_id, rule.public_id, message.target, rendered, fault, 0, key)
    return replace(made, suppressed=silence.cause, suppressed_by=silence.detail) if silence else made
