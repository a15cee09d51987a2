"""From the body of a request, or the value of a message, to events that can be stored."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from io import BytesIO
from typing import Any
from uuid import uuid4

import orjson
from django.conf import settings
from django.utils import timezone

from rules.incoming import IncomingEvent
from rules.sources import cloudevents
from spaces import strict_json
from spaces.errors import FieldError, InvalidInput
from spaces.strict_json import Document, TooLarge
from spaces.validation import reject

MAX_EVENTS = 10_000

Outcome = IncomingEvent | InvalidInput


@dataclass(frozen=True, slots=True)
class PlainEnvelope:
    """The attributes of an event whose sender gave nothing but data. Without an ``id`` each gets a fresh one."""

    type: str
    source: str
    subject: str = ""
    id: str = ""


@dataclass(frozen=True)
class EventReader:
    """Reads the events of one request. ``plain`` is for objects that are no CloudEvents; None refuses those.

    ``request_id`` begins the ids of those that have none, so that the same request again brings the same events.
    An event is refused as TooLarge past settings.MAX_EVENT_BYTES, as it came or as compact JSON.
    """

    plain: PlainEnvelope | None = None
    received: datetime = field(default_factory=timezone.now)
    max_bytes: int = field(default_factory=lambda: settings.MAX_EVENT_BYTES)
    request_id: str = ""

    @cached_property
    def _fresh_id(self) -> str:
        return self.request_id or str(uuid4())

    def read_one(self, text: bytes) -> IncomingEvent:
        """Return the event in ``text``; raise InvalidInput."""
        return self._event(self._document(text))

    def read_array(self, text: bytes) -> list[Outcome]:
        """Return what each element of a JSON array is; raise InvalidInput when it cannot be told into elements."""
        outcomes: list[Outcome] = []
        for index, element in enumerate(strict_json.read_array(text, MAX_EVENTS)):
            try:
                if isinstance(element, InvalidInput):
                    raise element
                outcomes.append(self._event(element, index))
            except InvalidInput as invalid:
                outcomes.append(_place(invalid, pointer=f"/{index}"))
        return outcomes

    def read_lines(self, text: bytes) -> list[Outcome]:
        """Return what each line that is not blank is; raise TooLarge when they are too many."""
        outcomes: list[Outcome] = []
        for number, line in enumerate(BytesIO(text), start=1):
            if not line.strip():
                continue
            if len(outcomes) == MAX_EVENTS:
                raise strict_json.too_many(MAX_EVENTS)
            try:
                outcomes.append(self._event(self._document(line), number))
            except InvalidInput as invalid:
                outcomes.append(_place(invalid, detail=f"Line {number}: "))
        return outcomes

    def read_envelope(self, envelope: dict[str, Any]) -> IncomingEvent:
        """Return the event in a CloudEvents envelope that was put together from parts; raise InvalidInput."""
        return self._event(Document(envelope, strict_json.canonical(envelope)))

    def _document(self, text: bytes) -> Document:
        self._check_size(text)
        return strict_json.read(text)

    def _event(self, document: Document, position: int | None = None) -> IncomingEvent:
        value, canonical = document
        self._check_size(canonical)
        if type(value) is not dict:
            raise reject("", "An event is a JSON object.")
        if self.plain is None or value.keys() >= cloudevents.REQUIRED:
            event = cloudevents.read_event(value, canonical, self.received)
        else:
            event = self._plain_event(self.plain, document, position)
        if event.data:
            self._check_size(event.data)  # longer than it was where numbers had exponents
        return event

    def _plain_event(self, plain: PlainEnvelope, document: Document, position: int | None) -> IncomingEvent:
        fresh_id = self._fresh_id if position is None else f"{self._fresh_id}-{position}"
        return IncomingEvent(
            plain.source,
            plain.id or fresh_id,
            plain.type,
            plain.subject,
            self.received,
            "application/json",
            "",
            "{}",
            strict_json.storable(document.value),
            False,
            cloudevents.digest(orjson.dumps([plain.type, plain.source, plain.subject]) + document.canonical),
        )

    def _check_size(self, text: bytes | str) -> None:
        if len(text) > self.max_bytes:
            detail = f"The event takes {len(text):,} bytes as JSON; one may take {self.max_bytes:,}."
            raise TooLarge([FieldError("", detail)])


def _place(invalid: InvalidInput, pointer: str = "", detail: str = "") -> InvalidInput:
    """Return the error of one event as an error of the body that the event stands in."""
    return type(invalid)(FieldError(pointer + error.pointer, detail + error.detail) for error in invalid.errors)
