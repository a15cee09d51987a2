"""The contract of a source type: one folder, one instance of a SourceType subclass, found by the registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from connectors.net.dialling import CannotConnect
from connectors.types.base import AnyConnection
from rules.sources.mapping import MappedParams

ParamsT = TypeVar("ParamsT", bound=MappedParams)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a system hands it over.

    ``body`` is None where it has none. ``about`` is what templates find as ``message``, beside the body: JSON data.
    ``extensions`` become the event's. ``source``, ``subject`` and ``id`` are the event's where neither the message nor
    the params say others; "" is no subject, and a fresh id. ``fingerprint`` tells a message that comes again under its
    ``id`` from another one. ``place`` says to a person which message it is. ``attributes`` are those of a CloudEvent in
    binary mode. ``hop`` and ``webhook_id`` are the headers of a delivery as they came. ``handle`` is its reader's.
    ``fault`` says why it cannot be read at all.
    """

    body: bytes | None
    about: dict[str, Any]
    place: str
    source: str
    subject: str = ""
    id: str = ""
    fingerprint: bytes = b""
    extensions: Mapping[str, str | int | bool] = field(default_factory=dict)
    time: datetime | None = None
    content_type: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    hop: str = ""
    webhook_id: str = ""
    handle: Any = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Subscription(Generic[ParamsT]):
    """What a reader is made of. ``memory`` is what ``remember`` stored last, by whichever process."""

    space: str
    id: str
    connector: str
    connection: AnyConnection
    params: ParamsT
    memory: Mapping[str, Any]
    remember: Callable[[Mapping[str, Any]], None]


class Reader(ABC):
    """One connection that messages come in by. It belongs to one thread.

    Every method may raise CannotConnect, after which the reader is closed and another one is made.
    """

    @abstractmethod
    def open(self) -> None:
        """Connect and subscribe."""

    @abstractmethod
    def read(self, most: int, wait: float) -> Sequence[Message]:
        """Return the messages that have come, up to ``most``; where there are none, wait so many seconds for some."""

    @abstractmethod
    def done(self, messages: Sequence[Message]) -> None:
        """Tell the system that these, the last that were read, are stored for good or refused for good."""

    @abstractmethod
    def idle(self, seconds: float) -> None:
        """Keep the connection for so long, and take in nothing."""

    @abstractmethod
    def lag(self) -> int | None:
        """Return how many messages wait to be read here, as far as is known."""

    def trouble(self) -> CannotConnect | None:
        """Return what keeps messages from coming, where the reader itself waits for it to pass."""
        return None

    @abstractmethod
    def close(self, *, for_good: bool) -> None:
        """Close the connection; ``for_good`` when nobody will go on where it ended. Never raises."""


class SourceType(ABC, Generic[ParamsT]):
    """The code for one way that events come in, declared once. Admin form and API schema come from the declaration.

    ``id`` is that of the connector type whose connectors it reads through. Of one that ``reads_alone`` a source is
    read by one process at a time. ``event_type`` is that of events whose source names none. ``message`` says what
    templates find in a message.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    reads_alone: ClassVar[bool]
    event_type: ClassVar[str]
    message: ClassVar[Mapping[str, str]]
    params_model: type[ParamsT]

    @abstractmethod
    def reader(self, subscription: Subscription[ParamsT]) -> Reader:
        """Return a reader that is not open yet. What it imports of a client library, it imports here."""


AnySourceType = SourceType[Any]
AnySubscription = Subscription[Any]
