"""Probe connectors: try the connection step by step, without sending a message."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.services.circuits import observe
from connectors.services.opening import CannotOpen, open_connection
from connectors.services.settings import apply_settings, conceal, without_masks
from connectors.steps import PROBE_TIMEOUT, Step
from connectors.types.base import AnyConnection
from connectors.types.faults import FAULT, NO_FAULT, tell_fault
from connectors.types.registry import get_type, require_type
from spaces.errors import ReadOnly
from spaces.models import Space


@dataclass(frozen=True, slots=True)
class Probe:
    """All steps of one probe, in order; ``duration`` is in seconds."""

    steps: tuple[Step, ...]
    duration: float

    @property
    def reason(self) -> Reason:
        """OK, or why a delivery would fail now."""
        return self.steps[-1].reason

    @property
    def detail(self) -> str:
        """What the last step found."""
        return self.steps[-1].detail


def probe_connector(connector: Connector) -> Probe:
    """Probe a saved connector, enabled or not; what is found goes into its status."""
    probe = _probe(connector)
    observe(connector.pk, probe.reason, probe.detail)
    return probe


def probe_settings(
    space: Space,
    *,
    type: str,  # noqa: A002  the field's own name
    config: dict[str, Any],
    secrets: Mapping[str, str | None],
    stored: Connector | None = None,
) -> Probe:
    """Probe settings that are not saved; raise InvalidInput.

    Of ``stored``, the connector that is being edited, the secrets that are not given are taken, and only for the
    targets that they were entered for.
    """
    given = conceal(secrets)
    del secrets
    require_type(type)
    row = Connector(space=space, type=type)
    if stored is not None and stored.type == type:
        row.config, row.secrets, row.secrets_set_at = stored.config, stored.secrets, dict(stored.secrets_set_at)
    apply_settings(row, config, without_masks(row, given))
    return _probe(row)


def reconnect(connector: Connector) -> Probe:
    """Probe now and let this one result decide the status. What waits to be delivered is untouched.

    Raises ReadOnly where the connector is disabled: no result would change that.
    """
    if not connector.enabled:
        raise ReadOnly(f'The connector "{connector.public_id}" is disabled. Enable it first; a test tries it as it is.')
    probe = _probe(connector)
    observe(connector.pk, probe.reason, probe.detail, at_once=True)
    return probe


def _probe(row: Connector) -> Probe:
    began = time.monotonic()
    try:
        connection = open_connection(row)
    except CannotOpen as error:
        steps: tuple[Step, ...] = (Step("settings", error.detail, reason=error.reason),)
    else:
        steps = tuple(_steps(row.type, connection))
    return Probe(steps, time.monotonic() - began)


def _steps(type_id: str, connection: AnyConnection) -> Iterator[Step]:
    """Yield the steps of the probe, and a failed one as the last where the type itself fails."""
    try:
        step = None
        for step in get_type(type_id).probe(connection, timeout=PROBE_TIMEOUT):
            yield step
        if step is None:
            raise LookupError("the probe has no steps")
    except NO_FAULT:
        raise
    except Exception as error:  # noqa: BLE001  a package's code may raise anything
        detail = tell_fault(type_id, error)
        yield Step("type", detail, reason=FAULT, advice="Whoever runs this installation finds in the log what failed.")
