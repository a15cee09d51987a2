"""The circuit of a connector: whether deliveries go to its system, how fast, or are held. A pure state machine.

Nothing is read or written here: the time, the results and a random number are passed in, and each function returns the
circuit as it is afterwards.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

TRIP_RESULTS: Final = 5  # failed deliveries without a success between them
TRIP_CHECKS: Final = 3  # failed health checks, likewise
TRIP_SHARE: Final = 0.7  # of a window's results that failed
DEGRADED_SHARE: Final = 0.1
SAMPLE: Final = 10  # results from which a share of failures can open the circuit
RECOVERED: Final = 2  # successes in a row that close it
SETTLED: Final = timedelta(seconds=10)  # that a degraded one stays so at least, whatever deliveries say
FIRST_WAIT: Final = 5.0  # seconds until the first trial
LONGEST_WAIT: Final = 300.0
LONGEST_RETRY_AFTER: Final = 3600.0  # seconds; what a receiver asks for beyond is not waited for
JITTER: Final = 0.2
DEGRADED_PACE: Final = 0.25  # share of the usual rate and concurrency
FIRST_RATE: Final = 10.0  # deliveries a second right after it closed; it doubles every second
RESUMED: Final = timedelta(seconds=10)  # after which it no longer counts as just closed
_LONGEST_STREAK: Final = 1000


class CircuitState(StrEnum):
    """What becomes of deliveries."""

    CLOSED = "closed"  # they go out
    DEGRADED = "degraded"  # they go out, more slowly
    OPEN = "open"  # they are held
    HALF_OPEN = "half_open"  # a few go out on trial, the others are held
    DISABLED = "disabled"  # they are held until somebody enables the connector


@dataclass(frozen=True, slots=True)
class Circuit:
    """Where the machine stands.

    ``streak`` counts successes in a row; failures count below zero. ``openings`` counts the times it opened without
    having closed for good. From ``next_trial_at`` on the next trial may begin: while one is under way, that is when
    it counts as lost. ``failing_since`` is the first failure since the last success, ``failed_at`` the last failure.
    """

    state: CircuitState = CircuitState.CLOSED
    streak: int = 0
    openings: int = 0
    next_trial_at: datetime | None = None
    failing_since: datetime | None = None
    resumed_at: datetime | None = None
    failed_at: datetime | None = None

    @property
    def holds(self) -> bool:
        """Whether deliveries are held, those on trial excepted."""
        return self.state not in (CircuitState.CLOSED, CircuitState.DEGRADED)


@dataclass(frozen=True, slots=True)
class Tally:
    """What deliveries came to: how many succeeded, and how many failed for the system's sake.

    ``is_gone`` says that the system answered 410. ``retry_after`` is the longest wait in seconds that it asked for.
    """

    succeeded: int = 0
    failed: int = 0
    is_gone: bool = False
    is_trial: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be sent: a share of the usual rate and concurrency, and never more than ``rate`` a second."""

    share: float = 1.0
    rate: float | None = None


_ONE_FAILURE: Final = Tally(failed=1)


def after_results(circuit: Circuit, tally: Tally, *, since: datetime, now: datetime, wait: float) -> Circuit:
    """Return the circuit after results of deliveries. ``since`` is when it came into its state.

    ``wait`` is the time in seconds until the next trial, should it open: see ``trial_wait``. Of what was under way
    when it opened, nothing counts any more.
    """
    if circuit.state is CircuitState.DISABLED or (circuit.holds and not tally.is_trial):
        return circuit
    if tally.is_gone and not tally.succeeded:
        return _disabled(circuit)
    if circuit.state is CircuitState.HALF_OPEN:
        return _after_trial(circuit, tally, now, wait)
    count = tally.succeeded + tally.failed
    if circuit.holds or not count:
        return circuit
    if not tally.succeeded:
        failed = _failed(circuit, tally, now)
        return _open(failed, now, wait) if -failed.streak >= TRIP_RESULTS else _degraded(failed)
    if tally.failed >= TRIP_SHARE * count and count >= SAMPLE:
        return _open(_failed(circuit, tally, now), now, wait)
    if tally.failed >= DEGRADED_SHARE * count:
        return _degraded(replace(circuit, streak=0, failing_since=None, failed_at=now))
    streak = min(max(circuit.streak, 0) + 1, RECOVERED)
    if circuit.state is CircuitState.CLOSED:
        return replace(circuit, streak=1, failing_since=None)
    is_settled = streak >= RECOVERED and now - since >= SETTLED
    state = CircuitState.CLOSED if is_settled else CircuitState.DEGRADED
    return replace(circuit, state=state, streak=streak, failing_since=None)


def after_check(circuit: Circuit, *, succeeded: bool, now: datetime, wait: float) -> Circuit:
    """Return the circuit after a health check, or after one message that a person sent.

    One that succeeds while deliveries are held begins the trial, and the next one ends it; so does what the
    deliveries on trial come to.
    """
    if circuit.state is CircuitState.DISABLED:
        return circuit
    if succeeded:
        streak = min(max(circuit.streak, 0) + 1, RECOVERED)
        if circuit.state is CircuitState.CLOSED:
            return replace(circuit, streak=1, failing_since=None)
        if streak >= RECOVERED:
            return close(circuit, now) if circuit.holds else Circuit(streak=streak)
        if circuit.state is CircuitState.OPEN:
            return replace(circuit, state=CircuitState.HALF_OPEN, streak=streak, next_trial_at=now, failing_since=None)
        return replace(circuit, streak=streak, failing_since=None)
    failed = _failed(circuit, _ONE_FAILURE, now)
    if circuit.state is CircuitState.OPEN:
        return failed
    if circuit.state is CircuitState.HALF_OPEN or -failed.streak >= TRIP_CHECKS:
        return _open(failed, now, wait)
    return _degraded(failed)


def begin_trial(circuit: Circuit, now: datetime, longest: float) -> Circuit | None:
    """Return the circuit with a trial begun, which counts as lost after ``longest`` seconds; None if none may begin."""
    if circuit.state not in (CircuitState.OPEN, CircuitState.HALF_OPEN):
        return None
    if circuit.next_trial_at is not None and now < circuit.next_trial_at:
        return None
    streak = circuit.streak if circuit.state is CircuitState.HALF_OPEN else 0
    return replace(circuit, state=CircuitState.HALF_OPEN, streak=streak, next_trial_at=now + timedelta(seconds=longest))


def settle(circuit: Circuit, *, since: datetime, now: datetime) -> Circuit:
    """Return the circuit closed, when it is degraded and nothing has failed for SETTLED.

    ``since`` is when it came into its state. Failures in a row go on counting.
    """
    last = max(since, circuit.failed_at or since)
    if circuit.state is not CircuitState.DEGRADED or now - last < SETTLED:
        return circuit
    return replace(circuit, state=CircuitState.CLOSED)


def give_up(circuit: Circuit, now: datetime, patience: timedelta) -> Circuit:
    """Return the circuit disabled, when it is open and nothing succeeded for as long as ``patience``."""
    has_failed_for_long = circuit.failing_since is not None and now - circuit.failing_since >= patience
    return _disabled(circuit) if circuit.state is CircuitState.OPEN and has_failed_for_long else circuit


def open_at_once(circuit: Circuit, now: datetime, wait: float) -> Circuit:
    """Return the circuit open, whatever was seen before."""
    return circuit if circuit.holds else _open(_failed(circuit, _ONE_FAILURE, now), now, wait)


def close_at_once(circuit: Circuit, now: datetime) -> Circuit:
    """Return the circuit closed, whatever was seen before. One that is closed stays at the rate that it has reached."""
    if circuit.state is CircuitState.CLOSED:
        return replace(circuit, streak=RECOVERED, failing_since=None)
    return close(circuit, now)


def close(circuit: Circuit, now: datetime) -> Circuit:
    """Return the circuit closed. What was held goes out at a rate that grows."""
    return Circuit(streak=RECOVERED, openings=circuit.openings, resumed_at=now)


def trial_wait(circuit: Circuit, now: datetime, chance: float, retry_after: float = 0.0) -> float:
    """Return the seconds until the next trial of a circuit that opens now.

    Each opening in a row doubles the wait, from 5 s to 5 min; ``chance`` in [0, 1) spreads it by 20 % either way.
    ``retry_after`` can only lengthen it, to an hour at the most.
    """
    base = min(FIRST_WAIT * 2.0 ** min(_openings(circuit, now), 20), LONGEST_WAIT)
    return max(base * (1 - JITTER + 2 * JITTER * chance), min(retry_after, LONGEST_RETRY_AFTER))


def allowance(circuit: Circuit, now: datetime) -> Allowance:
    """Return how much may be sent while it does not hold deliveries."""
    if circuit.state is CircuitState.DEGRADED:
        return Allowance(share=DEGRADED_PACE)
    if _has_just_resumed(circuit, now) and circuit.resumed_at is not None:
        return Allowance(rate=FIRST_RATE * 2.0 ** max((now - circuit.resumed_at).total_seconds(), 0.0))
    return Allowance()


def _after_trial(circuit: Circuit, tally: Tally, now: datetime, wait: float) -> Circuit:
    if tally.failed:
        return _open(_failed(circuit, tally, now), now, wait)
    streak = max(circuit.streak, 0) + tally.succeeded
    if streak >= RECOVERED:
        return close(circuit, now)
    failing_since = None if tally.succeeded else circuit.failing_since
    return replace(circuit, streak=streak, next_trial_at=now, failing_since=failing_since)


def _failed(circuit: Circuit, tally: Tally, now: datetime) -> Circuit:
    streak = max(min(circuit.streak, 0) - tally.failed, -_LONGEST_STREAK)
    failing_since = None if tally.succeeded else circuit.failing_since
    return replace(circuit, streak=streak, failing_since=failing_since or now, failed_at=now)


def _degraded(circuit: Circuit) -> Circuit:
    return replace(circuit, state=CircuitState.DEGRADED)


def _open(circuit: Circuit, now: datetime, wait: float) -> Circuit:
    return replace(
        circuit,
        state=CircuitState.OPEN,
        openings=min(_openings(circuit, now) + 1, _LONGEST_STREAK),
        next_trial_at=now + timedelta(seconds=wait),
        resumed_at=None,
    )


def _disabled(circuit: Circuit) -> Circuit:
    return replace(circuit, state=CircuitState.DISABLED, next_trial_at=None, resumed_at=None)


def _openings(circuit: Circuit, now: datetime) -> int:
    """Return how often it opened without having been closed for a while."""
    return circuit.openings if circuit.holds or _has_just_resumed(circuit, now) else 0


def _has_just_resumed(circuit: Circuit, now: datetime) -> bool:
    return circuit.resumed_at is not None and now - circuit.resumed_at < RESUMED
