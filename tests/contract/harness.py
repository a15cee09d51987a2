"""What a connector type brings along to be tested by the contract.

Each type has a module ``tests.connectors.types.<id>.scenarios`` with ``SCENARIOS`` and ``message(key)``.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module

from connectors.outcomes import Reason
from connectors.types.base import AnyConnection, AnyMessage
from connectors.types.registry import all_types, get_type

# In every secret of every connection of a scenario, and what the systems of the scenarios send back where they can.
CANARY = "S3CR3T-canary/&<+'\"-6f1d"
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
    """Return the harness of every registered type; raise ModuleNotFoundError for a type that has none."""
    found = []
    for type_id in all_types():
        module = import_module(f"tests.connectors.types.{type_id}.scenarios")
        found.append(Harness(type_id, module.SCENARIOS, module.message))
    return found
