"""Takes in what one source reads: messages become events, or are refused for good, each with its reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from django.db import DatabaseError, InterfaceError

from rules.incoming import Acceptance, CannotAccept, IncomingEvent
from rules.services.accept import accept_events
from rules.services.quotas import SpaceIsFull, admit_events
from rules.sources.base import Message
from rules.sources.mapping import Mapper
from rules.sources.refusals import refusals
from spaces.errors import InvalidInput
from spaces.models import Space
from spaces.services.limits import TooMany, TooManyAtOnce
from spaces.strict_json import TooLarge

AT_ONCE: Final = 1000  # messages that are stored together
_DATABASE_PAUSE: Final = 2.0
_SPACE_KEPT: Final = 2.0  # seconds for which a change of the space's limits is not seen
_MAX_REFUSAL: Final = 500


class MustWait(Exception):
    """Nothing can be stored now; ``seconds`` is when to try again, ``detail`` says why to a person."""

    def __init__(self, seconds: float, detail: str) -> None:
        super().__init__(detail)
        self.seconds = seconds
        self.detail = detail


class SpaceIsArchived(Exception):
    """The space takes no events any longer."""


@dataclass(slots=True)
class Counts:
    """What became of messages."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    last_refusal: str = ""

    def add(self, other: "Counts") -> None:
        """Count those of ``other`` too."""
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.refused += other.refused
        self.last_refusal = other.last_refusal or self.last_refusal


class Intake:
    """Of one source, for one thread."""

    def __init__(self, space_id: int, mapper: Mapper) -> None:
        self._space_id = space_id
        self._mapper = mapper
        self._space: Space | None = None
        self._space_until = 0.0

    def read(self, messages: Sequence[Message]) -> "Batch":
        """Make events of messages. What no event can be made of is refused once ``store`` has stored the others."""
        batch = Batch()
        for message in messages:
            try:
                batch.events.append((message, self._mapper.read(message)))
            except InvalidInput as invalid:
                first = invalid.errors[0]
                where = f" ({first.pointer})" if first.pointer else ""
                batch.refuse(message, "too_large" if isinstance(invalid, TooLarge) else "invalid", first.detail + where)
        return batch

    def store(self, batch: "Batch") -> Counts:
        """Store what is left of a batch, durably, and return what became of all of it.

        Raises MustWait, after which the same batch is handed over again, and SpaceIsArchived.
        """
        try:
            space = self._fresh_space()
            if space.archived_at is not None:
                raise SpaceIsArchived
            most = len(batch.events)
            while batch.events:
                part = batch.events[:most]
                try:
                    admit_events(space, len(part))
                except TooManyAtOnce as too_many:
                    most = too_many.most
                    continue
                self._store_part(batch, part)
                del batch.events[:most]
        except SpaceIsFull as full:
            self._space_until = 0.0
            raise MustWait(full.wait, "The space holds as many events as it may.") from None
        except TooMany as refusal:
            raise MustWait(refusal.wait, "The space takes no more events a second.") from None
        except (CannotAccept, DatabaseError, InterfaceError):
            raise MustWait(_DATABASE_PAUSE, "The database does not take events now.") from None
        for reason, number in batch.reasons.items():
            refusals.count(space.pk, space.slug, reason, number)
        return batch.counts

    def _store_part(self, batch: "Batch", part: Sequence[tuple[Message, IncomingEvent]]) -> None:
        acceptances = accept_events(self._space_id, [event for _, event in part])
        again = []
        for (message, event), acceptance in zip(part, acceptances, strict=True):
            if acceptance.status == "conflict" and self._mapper.has_own_id(message, event):
                # Another message came to stand where one was before: its topic was made anew.
                again.append((message, replace(event, event_id=f"{event.event_id}-{event.digest.hex()[:8]}")))
            else:
                batch.count(message, event, acceptance)
        if again:
            renamed = accept_events(self._space_id, [event for _, event in again])
            for (message, event), acceptance in zip(again, renamed, strict=True):
                batch.count(message, event, acceptance)

    def _fresh_space(self) -> Space:
        if self._space is None or self._space_until < monotonic():
            self._space = Space.objects.select_related("usage").get(pk=self._space_id)
            self._space_until = monotonic() + _SPACE_KEPT
        return self._space


class Batch:
    """Messages on their way: ``events`` are left to store, with the messages that they are."""

    def __init__(self) -> None:
        self.events: list[tuple[Message, IncomingEvent]] = []
        self.counts = Counts()
        self.reasons: Counter[str] = Counter()

    def refuse(self, message: Message, reason: str, detail: str) -> None:
        """Note that a message is no event, and why."""
        self.counts.refused += 1
        self.counts.last_refusal = f"{message.place}: {detail}"[:_MAX_REFUSAL]
        self.reasons[reason] += 1

    def count(self, message: Message, event: IncomingEvent, acceptance: Acceptance) -> None:
        """Note what became of an event."""
        if acceptance.status == "accepted":
            self.counts.accepted += 1
        elif acceptance.status == "duplicate":
            self.counts.duplicates += 1
        else:
            detail = f'Event {acceptance.id} has its source and its id "{event.event_id}" already, and another content.'
            self.refuse(message, "conflict", detail)
