"""Finds the connector types: every package in ``connectors.types`` that defines ``connector_type``."""

import pkgutil
from functools import cache
from importlib import import_module

import connectors.types
from connectors.types.base import AnyConnectorType


class UnknownConnectorType(LookupError):
    """No connector type has this id."""

    def __init__(self, type_id: str) -> None:
        known = ", ".join(sorted(all_types()))
        super().__init__(f'There is no connector type "{type_id}". Known types: {known}.')


@cache
def all_types() -> dict[str, AnyConnectorType]:
    """Return every connector type by id. Raise RuntimeError when two folders claim one id."""
    found: dict[str, AnyConnectorType] = {}
    for module in pkgutil.iter_modules(connectors.types.__path__):
        if not module.ispkg:
            continue
        declared: AnyConnectorType = import_module(f"connectors.types.{module.name}").connector_type
        if declared.id in found:
            raise RuntimeError(f'Two folders of connectors/types declare the id "{declared.id}".')
        found[declared.id] = declared
    return found


def get_type(type_id: str) -> AnyConnectorType:
    """Return the type with this id; raise UnknownConnectorType."""
    try:
        return all_types()[type_id]
    except KeyError:
        raise UnknownConnectorType(type_id) from None
