"""When a failed delivery is tried again: a pure function of the tries, the failure, the policy and a random number."""

from typing import Final

from actions.policy import LONGEST, STANDARD, RetryPolicy
from connectors.outcomes import Outcome

JITTER: Final = 0.2


def next_try(
    tries: int, max_attempts: int, outcome: Outcome, chance: float, retry: RetryPolicy = STANDARD.retry
) -> float | None:
    """Return the seconds until the try after this failure, the ``tries``-th since it was made or sent again.

    None: it was the last. ``chance`` is as next_delay has it.
    """
    if tries >= max_attempts or not retry.retries(outcome):
        return None
    return next_delay(tries, outcome.retry_after, chance, retry)


def next_delay(failures: int, retry_after: float | None, chance: float, retry: RetryPolicy = STANDARD.retry) -> float:
    """Return the seconds to wait after ``failures`` (1 or more) failed tries.

    ``chance`` in [0, 1) spreads the delay by 20 % either way. ``retry_after``, in seconds, can lengthen the wait up
    to a day, and never shortens it.
    """
    delay = retry.delay(failures) * (1 - JITTER + 2 * JITTER * chance)
    return min(max(delay, retry_after or 0.0), LONGEST)
