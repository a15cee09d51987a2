"""The circuit of a connector holds what a failing system cannot take, tries it out, and lets go again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.circuit import (
    DEGRADED_PACE,
    FIRST_RATE,
    FIRST_WAIT,
    JITTER,
    LONGEST_RETRY_AFTER,
    LONGEST_WAIT,
    RECOVERED,
    RESUMED,
    SETTLED,
    TRIP_CHECKS,
    TRIP_RESULTS,
    Circuit,
    CircuitState,
    Tally,
    after_check,
    after_results,
    allowance,
    begin_trial,
    close,
    close_at_once,
    give_up,
    open_at_once,
    settle,
    trial_wait,
)

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = 90.0
PATIENCE = timedelta(days=5)
WAIT = 5.0

CHANCES = st.floats(0, 1, exclude_max=True)


def results(circuit: Circuit, succeeded: int = 0, failed: int = 0, **rest: bool) -> Circuit:
    """Return the circuit after results that came in long after it had come into its state."""
    tally = Tally(succeeded, failed, **rest)
    return after_results(circuit, tally, since=START - timedelta(hours=1), now=START, wait=WAIT)


def tripped() -> Circuit:
    return results(Circuit(), failed=TRIP_RESULTS)


def test_failures_in_a_row_open_it_and_one_less_does_not() -> None:
    assert results(Circuit(), failed=TRIP_RESULTS - 1).state is CircuitState.DEGRADED
    one_by_one = Circuit()
    for _ in range(TRIP_RESULTS):
        assert one_by_one.state is not CircuitState.OPEN
        one_by_one = results(one_by_one, failed=1)
    assert one_by_one.state is CircuitState.OPEN


@pytest.mark.parametrize(
    ("succeeded", "failed", "state"),
    [
        (99, 1, CircuitState.CLOSED),
        (9, 1, CircuitState.DEGRADED),
        (31, 69, CircuitState.DEGRADED),
        (30, 70, CircuitState.OPEN),
        (1, 8, CircuitState.DEGRADED),  # too few to tell
    ],
)
def test_the_share_of_failures_in_a_window_degrades_or_opens_it(
    succeeded: int, failed: int, state: CircuitState
) -> None:
    assert results(Circuit(), succeeded, failed).state is state


def test_a_degraded_one_closes_by_itself_once_nothing_has_failed_for_long_enough() -> None:
    degraded = results(Circuit(), failed=1)
    since, settled = START, START + SETTLED
    assert settle(degraded, since=since, now=settled - timedelta(milliseconds=1)) == degraded
    closed = settle(degraded, since=since, now=settled)
    assert (closed.state, closed.streak) == (CircuitState.CLOSED, -1)
    later = after_results(degraded, Tally(5, 5), since=since, now=START + timedelta(seconds=9), wait=WAIT)
    assert settle(later, since=since, now=settled) == later
    assert settle(tripped(), since=since, now=settled).state is CircuitState.OPEN


def test_a_degraded_one_closes_after_clean_windows_and_not_before_it_settled() -> None:
    degraded = results(Circuit(), 5, 5)
    for elapsed in (timedelta(), SETTLED / 2):
        degraded = after_results(degraded, Tally(5), since=START, now=START + elapsed, wait=WAIT)
        assert degraded.state is CircuitState.DEGRADED
    assert after_results(degraded, Tally(5), since=START, now=START + SETTLED, wait=WAIT).state is CircuitState.CLOSED


def test_results_of_what_was_under_way_when_it_opened_change_nothing() -> None:
    assert results(tripped(), succeeded=50) == tripped()
    assert results(tripped(), failed=50) == tripped()


def test_a_trial_begins_when_it_is_time_and_once() -> None:
    opened = tripped()
    assert begin_trial(opened, START + timedelta(seconds=WAIT - 0.01), LEASE) is None
    at = START + timedelta(seconds=WAIT)
    trial = begin_trial(opened, at, LEASE)
    assert trial is not None
    assert trial.state is CircuitState.HALF_OPEN
    assert begin_trial(trial, at + timedelta(seconds=LEASE - 0.01), LEASE) is None
    # Whoever began it is gone.
    assert begin_trial(trial, at + timedelta(seconds=LEASE), LEASE) is not None
    assert begin_trial(Circuit(), START, LEASE) is None


def test_a_trial_that_succeeds_closes_it_and_one_that_fails_opens_it_again() -> None:
    trial = begin_trial(tripped(), START + timedelta(minutes=1), LEASE)
    assert trial is not None
    half = results(trial, succeeded=1, is_trial=True)
    assert half.state is CircuitState.HALF_OPEN
    assert begin_trial(half, START, LEASE) is not None  # the next one may go at once
    assert results(half, succeeded=1, is_trial=True).state is CircuitState.CLOSED
    failed = results(half, failed=1, is_trial=True)
    assert (failed.state, failed.openings) == (CircuitState.OPEN, 2)


def test_a_trial_that_says_nothing_of_the_system_lets_the_next_one_begin() -> None:
    trial = begin_trial(tripped(), START + timedelta(minutes=1), LEASE)
    assert trial is not None
    assert begin_trial(results(trial, is_trial=True), START, LEASE) is not None


@given(CHANCES, st.integers(1, 1000))
def test_the_wait_for_a_trial_doubles_up_to_its_bound(chance: float, openings: int) -> None:
    waits = [
        trial_wait(Circuit(CircuitState.OPEN, openings=count), START, chance) for count in (openings - 1, openings)
    ]
    assert FIRST_WAIT * (1 - JITTER) <= waits[0] <= waits[1] <= LONGEST_WAIT * (1 + JITTER)
    assert trial_wait(Circuit(), START, 0.5) == FIRST_WAIT
    assert trial_wait(Circuit(CircuitState.OPEN, openings=2), START, 0.5) == 4 * FIRST_WAIT


@given(CHANCES, st.floats(0, 1e9))
def test_a_receiver_may_ask_for_a_longer_wait_and_never_for_a_shorter_one(chance: float, asked: float) -> None:
    wait = trial_wait(Circuit(), START, chance, asked)
    assert wait >= trial_wait(Circuit(), START, chance)
    assert wait >= min(asked, LONGEST_RETRY_AFTER)
    assert wait <= LONGEST_RETRY_AFTER


def test_one_that_opens_again_right_after_it_closed_waits_longer_and_one_that_held_begins_anew() -> None:
    closed = close(tripped(), START)
    assert trial_wait(closed, START, 0.5) == 2 * FIRST_WAIT
    assert trial_wait(closed, START + RESUMED, 0.5) == FIRST_WAIT


def test_checks_that_fail_open_it_and_checks_that_succeed_close_it() -> None:
    circuit, seen = Circuit(), []
    for succeeded in (True, False, False, False, True, True):
        circuit = after_check(circuit, succeeded=succeeded, now=START, wait=WAIT)
        seen.append(circuit.state.value)
    assert seen == ["closed", "degraded", "degraded", "open", "half_open", "closed"]
    assert TRIP_CHECKS == 3


def test_a_check_that_succeeds_brings_the_trial_forward_and_one_that_fails_puts_nothing_off() -> None:
    opened = tripped()
    good = after_check(opened, succeeded=True, now=START, wait=WAIT)
    assert begin_trial(good, START, LEASE) is not None
    bad = after_check(opened, succeeded=False, now=START + timedelta(minutes=1), wait=WAIT)
    assert bad.next_trial_at == opened.next_trial_at


def test_a_410_disables_it_and_only_a_person_enables_it() -> None:
    disabled = results(Circuit(), failed=1, is_gone=True)
    assert disabled.state is CircuitState.DISABLED
    assert results(disabled, succeeded=9) == disabled
    assert after_check(disabled, succeeded=True, now=START, wait=WAIT) == disabled
    assert begin_trial(disabled, START + timedelta(days=9), LEASE) is None


def test_a_410_beside_successes_is_of_one_message_and_disables_nothing() -> None:
    assert results(Circuit(), succeeded=99, failed=1, is_gone=True).state is CircuitState.CLOSED


def test_days_of_failure_without_one_success_disable_it() -> None:
    opened = tripped()
    assert give_up(opened, START + PATIENCE - timedelta(seconds=1), PATIENCE) == opened
    assert give_up(opened, START + PATIENCE, PATIENCE).state is CircuitState.DISABLED


def test_what_flaps_is_never_disabled() -> None:
    opened = tripped()
    trial = begin_trial(opened, START + PATIENCE - timedelta(seconds=1), LEASE)
    assert trial is not None
    half = results(trial, succeeded=1, is_trial=True)
    failed = after_results(half, Tally(failed=1, is_trial=True), since=START, now=START + PATIENCE, wait=WAIT)
    assert give_up(failed, START + PATIENCE, PATIENCE).state is CircuitState.OPEN


def test_a_degraded_one_is_slower_and_one_that_just_closed_grows_faster_by_and_by() -> None:
    assert allowance(results(Circuit(), 5, 5), START).share == DEGRADED_PACE
    resumed = close(tripped(), START)
    rates = [allowance(resumed, START + timedelta(seconds=seconds)).rate for seconds in range(10)]
    assert rates == [10.0 * 2**seconds for seconds in range(10)]
    assert allowance(resumed, START + RESUMED).rate is None


def test_reconnecting_one_that_is_closed_does_not_begin_its_slow_start_anew() -> None:
    resumed = close(tripped(), START)
    later = START + timedelta(seconds=3)
    assert allowance(close_at_once(resumed, later), later).rate == 8 * FIRST_RATE
    assert close_at_once(tripped(), later).resumed_at == later


class AgainstModel(RuleBasedStateMachine):
    """The machine beside a model that knows nothing but whether deliveries may go, and what happened since when."""

    @initialize()
    def start(self) -> None:
        self.circuit = Circuit()
        self.now = self.since = START
        self.first_failure: datetime | None = None
        self.gone = False

    def go(self, circuit: Circuit) -> None:
        if circuit.state is not self.circuit.state:
            self.since = self.now
        self.circuit = circuit

    @rule(seconds=st.floats(0.1, 100_000))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(succeeded=st.integers(0, 50), failed=st.integers(0, 50), chance=CHANCES)
    def results_come(self, succeeded: int, failed: int, chance: float) -> None:
        before = self.circuit
        wait = trial_wait(before, self.now, chance)
        after = after_results(before, Tally(succeeded, failed), since=self.since, now=self.now, wait=wait)
        if before.holds:
            assert after == before
        else:
            self.note(succeeded, failed, opened=after.holds)
            if after.holds:
                assert failed
                assert after.next_trial_at is not None
                assert after.next_trial_at > self.now
        self.go(after)

    @precondition(lambda self: not self.gone)
    @rule(succeeded=st.integers(0, 2), failed=st.integers(0, 2), chance=CHANCES)
    def a_trial_runs(self, succeeded: int, failed: int, chance: float) -> None:
        trial = begin_trial(self.circuit, self.now, LEASE)
        may = self.circuit.holds and (self.circuit.next_trial_at is None or self.circuit.next_trial_at <= self.now)
        assert (trial is not None) == may
        if trial is None:
            return
        self.go(trial)
        assert begin_trial(trial, self.now, LEASE) is None
        self.note(succeeded, failed, opened=True)
        wait = trial_wait(trial, self.now, chance)
        after = after_results(trial, Tally(succeeded, failed, is_trial=True), since=self.since, now=self.now, wait=wait)
        if failed:
            assert after.state is CircuitState.OPEN
        elif succeeded >= RECOVERED:
            assert after.state is CircuitState.CLOSED
        self.go(after)

    @rule(succeeded=st.booleans(), chance=CHANCES)
    def a_check_runs(self, succeeded: bool, chance: float) -> None:
        if not self.gone:
            self.note(int(succeeded), int(not succeeded))
        wait = trial_wait(self.circuit, self.now, chance)
        self.go(after_check(self.circuit, succeeded=succeeded, now=self.now, wait=wait))

    @rule(succeeds=st.booleans(), chance=CHANCES)
    def somebody_reconnects(self, succeeds: bool, chance: float) -> None:
        if self.gone:
            return
        self.note(int(succeeds), int(not succeeds and not self.circuit.holds))
        wait = trial_wait(self.circuit, self.now, chance)
        self.go(close_at_once(self.circuit, self.now) if succeeds else open_at_once(self.circuit, self.now, wait))
        assert self.circuit.holds != succeeds

    @rule()
    def patience_ends(self) -> None:
        after = give_up(self.circuit, self.now, PATIENCE)
        has_failed_for_long = self.first_failure is not None and self.now - self.first_failure >= PATIENCE
        assert (after != self.circuit) == (self.circuit.state is CircuitState.OPEN and has_failed_for_long)
        self.gone = self.gone or after.state is CircuitState.DISABLED
        self.go(after)

    def note(self, succeeded: int, failed: int, *, opened: bool = False) -> None:
        """Keep the first failure since the last success; failures that open it come after successes beside them."""
        if succeeded:
            self.first_failure = self.now if failed and opened else None
        elif failed and self.first_failure is None:
            self.first_failure = self.now

    @invariant()
    def a_held_delivery_is_never_forgotten(self) -> None:
        if self.circuit.state in (CircuitState.OPEN, CircuitState.HALF_OPEN):
            assert self.circuit.next_trial_at is not None
            bound = max(LONGEST_WAIT * (1 + JITTER), LEASE)
            assert self.circuit.next_trial_at <= self.now + timedelta(seconds=bound)

    @invariant()
    def what_is_disabled_stays_so(self) -> None:
        assert self.gone == (self.circuit.state is CircuitState.DISABLED)


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
