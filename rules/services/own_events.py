"""The system's own troubles as events, so that rules can act on them: types that begin with ``switchyard.``.

docs/own-events.md describes each. They are accepted past the space's quotas, and never more than their bounds say.
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

from actions.models import FAILING_AFTER, GoneObject
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
    event_type: str, *, subject: str, time: datetime, data: Mapping[str, Any], origin: Origin | None = None
) -> IncomingEvent:
    """Return an event of the system's own; its id is random."""
    event_id = str(uuid.uuid4())
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
