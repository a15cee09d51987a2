"""Connector types of other packages: each is an entry point of the group ``switchyard.connector_types``.

What such a package does wrong is no fault of the installation: its type is left out, and a system check says why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from pydantic import SecretStr

from connectors.types.base import AnyConnectorType, Config, ConnectorType, Params, Secrets

GROUP: Final = "switchyard.connector_types"

# Each part begins with a letter, so that no two ids give components of the API's schema the same name.
_ID: Final = re.compile("[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
_LONGEST_ID: Final = 64


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A type that cannot be used: the package that declares it, its entry point, and why, in one line."""

    package: str
    entry: str
    why: str


@dataclass(frozen=True, slots=True)
class Packaged:
    """The types of other packages by id, and those that were left out."""

    types: dict[str, AnyConnectorType] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


def packaged_types(own: Mapping[str, AnyConnectorType]) -> Packaged:
    """Return the types of all packages that are installed, beside the installation's ``own``."""
    found = Packaged()
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_package(entry), entry.name)):
        try:
            declared = entry.load()
            check_declaration(declared)
            _check_place(declared, {**own, **found.types})
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the other types go on
            found.left_out.append(LeftOut(_package(entry), f"{entry.name} = {entry.value}", _words(error)))
        else:
            found.types[declared.id] = declared
    return found


def check_declaration(declared: object) -> None:
    """Raise TypeError or ValueError unless this is a connector type that forms, API and engine can work with."""
    if not isinstance(declared, ConnectorType):
        raise TypeError("it is no instance of ConnectorType")
    if not _ID.fullmatch(declared.id) or len(declared.id) > _LONGEST_ID:
        raise ValueError(
            f'the id "{declared.id}" is not words of a-z and 0-9 joined by _, each beginning with a letter'
        )
    for name in ("name", "description", "icon"):
        if not isinstance(text := getattr(declared, name), str) or not text:
            raise ValueError(f"{name} is no text")
    categories: object = declared.categories
    if not isinstance(categories, tuple) or not categories:
        raise ValueError("categories is no tuple of words")
    for name, base in (("config_model", Config), ("secrets_model", Secrets), ("params_model", Params)):
        model = getattr(declared, name)
        if not isinstance(model, type) or not issubclass(model, base):
            raise TypeError(f"{name} is no subclass of {base.__name__}")
        model.model_json_schema()
    for name, each in declared.secrets_model.model_fields.items():
        if each.annotation != SecretStr | None:
            raise TypeError(f'the secret "{name}" is no SecretStr | None')
    declared.secrets_model.model_validate({})
    declared.params_model.model_validate(declared.default_params())


def _check_place(declared: AnyConnectorType, taken: Mapping[str, AnyConnectorType]) -> None:
    if other := taken.get(declared.id):
        raise ValueError(f'the id "{declared.id}" is taken by {type(other).__module__}')
    for other in taken.values():
        if declared.kibana_id and declared.kibana_id == other.kibana_id:
            raise ValueError(f"Kibana's {declared.kibana_id} is taken by {type(other).__module__}")


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "unknown"


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
