"""Makes up events for the demo."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from rules.incoming import IncomingEvent
from rules.sources.bodies import EventReader, PlainEnvelope

Kind = tuple[str, str, Callable[[random.Random], dict[str, Any]]]


def demo_events(dice: random.Random) -> Iterator[tuple[IncomingEvent, dict[str, Any]]]:
    """Yield events and their data without end; one in three or so matches a rule of the demo."""
    while True:
        event_type, source, make = dice.choice(_KINDS)
        data = make(dice)
        yield EventReader(PlainEnvelope(event_type, source)).read_one(json.dumps(data).encode()), data


def _reading(dice: random.Random) -> dict[str, Any]:
    return {"sensor": f"oven-{dice.randint(1, 4)}", "temperature": round(dice.gauss(27, 5), 1)}


def _login(dice: random.Random) -> dict[str, Any]:
    return {"user": dice.choice(["ada", "grace", "edsger"]), "success": dice.random() < 0.7}


def _order(dice: random.Random) -> dict[str, Any]:
    return {"order": dice.randint(1000, 9999), "total": round(dice.expovariate(1 / 700), 2)}


_KINDS: tuple[Kind, ...] = (
    ("sensor.reading", "/demo/plant", _reading),
    ("user.login", "/demo/accounts", _login),
    ("order.placed", "/demo/shop", _order),
)
