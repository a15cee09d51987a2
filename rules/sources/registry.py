"""Finds the source types: every package in ``rules.sources`` that defines ``source_type``."""

from functools import cache

import rules.sources
from rules.sources.base import AnySourceType
from spaces.declarations import declared_in


class UnknownSourceType(LookupError):
    """Nothing is read through connectors of this type."""

    def __init__(self, type_id: str) -> None:
        known = ", ".join(sorted(all_types()))
        super().__init__(f'Nothing is read through connectors of the type "{type_id}". Types that are: {known}.')


@cache
def all_types() -> dict[str, AnySourceType]:
    """Return every source type by id. Raise RuntimeError when two folders claim one id."""
    return declared_in(rules.sources, "source_type")


def get_type(type_id: str) -> AnySourceType:
    """Return the type with this id; raise UnknownSourceType."""
    try:
        return all_types()[type_id]
    except KeyError:
        raise UnknownSourceType(type_id) from None
