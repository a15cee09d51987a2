"""The life of an alert: delay, recovery, flapping and groups, against a model that remembers every run."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rules.alerts.cycle import Change, Phase, Settings, Standing, Step, advance


def steps(*observed: str | None, delay: int = 1, look_back: int = 20, threshold: int = 4) -> list[Step]:
    """Return the step of each run; a run that found nothing observed None."""
    standing: Standing | None = None
    taken = []
    for run, group in enumerate(observed, start=1):
        step = advance(standing, group, run, Settings(delay, look_back, threshold))
        standing = step.standing
        taken.append(step)
    return taken


def told(*observed: str | None, delay: int = 1, look_back: int = 20, threshold: int = 4) -> list[Change | None]:
    return [each.change for each in steps(*observed, delay=delay, look_back=look_back, threshold=threshold)]


def test_it_opens_goes_on_and_recovers_once() -> None:
    assert told(None, "a", "a", None, None) == [None, Change.OPENED, Change.ONGOING, Change.RECOVERED, None]


def test_it_opens_only_after_the_delay_in_a_row() -> None:
    assert told("a", "a", None, "a", "a", "a", delay=3) == [None, None, None, None, None, Change.OPENED]


def test_what_ended_within_the_delay_leaves_nothing() -> None:
    assert steps("a", None, delay=2)[-1] == Step(None)


def test_another_group_is_a_change() -> None:
    assert told("a", "b", "b") == [Change.OPENED, Change.REGROUPED, Change.ONGOING]


def test_one_that_flaps_is_held_active_until_it_is_calm() -> None:
    observed = ["a", None, "a", None, None, None, None, None]
    taken = steps(*observed, look_back=5, threshold=4)
    assert [each.change for each in taken] == [
        Change.OPENED,
        Change.RECOVERED,
        Change.OPENED,
        Change.ONGOING,  # the fourth change within five runs: held
        Change.ONGOING,
        Change.RECOVERED,  # run 1 has left the look-back
        None,
        None,
    ]
    assert [bool(each.standing and each.standing.flapping) for each in taken[:6]] == [False] * 3 + [True, True, False]


def test_one_that_flapped_and_is_found_when_it_is_calm_goes_on() -> None:
    observed = ["a", None, "a", None, "a", "a", "a", "a"]
    assert told(*observed, look_back=5, threshold=4)[-3:] == [Change.ONGOING] * 3


def test_without_a_threshold_nothing_flaps() -> None:
    assert told(*["a", None] * 5, threshold=0) == [Change.OPENED, Change.RECOVERED] * 5


class Life(RuleBasedStateMachine):
    """Runs find a thing or not, or cannot judge it; the model looks at the whole history each time."""

    @initialize(delay=st.integers(1, 4), look_back=st.integers(1, 8), threshold=st.integers(0, 5))
    def begin(self, delay: int, look_back: int, threshold: int) -> None:
        self.settings = Settings(delay, look_back, threshold)
        self.run = 0
        self.standing: Standing | None = None
        self.judged: list[tuple[int, str | None]] = []  # number and group of each run that judged it
        self.expected = self.actual = (False, "")  # whether it is active, and its group
        self.messages: list[Change] = []

    @rule(group=st.sampled_from(["a", "b", None, None]))
    def judge(self, group: str | None) -> None:
        self.run += 1
        self.judged.append((self.run, group))
        step = advance(self.standing, group, self.run, self.settings)
        self.standing = step.standing
        if step.change is not None:
            self.messages.append(step.change)
        was_active = self.expected[0]
        self.expected = self._model(group)
        is_active = self.expected[0]
        assert (step.change is Change.OPENED) == (is_active and not was_active)
        assert (step.change is Change.RECOVERED) == (was_active and not is_active)

    @rule()
    def cannot_judge(self) -> None:
        self.run += 1

    def _model(self, group: str | None) -> tuple[bool, str]:
        """Return what should be, from the history alone."""
        on, row, flips = False, 0, []
        for number, seen in self.judged:
            row = row + 1 if seen is not None else 0
            now_on = seen is not None and (on or row >= self.settings.delay)
            if now_on != on:
                flips.append(number)
            on = now_on
        recent = [number for number in flips if number > self.run - self.settings.look_back]
        is_flapping = self.settings.threshold > 0 and len(recent) >= self.settings.threshold
        is_active = on or (self.expected[0] and is_flapping)
        return is_active, (group if on and group is not None else self.expected[1]) if is_active else ""

    @invariant()
    def stands_as_the_model_says(self) -> None:
        if not hasattr(self, "settings"):
            return
        is_active = self.standing is not None and self.standing.phase is Phase.ACTIVE
        assert is_active == self.expected[0]
        if is_active and self.standing is not None:
            assert self.standing.group == self.expected[1]
            assert len(self.standing.changes) <= self.settings.look_back

    @invariant()
    def is_told_in_turns(self) -> None:
        if not hasattr(self, "settings"):
            return
        turns = [each for each in self.messages if each in (Change.OPENED, Change.RECOVERED)]
        assert all(each is (Change.OPENED, Change.RECOVERED)[at % 2] for at, each in enumerate(turns))


Life.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


@given(st.lists(st.sampled_from(["a", None]), max_size=200))
def test_however_it_flaps_few_messages_come(observed: list[str | None]) -> None:
    """At most the threshold of changes, and one more of the calm, within any look-back."""
    turns = [
        at
        for at, change in enumerate(told(*observed, look_back=10, threshold=4))
        if change in (Change.OPENED, Change.RECOVERED)
    ]
    assert all(last - first >= 10 for first, last in zip(turns, turns[5:], strict=False))
