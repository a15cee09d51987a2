"""What a source hands to rules.services.accept, and what it gets back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

HOP_ATTRIBUTE: Final = "switchyardhop"
MAX_HOPS: Final = 8  # an event beyond them makes no delivery that is sent


@dataclass(frozen=True, slots=True)
class Origin:
    """What led to an event: how many deliveries, one after the other, and the last of them or an event, as a path."""

    hop: int
    cause: str = ""

    @property
    def is_loop(self) -> bool:
        """Whether an event of this origin is taken for one more turn of a loop."""
        return self.hop > MAX_HOPS


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """A checked event, ready to store: JSON is already text, and safe for every database (no NUL, no surrogates).

    ``time`` is aware. ``extensions`` is a JSON object as text, ``data`` any JSON value as text or None. ``digest``
    is 16 bytes over all that the sender sent, and tells a repeat from a clash. ``origin`` is None where nothing led to
    the event.
    """

    source: str
    event_id: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    dataschema: str
    extensions: str
    data: str | None
    is_binary: bool
    digest: bytes
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of one event: stored, known already (same body), or refused (same id, another body).

    ``id`` is the key of the event that now stands under this source and id.
    """

    status: Literal["accepted", "duplicate", "conflict"]
    id: int


class KeyEnded(Exception):
    """The API key was revoked or has expired, or its space was archived, before the events were stored."""


class CannotAccept(Exception):
    """The database does not take events now; nothing of the request was stored. Try again later."""
