"""Finds the source types: every package in ``rules.sources`` that defines ``source_type``."""

import pkgutil
from functools import cache
from importlib import import_module

import rules.sources
from rules.sources.base import AnySourceType


class UnknownSourceType(LookupError):
    """Nothing is read through connectors of this type."""

    def __init__(self, type_id: str) -> None:
        known = ", ".join(sorted(all_types()))
        super().__init__(f'Nothing is read through connectors of the type "{type_id}". Types that are: {known}.')


@cache
def all_types() -> dict[str, AnySourceType]:
    """Return every source type by id. Raise RuntimeError when two folders claim one id."""
    found: dict[str, AnySourceType] = {}
    for module in pkgutil.iter_modules(rules.sources.__path__):
        if not module.ispkg:
            continue
        declared: AnySourceType = import_module(f"rules.sources.{module.name}").source_type
        if declared.id in found:
            raise RuntimeError(f'Two folders of rules/sources declare the id "{declared.id}".')
        found[declared.id] = declared
    return found


def get_type(type_id: str) -> AnySourceType:
    """Return the type with this id; raise UnknownSourceType."""
    try:
        return all_types()[type_id]
    except KeyError:
        raise UnknownSourceType(type_id) from None
