"""What a walk through one type of connector declares, and which family its transcript is in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connectors.types.registry import get_type

# What an event says. No target may take any of it for markup, a mention, a second line or a field of its own.
TEXT: Final = 'Oven "7" <!channel> @everyone <b>*hot*</b>\n[x](https://a.test)'

# By the first category of a type.
_FAMILIES: Final = {
    "data": "brokers",
    "streaming": "brokers",
    "messaging": "chat",
    "incidents": "on-call",
    "tickets": "tickets",
    "ai": "models",
    "logs": "logs",
    "generic": "http",
}


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
    """A type of connector. ``destination`` is given the directory of the installation.

    ``escaped`` is the event's text as it must stand in what arrives first. ``apart`` is the family of a type that its
    category does not tell.
    """

    type_id: str
    destination: Callable[[Path], AbstractContextManager[Destination]]
    escaped: str
    steps: tuple[Step, ...]
    apart: str = field(default="", kw_only=True)

    @property
    def family(self) -> str:
        return self.apart or _FAMILIES[get_type(self.type_id).categories[0]]

    @property
    def name(self) -> str:
        return get_type(self.type_id).name
