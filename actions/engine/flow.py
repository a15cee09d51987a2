"""How much one lane sends: what its system has earned, what the circuit allows, and the rate that is configured."""

import time
from typing import Final

from actions.engine.pacing import Pacer
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services.circuits import FAULTS
from connectors.services.opening import concurrency_of
from connectors.services.watch import Watch

# A connector that nothing is known of gets no more sockets than these; each success adds one, up to its limit.
FIRST_WINDOW: Final = 8
_ALLOWED_FOR: Final = 0.1  # seconds after which the circuit is asked again
_BUSY: Final = 0.05  # seconds after which somebody without room looks again


class Flow:
    """For one thread."""

    def __init__(self, connector_id: int, watch: Watch) -> None:
        self._connector_id = connector_id
        self._watch = watch
        self._pacer = Pacer(f"connector:{connector_id}")
        self.most = 1  # messages that may ever be under way
        self._window = float(FIRST_WINDOW)
        self._configured: float | None = None
        self._room = 1.0
        self._share = 1.0
        self._rate: float | None = None
        self._asked_at = 0.0

    def begin(self, connector: Connector) -> None:
        """Take the limits of the connector as it is now."""
        self.most = concurrency_of(connector)
        if connector.max_per_second != self._configured:
            # Under a name of its own, so that nobody waits for a turn that a former rate gave out.
            self._configured = connector.max_per_second
            self._pacer = Pacer(f"connector:{self._connector_id}:{self._configured}")
        self._ask()

    @property
    def rate(self) -> float | None:
        """The most that may be sent in a second; None for any number."""
        return self._rate

    def wait(self, under_way: int) -> float:
        """Return the seconds until another may be sent beside those under way, or until to ask again; 0 for now."""
        if under_way >= self._room:
            return _BUSY
        if self._rate is None:
            return 0.0
        if time.monotonic() - self._asked_at > _ALLOWED_FOR:
            self._ask()
        rate = self.rate
        return 0.0 if rate is None else max(self._pacer.wait(rate), 0.0)

    def take(self) -> None:
        """Note that one is sent now, as ``wait`` allowed."""
        if self._rate is not None:
            self._pacer.take()

    def see(self, outcome: Outcome, now: float) -> None:
        """Widen or narrow what may be under way; ``now`` is the monotonic time."""
        if outcome.reason is Reason.OK:
            if self._window < self.most:
                self._window += 1
                self._make_room()
        elif outcome.reason in FAULTS:
            self._window = max(self._window / 2, 1.0)
            self._make_room()
        if now - self._asked_at > _ALLOWED_FOR:
            self._ask()

    def _make_room(self) -> None:
        self._room = min(self._window, max(self.most * self._share, 1.0))

    def _ask(self) -> None:
        allowed = self._watch.allowance()
        self._share = allowed.share
        rates = [rate for rate in (self._configured, allowed.rate) if rate is not None]
        self._rate = min(rates) * allowed.share if rates else None
        self._asked_at = time.monotonic()
        self._make_room()
