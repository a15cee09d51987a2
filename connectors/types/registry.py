"""Finds the connector types: every package in ``connectors.types`` that defines ``connector_type``, and those that
other packages declare by an entry point."""

from functools import cache

from django.conf import settings

import connectors.types
from connectors.types.base import AnyConnectorType
from connectors.types.packages import packaged_types
from spaces.declarations import declared_in
from spaces.validation import reject


class UnknownConnectorType(LookupError):
    """No connector type has this id."""

    def __init__(self, type_id: str) -> None:
        known = ", ".join(sorted(all_types()))
        super().__init__(f'There is no connector type "{type_id}". Known types: {known}.')


class DisabledConnectorType(LookupError):
    """The installation has this connector type switched off."""

    def __init__(self, type_id: str) -> None:
        super().__init__(
            f'The connector type "{type_id}" is switched off here. Whoever runs this installation switches it on in '
            "ENABLED_CONNECTOR_TYPES."
        )


@cache
def all_types() -> dict[str, AnyConnectorType]:
    """Return every connector type by id. Raise RuntimeError when two folders claim one id."""
    own = own_types()
    return {**own, **packaged_types(own).types}


def own_types() -> dict[str, AnyConnectorType]:
    """Return the connector types that come with Switchyard, by id. Raise RuntimeError when two folders claim one id."""
    return declared_in(connectors.types, "connector_type")


def get_type(type_id: str) -> AnyConnectorType:
    """Return the type with this id; raise UnknownConnectorType."""
    try:
        return all_types()[type_id]
    except KeyError:
        raise UnknownConnectorType(type_id) from None


def is_enabled(type_id: str) -> bool:
    """Whether the installation lets connectors of this type be created, changed and used."""
    return "*" in settings.ENABLED_CONNECTOR_TYPES or type_id in settings.ENABLED_CONNECTOR_TYPES


def get_enabled_type(type_id: str) -> AnyConnectorType:
    """Return the type with this id; raise UnknownConnectorType or DisabledConnectorType."""
    found = get_type(type_id)
    if not is_enabled(type_id):
        raise DisabledConnectorType(type_id)
    return found


def require_type(type_id: str) -> None:
    """Raise InvalidInput unless connectors of this type may be created and changed."""
    try:
        get_enabled_type(type_id)
    except LookupError as error:
        raise reject("/type", str(error)) from None
