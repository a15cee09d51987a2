"""When a failed delivery is tried again: properties that hold for every policy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from actions.engine.schedule import JITTER, next_delay, next_try
from actions.policy import DECIDABLE, DELAYS, LONGEST, RetryPolicy
from connectors.outcomes import Outcome, Reason

seconds = st.floats(1, LONGEST)
chances = st.floats(0, 1, exclude_max=True)
failures = st.integers(1, 1000)
usual = st.just(RetryPolicy())
own_delays = st.lists(seconds, min_size=1, max_size=50).map(lambda delays: RetryPolicy(delays=tuple(delays)))
backoffs = st.tuples(seconds, st.floats(1, 10), seconds).map(
    lambda b: RetryPolicy(base=min(b[0], b[2]), factor=b[1], cap=max(b[0], b[2]))
)
policies = st.one_of(usual, own_delays, backoffs)
# As parse_retry_after gives it: garbage never gets here.
wishes = st.one_of(st.none(), st.floats(0, LONGEST))
failed = st.sampled_from(sorted(set(Reason) - {Reason.OK}))


def failure(reason: Reason, status: int | None = None, retry_after: float | None = None) -> Outcome:
    return Outcome(1, reason, retry_after=retry_after, response={} if status is None else {"status": status})


@given(policies, failures, wishes, chances)
def test_a_wait_is_never_longer_than_a_day_and_never_negative(
    retry: RetryPolicy, tries: int, wish: float | None, chance: float
) -> None:
    assert 0 < next_delay(tries, wish, chance, retry) <= LONGEST


@given(policies, failures, chances)
def test_jitter_spreads_a_wait_by_a_fifth_at_most(retry: RetryPolicy, tries: int, chance: float) -> None:
    plain = retry.delay(tries)
    delay = next_delay(tries, None, chance, retry)
    assert plain * (1 - JITTER) * 0.999 <= delay <= plain * (1 + JITTER) * 1.001


@given(policies, failures, st.floats(0, LONGEST), chances)
def test_a_receivers_wish_lengthens_a_wait_and_never_shortens_it(
    retry: RetryPolicy, tries: int, wish: float, chance: float
) -> None:
    wished = next_delay(tries, wish, chance, retry)
    assert wished >= next_delay(tries, None, chance, retry)
    assert wished >= wish


@given(st.one_of(usual, backoffs), failures)
def test_waits_grow_until_they_reach_the_cap_and_stay_there(retry: RetryPolicy, tries: int) -> None:
    assert retry.delay(tries) <= retry.delay(tries + 1) <= retry.cap


@given(own_delays, failures)
def test_the_last_of_an_actions_own_delays_holds_for_all_further_tries(retry: RetryPolicy, tries: int) -> None:
    assert retry.delays is not None
    assert retry.delay(tries) == retry.delays[min(tries, len(retry.delays)) - 1]


@given(policies, failed, st.integers(1, 60), st.integers(1, 50), wishes, chances)
def test_no_try_follows_the_last_allowed_one(
    retry: RetryPolicy, reason: Reason, tries: int, most: int, wish: float | None, chance: float
) -> None:
    delay = next_try(tries, most, failure(reason, retry_after=wish), chance, retry)
    assert (delay is not None) == (reason.is_retry and tries < most)


def test_without_a_policy_the_waits_are_those_of_standard_webhooks() -> None:
    waits = [next_delay(tries, None, 0.5) for tries in range(1, 12)]
    assert waits == pytest.approx([*DELAYS, DELAYS[-1], DELAYS[-1]])
    assert sum(DELAYS) == 272_105  # 75 hours and 35 minutes


def test_exponential_back_off_is_the_base_times_the_factor_to_its_cap() -> None:
    retry = RetryPolicy(base=2, factor=3, cap=50)
    assert [retry.delay(tries) for tries in range(1, 6)] == [2, 6, 18, 50, 50]


@given(failed, st.integers(300, 999))
def test_what_is_never_retried_counts_for_more_than_what_is(reason: Reason, status: int) -> None:
    both = RetryPolicy(retry_on=("300-999",), never_retry_on=("300-999",))
    assert both.retries(failure(reason, status)) == (reason.is_retry and reason not in DECIDABLE)


@pytest.mark.parametrize(
    ("said", "reason", "status", "retried"),
    [
        ({}, Reason.PERMANENT_4XX, 404, False),
        ({"retry_on": ["404"]}, Reason.PERMANENT_4XX, 404, True),
        ({"retry_on": ["404"]}, Reason.PERMANENT_4XX, 403, False),
        ({"retry_on": ["400-409"]}, Reason.PERMANENT_4XX, 409, True),
        ({"retry_on": ["permanent_4xx"]}, Reason.PERMANENT_4XX, None, True),
        ({"retry_on": ["302"]}, Reason.BAD_CONFIG, 302, True),
        ({"retry_on": ["300-999"]}, Reason.TEMPLATE_ERROR, 404, False),
        ({"retry_on": ["300-999"]}, Reason.EXPIRED, None, False),
        ({"never_retry_on": ["501"]}, Reason.RETRY_HTTP_5XX, 501, False),
        ({"never_retry_on": ["501"]}, Reason.RETRY_HTTP_5XX, 500, True),
        ({"never_retry_on": ["retry_timeout"]}, Reason.RETRY_TIMEOUT, None, False),
        ({"never_retry_on": ["500-599"]}, Reason.RETRY_TIMEOUT, None, True),
    ],
)
def test_an_action_decides_which_failures_are_tried_again(
    said: dict[str, Any], reason: Reason, status: int | None, retried: bool
) -> None:
    assert RetryPolicy.model_validate(said).retries(failure(reason, status)) is retried


@pytest.mark.parametrize(
    "said",
    [
        {"delays": []},
        {"delays": [0]},
        {"delays": [86401]},
        {"delays": [1] * 51},
        {"delays": [5], "base": 5},
        {"base": 0},
        {"base": 10, "cap": 5},
        {"base": float("nan")},
        {"factor": 3},
        {"cap": 60},
        {"base": 1, "factor": 0.5},
        {"retry_on": ["200"]},
        {"retry_on": ["599-500"]},
        {"retry_on": ["ok"]},
        {"retry_on": ["poison"]},
        {"retry_on": ["٤٠٤"]},
        {"never_retry_on": ["5xx"]},
        {"retry_on": ["404"] * 51},
        {"nonsense": 1},
    ],
)
def test_a_policy_that_means_nothing_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy.model_validate(said)
