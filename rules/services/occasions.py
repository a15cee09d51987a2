"""Events and rules, read for the deliveries that are made of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q, QuerySet

from actions.occasions import Key, Occasion
from rules.evaluation.envelope import alert_in, alerts_in, read_events
from rules.models import Event, Rule


class RuleOccasions:
    """Reads both from their tables."""

    def occasions(self, wanted: Iterable[Key]) -> Mapping[Key, Occasion]:
        keys = set(wanted)
        if not keys:
            return {}
        events = {
            (event.space_id, event.id): event.envelope for event in read_events(sorted({k.event_id for k in keys}))
        }
        named = Q(space__in={key.space_id for key in keys}, public_id__in={key.rule_id for key in keys})
        rules = {
            (space_id, public_id): name
            for space_id, public_id, name in Rule.objects.filter(named).values_list("space_id", "public_id", "name")
        }
        return {
            key: Occasion(
                events[key.space_id, key.event_id],
                {"id": key.rule_id, "name": rules.get((key.space_id, key.rule_id), key.rule_id)},
                alert_in(events[key.space_id, key.event_id]),
                alerts_in(events[key.space_id, key.event_id]),
            )
            for key in keys
            if (key.space_id, key.event_id) in events
        }

    def events_of_type(self, space_id: int | None, event_type: str) -> QuerySet[Any]:
        of_space = {} if space_id is None else {"space": space_id}
        return Event.objects.order_by().filter(type=event_type, **of_space).values("pk")
