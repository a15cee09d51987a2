"""What the apps above are told of connectors, each inside the transaction that brings it about.

Receivers call one service and nothing else.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.dispatch import Signal

from connectors.circuit import CircuitState

if TYPE_CHECKING:
    from connectors.models import Connector


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A connector whose circuit has just come into another state, and the failure behind it, if there is one."""

    connector: "Connector"
    former: CircuitState
    reason: str
    detail: str


# status_changed: sender=Connector, change=StatusChange (with its connector), follows_circuit: whether circuit_changed
# was sent for the same cause.
status_changed = Signal()
# circuit_changed: sender=Connector, change=CircuitChange.
circuit_changed = Signal()
# connector_deleted: sender=Connector, connector=the row, still with its pk; replacement=Connector or None.
connector_deleted = Signal()
