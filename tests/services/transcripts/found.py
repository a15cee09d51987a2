"""Finds the walks of the registered types, and the family of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from connectors.types.base import AnyConnectorType
from connectors.types.registry import own_types
from tests.services.transcripts.declared import Walk

# By the first category of a type; a category that is not here is a family of its own. In the order of the transcripts.
_FAMILIES: Final = {
    "data": "brokers",
    "streaming": "brokers",
    "messaging": "chat",
    "incidents": "on-call",
    "tickets": "tickets",
    "ai": "models",
    "logs": "logs",
    "generic": "http",
}
# Types that only run where this can be imported.
_EXTRAS: Final = {"apprise": "apprise"}


@dataclass(frozen=True)
class Found:
    """A type and its walk."""

    type: AnyConnectorType
    walk: Walk

    @property
    def family(self) -> str:
        category = self.type.categories[0]
        return self.walk.family or _FAMILIES.get(category, category)


def walks() -> list[Found]:
    """Return the walks of all types that run here, by family; raise ModuleNotFoundError for a type without one."""
    found = [
        Found(declared, import_module(f"tests.connectors.types.{type_id}.walk").WALK)
        for type_id, declared in own_types().items()
        if find_spec(_EXTRAS.get(type_id, "connectors"))
    ]
    order = list(_FAMILIES.values())
    return sorted(found, key=lambda each: (_place(each.family, order), each.family, each.type.id))


def families(found: Sequence[Found]) -> list[str]:
    """Return their families, each once."""
    return list(dict.fromkeys(each.family for each in found))


def _place(family: str, order: Sequence[str]) -> int:
    return order.index(family) if family in order else len(order)
