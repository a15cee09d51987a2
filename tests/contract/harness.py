"""What a connector type brings along to be tested by the contract.

Each type has a module with ``SCENARIOS`` and ``message(key)``: ``tests.connectors.types.<id>.scenarios``, or for a type
of another package the one that its entry point of the group ``switchyard.connector_scenarios`` names.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from connectors.outcomes import Reason
from connectors.types.base import AnyConnection, AnyMessage
from connectors.types.registry import all_types, get_type, own_types

# In every secret of every connection of a scenario, and what the systems of the scenarios send back where they can.
CANARY = "S3CR3T-canary/&<+'\"-6f1d"
SCENARIOS = "switchyard.connector_scenarios"
TIMEOUT = 1.0  # seconds that the connections of all scenarios allow

REQUIRED = frozenset(
    {
        "accepts",
        "refuses the connection",
        "hangs",
        "has no name",
        "resets the connection",
        "answers without end",
        "drips its answer",
        "has a certificate of an unknown authority",
        "has a certificate for another host",
        "has an expired certificate",
        "has a denied address",
        "sends the secrets back",
    }
)


# A type without a remote system has nothing that could fail on the way.
REQUIRED_OF_LOCAL = frozenset({"accepts"})


@dataclass(frozen=True)
class Scenario:
    """A system that behaves in one way, the connection to it, and what each try to deliver must come to."""

    name: str
    system: Callable[[], AbstractContextManager[AnyConnection]]
    expected: Reason


@dataclass(frozen=True)
class Harness:
    """The scenarios of one connector type, and how its messages are made."""

    type_id: str
    scenarios: Sequence[Scenario]
    message: Callable[[int], AnyMessage]

    @property
    def required(self) -> frozenset[str]:
        """The names of the scenarios that it must have."""
        return REQUIRED if get_type(self.type_id).is_remote else REQUIRED_OF_LOCAL


def harnesses() -> list[Harness]:
    """Return the harness of every registered type; raise ModuleNotFoundError or LookupError for a type without one."""
    modules = {type_id: _scenarios(type_id) for type_id in all_types()}
    return [Harness(type_id, module.SCENARIOS, module.message) for type_id, module in modules.items()]


def _scenarios(type_id: str) -> ModuleType:
    if type_id in own_types():
        return import_module(f"tests.connectors.types.{type_id}.scenarios")
    for entry in entry_points(group=SCENARIOS, name=type_id):
        module: ModuleType = entry.load()
        return module
    raise LookupError(
        f'No package has an entry point "{type_id}" of the group {SCENARIOS}, with a module of scenarios.'
    )
