"""Export objects of a space."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.transfer.kinds import Reference, in_order, kinds
from spaces import audit
from spaces.errors import FieldError, InvalidInput
from spaces.models import Space
from spaces.validation import extend


@dataclass(frozen=True, slots=True)
class Export:
    """Documents in an order in which each comes after what it refers to, and what they refer to beyond the file."""

    documents: Sequence[dict[str, Any]]
    missing: Sequence[Reference]


def export_objects(
    space: Space, chosen: Sequence[Reference] | None = None, *, include_references: bool = True
) -> Export:
    """Return the documents of the chosen objects, or of the whole space; raise InvalidInput for an unknown one.

    With ``include_references`` what they refer to comes along, as far as it lives in the space: preconfigured
    connectors do not.
    """
    described = {
        Reference(kind.id, row.public_id): {"type": kind.id, **kind.describe(row)}
        for kind in kinds().values()
        for row in kind.rows(space).order_by("public_id").iterator(chunk_size=1000)
    }
    wanted = set(described) if chosen is None else _known(chosen, described)
    if include_references:
        wanted |= set(_behind(wanted, described))
    documents = in_order({ref: document for ref, document in described.items() if ref in wanted}, _references)
    missing = {found for document in documents for found in _references(document) if found not in wanted}
    audit.record("space.export", space=space, object_id=space.slug, object_name=space.name, after=_counts(documents))
    return Export(documents, sorted(missing))


def _known(chosen: Sequence[Reference], described: dict[Reference, dict[str, Any]]) -> set[Reference]:
    unknown = [
        FieldError(
            extend("/objects", position), f'There is no {reference.kind[:64]} "{reference.id[:64]}" in this space.'
        )
        for position, reference in enumerate(chosen)
        if reference not in described
    ]
    if unknown:
        raise InvalidInput(unknown)
    return set(chosen)


def _behind(wanted: set[Reference], described: dict[Reference, dict[str, Any]]) -> Iterator[Reference]:
    """Yield what is referred to, directly or by what is referred to."""
    waiting = list(wanted)
    seen = set(wanted)
    while waiting:
        for reference in _references(described[waiting.pop()]):
            if reference in described and reference not in seen:
                seen.add(reference)
                waiting.append(reference)
                yield reference


def _references(document: dict[str, Any]) -> list[Reference]:
    return kinds()[document["type"]].references(document)


def _counts(documents: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {kind: count for kind in kinds() if (count := sum(each["type"] == kind for each in documents))}
