"""What a type of connector declares of its walk: ``WALK`` in ``tests/connectors/types/<id>/walk.py``."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.kafka_broker import KafkaBroker

# What an event says. No target may take any of it for markup, a mention, a second line or a field of its own.
TEXT: Final = 'Oven "7" <!channel> @everyone <b>*hot*</b>\n[x](https://a.test)'
# The same in a JSON string, where nothing but JSON's own signs means anything; and where it is one line as well.
AS_JSON: Final = r"Oven \"7\" <!channel> @everyone <b>*hot*</b>\n[x](https://a.test)"
AS_LINE: Final = r"Oven \"7\" <!channel> @everyone <b>*hot*</b> [x](https://a.test)"

# For templates: the event's text, and what its messages are about.
SAYS: Final = "{{ event.data.text }}"
OVEN: Final = "oven/{{ event.data.oven }}"
# Types of events.
HOT, SEEN, COOL = "oven.hot", "oven.seen", "oven.cool"


@dataclass(frozen=True)
class Surroundings:
    """Where walks go: the directory of the installation, and what starts Kafka or has it running."""

    directory: Path
    kafka: Callable[[], AbstractContextManager[KafkaBroker]]


@dataclass(frozen=True)
class Arrival:
    """One thing that came to a destination: where to, the headers that matter, and the body."""

    line: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Destination:
    """A destination that runs. ``arrivals`` has all that came so far, in order.

    ``hosts`` are those that the installation reaches through the proxy at ``proxy`` only.
    """

    about: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str]
    arrivals: Callable[[], Sequence[Arrival]]
    proxy: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """An event, the action that it triggers, and parts of what must arrive, as they are written there."""

    title: str
    event_type: str
    params: Mapping[str, Any]
    arrives: tuple[str, ...]


@dataclass(frozen=True)
class Walk:
    """The way through a connector to its destination.

    ``escaped`` is the event's text as it must stand in what arrives first. ``keys`` are the parts of secrets that let
    people in by themselves. ``family`` is that of a type whose category does not tell it.
    """

    destination: Callable[[Surroundings], AbstractContextManager[Destination]]
    escaped: str
    steps: tuple[Step, ...]
    keys: tuple[str, ...] = field(default=(), kw_only=True)
    family: str = field(default="", kw_only=True)
