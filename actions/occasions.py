"""What deliveries are of: events and rules. They live in the app above, which registers how they are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from django.db.models import QuerySet


class Key(NamedTuple):
    """A space, an event in it by key, and a rule by public id."""

    space_id: int
    event_id: int
    rule_id: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """``event``, ``rule``, ``alert`` and ``alerts`` as templates see them.

    A rule that was deleted has its id for a name.
    """

    event: dict[str, Any]
    rule: dict[str, str]
    alert: dict[str, Any] | None = None
    alerts: dict[str, Any] | None = None


class Source(Protocol):
    """Reads events and rules."""

    def occasions(self, wanted: Iterable[Key]) -> Mapping[Key, Occasion]:
        """Return what is known; one whose event is gone is left out."""
        ...

    def events_of_type(self, space_id: int | None, event_type: str) -> QuerySet[Any]:
        """Return the keys of the events of this type in the space, or in all, for a subquery."""
        ...


_sources: Final[list[Source]] = []


def register(source: Source) -> None:
    """Say how events and rules are read."""
    _sources[:] = [source]


def source() -> Source:
    """Return what reads events and rules."""
    return _sources[0]
