"""Sums up what the deliveries through one connector come to, so that thousands a second cost no query."""

import time
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from connectors.circuit import Allowance, CircuitState, Tally, allowance
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services.circuits import FAULTS, results_of, take_in, try_out

PAUSE: Final = 1.0  # seconds between two looks at what deliveries came to
WINDOW: Final = 10.0  # seconds over which results are counted together
AT_ONCE: Final = 10  # failures in a row after which there is no pause


@dataclass(slots=True)
class _Window:
    """What was seen since ``since`` (monotonic); ``fault`` is the last one."""

    since: float
    succeeded: int = 0
    failed: int = 0
    in_a_row: int = 0  # failures since the last success
    is_gone: bool = False
    retry_after: float = 0.0
    fault: tuple[Reason, str] = (Reason.OK, "")

    def see(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if outcome.reason is Reason.OK:
            self.succeeded += 1
            self.in_a_row = 0
        elif outcome.reason in FAULTS:
            self.failed += 1
            self.in_a_row += 1
            self.fault = (outcome.reason, outcome.detail)
            self.is_gone = self.is_gone or outcome.reason is Reason.PERMANENT_410
            self.retry_after = max(self.retry_after, outcome.retry_after or 0.0)

    def tally(self, *, is_trial: bool) -> Tally:
        return Tally(self.succeeded, self.failed, self.is_gone, is_trial, self.retry_after)


class Watch:
    """For one thread. The database hears of results only when they change where the circuit stands."""

    def __init__(self, connector_id: int) -> None:
        self._connector_id = connector_id
        self._row: Connector | None = None
        self._looked_at = float("-inf")
        self._window = _Window(time.monotonic())
        self.is_trial = False

    def begin(self, connector: Connector) -> bool:
        """Note where the circuit of the row stands now; return whether deliveries may be sent.

        While they are held, a few may be sent on trial: ``is_trial`` says so, and one process at a time may.
        """
        self._row = connector
        self.is_trial = connector.circuit.holds and self._may_try(connector)
        return self.is_trial or not connector.circuit.holds

    @property
    def is_held(self) -> bool:
        """Whether nothing more may be sent, by what is known here."""
        return self._row is not None and self._row.circuit.holds and not self.is_trial

    @property
    def state(self) -> CircuitState:
        """Where the circuit stands, by what is known here."""
        return CircuitState.CLOSED if self._row is None else self._row.circuit.state

    def allowance(self) -> Allowance:
        """Return how much may be sent now."""
        return Allowance() if self._row is None else allowance(self._row.circuit, timezone.now())

    def held_for(self) -> float:
        """Return the seconds until a trial may begin."""
        if self._row is None or self._row.next_trial_at is None:
            return 0.0
        return (self._row.next_trial_at - timezone.now()).total_seconds()

    def see(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self._window.see(outcome)

    def tell(self, *, is_last: bool = False) -> None:
        """Pass on what was seen if that changes anything and the last look was long enough ago, or ``is_last``."""
        now, window = time.monotonic(), self._window
        if not (is_last or window.in_a_row == AT_ONCE or now - self._looked_at >= PAUSE):
            return
        self._looked_at = now
        if self._row is None or not (window.succeeded or window.failed or (self.is_trial and is_last)):
            return
        tally = window.tally(is_trial=self.is_trial)
        if results_of(self._row, tally) != self._row.circuit:
            self._row = take_in(self._connector_id, tally, *window.fault)
            self._window = _Window(now)
        elif now - window.since >= WINDOW:
            self._window = _Window(now)
        if self.is_trial and self.state is not CircuitState.HALF_OPEN:
            self.is_trial = False

    def _may_try(self, connector: Connector) -> bool:
        if self.held_for() > 0 or not try_out(self._connector_id):
            return False
        connector.refresh_from_db()
        return True
