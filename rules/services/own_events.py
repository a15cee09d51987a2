"""The system's own events, so that rules can act on them: its troubles, and answers that actions ask for.

Their types begin with ``switchyard.``; docs/own-events.md describes each. They are accepted past the space's quotas,
and never more than their bounds say.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from actions import occasions
from actions.models import FAILING_AFTER, Delivery, GoneObject
from actions.occasions import Key, Occasion
from actions.services.connectors import spaces_served
from actions.services.gone import find_action, find_connector
from actions.services.troubles import (
    Deaths,
    Example,
    Failing,
    failing_connectors,
    failing_examples,
    take_deaths,
)
from connectors.models import Connector, StatusChange
from rules.incoming import MAX_HOPS, IncomingEvent, Origin
from rules.models import FailureSpell
from rules.services.accept import accept_events

SOURCE: Final = "/switchyard"
_MOST_PASSED_ON: Final = 64 * 1024  # bytes of an event's data, as JSON, that stand in the event of an answer to it


def announce_status_change(change: StatusChange) -> None:
    """Accept ``switchyard.connector.<status>`` in each space that the connector serves, in the caller's transaction."""
    connector = change.connector
    event = own_event(
        f"switchyard.connector.{change.status}",
        subject=f"connectors/{connector.public_id}",
        time=change.time,
        data={
            "connector": _connector(connector),
            "status": change.status,
            "former_status": change.former,
            "reason": change.reason,
            "detail": change.detail,
        },
    )
    for space_id in spaces_served(connector):
        accept_events(space_id, [event])


def announce_answers(answers: Mapping[int, Mapping[str, Any]]) -> None:
    """Accept ``switchyard.action.answered`` for what the systems behind these deliveries said.

    Call it in the transaction that makes them delivered.
    """
    deliveries = list(Delivery.objects.filter(pk__in=answers).select_related("action", "connector").order_by("pk"))
    known = occasions.source().occasions(_key(delivery) for delivery in deliveries)
    for delivery in deliveries:
        event = _answered(delivery, known.get(_key(delivery)), answers[delivery.pk])
        accept_events(delivery.space_id, [event])


def announce_deaths() -> None:
    """Accept one ``switchyard.delivery.dead`` for all that died since the last call of one action for one reason.

    Deliveries that ended a loop are not told of: the event would be one more turn of it.
    """
    with transaction.atomic():
        for deaths in take_deaths():
            if deaths.hop <= MAX_HOPS:
                accept_events(deaths.space_id, [_dead(deaths)])


def announce_failing() -> None:
    """Accept ``switchyard.delivery.failing`` for each connector through which deliveries begin to fail repeatedly.

    That begins a spell, for each space, which lasts until no delivery fails so any more; it is told of once.
    """
    failing = {(found.space_id, found.connector_id): found for found in failing_connectors()}
    spells = {(spell.space_id, spell.connector_id): spell.pk for spell in FailureSpell.objects.all()}
    FailureSpell.objects.filter(pk__in=[pk for key, pk in spells.items() if key not in failing]).delete()
    for key in failing.keys() - spells.keys():
        _begin_spell(failing[key])


def own_event(
    event_type: str,
    *,
    subject: str,
    time: datetime,
    data: Mapping[str, Any],
    origin: Origin | None = None,
    event_id: str = "",
) -> IncomingEvent:
    """Return an event of the system's own; its id is random unless one is given."""
    event_id = event_id or str(uuid.uuid4())
    return IncomingEvent(
        source=SOURCE,
        event_id=event_id,
        type=event_type,
        subject=subject,
        time=time,
        datacontenttype="application/json",
        dataschema="",
        extensions="{}",
        data=orjson.dumps(data).decode(),
        is_binary=False,
        digest=hashlib.blake2b(event_id.encode(), digest_size=16).digest(),
        origin=origin,
    )


def _answered(delivery: Delivery, occasion: Occasion | None, answer: Mapping[str, Any]) -> IncomingEvent:
    action, connector = delivery.action, delivery.connector
    return own_event(
        "switchyard.action.answered",
        subject=f"actions/{action.public_id}",
        time=timezone.now(),
        data={
            "answer": answer,
            "action": {"id": action.public_id, "name": action.name},
            "connector": _connector(connector) if connector else None,
            "rule": occasion.rule if occasion else {"id": delivery.rule_id, "name": delivery.rule_id},
            "event": _passed_on(occasion.event) if occasion else None,
        },
        origin=Origin(delivery.hop + 1, f"deliveries/{delivery.webhook_id}"),
    )


def _passed_on(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as it stands in the event of the answer to it: large data is left out."""
    is_large = len(orjson.dumps(event.get("data"))) > _MOST_PASSED_ON
    return {name: value for name, value in event.items() if not (is_large and name == "data")}


def _key(delivery: Delivery) -> Key:
    return Key(delivery.space_id, delivery.event_id, delivery.rule_id)


def _dead(deaths: Deaths) -> IncomingEvent:
    action, connector = find_action(deaths.action_id), find_connector(deaths.connector_id)
    return own_event(
        "switchyard.delivery.dead",
        subject=f"actions/{action.public_id}" if action else "",
        time=timezone.now(),
        data={
            "action": {"id": action.public_id, "name": action.name} if action else None,
            "connector": _connector(connector) if connector else None,
            "reason": deaths.reason,
            "count": deaths.count,
            "examples": _examples(deaths.examples),
        },
        origin=_origin(deaths.examples),
    )


def _begin_spell(failing: Failing) -> None:
    with transaction.atomic():
        connector = Connector.objects.filter(Q(space=failing.space_id) | Q(space=None), pk=failing.connector_id).first()
        examples = failing_examples(failing)
        if connector is None or not examples:
            return
        _, begins = FailureSpell.objects.get_or_create(space_id=failing.space_id, connector=connector)
        if not begins:
            return
        event = own_event(
            "switchyard.delivery.failing",
            subject=f"connectors/{connector.public_id}",
            time=timezone.now(),
            data={
                "connector": _connector(connector),
                "reason": examples[0].reason,
                "failed_attempts": FAILING_AFTER,
                "count": failing.count,
                "examples": _examples(examples),
            },
            origin=_origin(examples),
        )
        accept_events(failing.space_id, [event])


def _origin(examples: Sequence[Example]) -> Origin:
    first = examples[0]
    return Origin(first.hop + 1, f"deliveries/{first.webhook_id}")


def _examples(examples: Sequence[Example]) -> list[dict[str, Any]]:
    return [
        {
            "delivery": example.id,
            "webhook_id": example.webhook_id,
            "event": example.event_id,
            "rule": example.rule_id,
            "attempts": example.attempts,
            "detail": example.detail,
        }
        for example in examples
    ]


def _connector(connector: Connector | GoneObject) -> dict[str, str]:
    return {"id": connector.public_id, "name": connector.name, "connector_type_id": connector.type}
