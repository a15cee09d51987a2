"""What can be exported and imported: each app registers the kinds of objects that it has."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from django.db.models import Model, QuerySet
from pydantic import BaseModel, ConfigDict

from spaces.models import Space


class Reference(NamedTuple):
    """Kind and public id of an object."""

    kind: str
    id: str


class ObjectDocument(BaseModel):
    """Base of what a file says of one object, beside its type. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    id: str
    name: str


RowT = TypeVar("RowT", bound=Model)
DocumentT = TypeVar("DocumentT", bound=ObjectDocument)

# From kind, public id and the JSON pointer that names it in the document; raises InvalidInput.
Resolve = Callable[[str, str, str], Any]


class Kind(ABC, Generic[RowT, DocumentT]):
    """One kind of objects. ``id`` is the ``type`` of its documents."""

    id: ClassVar[str]
    row_model: type[RowT]
    document_model: type[DocumentT]
    # Services' names of fields that documents name otherwise.
    shown_as: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def rows(self, space: Space) -> QuerySet[RowT]:
        """Return the space's objects of this kind."""

    @abstractmethod
    def describe(self, row: RowT) -> dict[str, Any]:
        """Return the object's document without its type, free of secrets. Equal documents mean equal objects."""

    @abstractmethod
    def create(self, space: Space, document: DocumentT, public_id: str | None, resolve: Resolve) -> RowT:
        """Create the object under this id, or one that is made up; raise InvalidInput."""

    @abstractmethod
    def overwrite(self, row: RowT, document: DocumentT, resolve: Resolve) -> RowT:
        """Make the object what the document says; raise InvalidInput or ReadOnly."""

    def find(self, space: Space, public_id: str) -> RowT | None:
        """Return the object that this id stands for in the space."""
        return self.rows(space).filter(public_id=public_id).first()

    def references(self, document: Mapping[str, Any]) -> list[Reference]:
        """Return what a document refers to."""
        return []

    def carries_secrets(self, document: DocumentT) -> bool:
        """Whether the document has secrets, which ``describe`` does not show."""
        return False

    def missing_secrets(self, row: RowT) -> list[str]:
        """Return the secrets that somebody must enter before the object is of use."""
        return []


ItemT = TypeVar("ItemT")


def in_order(items: Mapping[Reference, ItemT], references: Callable[[ItemT], Iterable[Reference]]) -> list[ItemT]:
    """Return the items, each after those of them that it refers to; in a circle the first given comes first."""
    ordered: dict[Reference, ItemT] = {}
    begun: set[Reference] = set()
    waiting = list(items)[::-1]
    while waiting:
        reference = waiting[-1]
        before = [each for each in references(items[reference]) if each in items and each not in begun]
        if reference in begun or not before:
            ordered.setdefault(waiting.pop(), items[reference])
        else:
            waiting += before[::-1]
        begun.add(reference)
    return list(ordered.values())


AnyKind = Kind[Any, Any]

_kinds: Final[dict[str, AnyKind]] = {}


def register(kind: AnyKind) -> None:
    """Add a kind. Those that it refers to come before it. Raise RuntimeError when its id is taken."""
    if kind.id in _kinds:
        raise RuntimeError(f'Two kinds of objects have the id "{kind.id}".')
    _kinds[kind.id] = kind


def kinds() -> Mapping[str, AnyKind]:
    """Return the kinds by id, each after those that it refers to."""
    return _kinds
