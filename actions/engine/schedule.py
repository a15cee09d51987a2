"""When a failed delivery is tried again: a pure function of the attempt, the receiver's wish and a random number."""

from typing import Final

# Standard Webhooks 1.0.0, "Retry schedule": seconds after the first, second ... failure; ten tries over three days.
DELAYS: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER: Final = 0.2
LONGEST: Final = 86400.0


def next_delay(attempts: int, retry_after: float | None, chance: float) -> float:
    """Return the seconds to wait after ``attempts`` (1 or more) failed tries.

    ``chance`` in [0, 1) spreads the delay by 20 % either way. ``retry_after``, in seconds, can lengthen the wait up
    to a day, and never shortens it.
    """
    base = DELAYS[min(attempts, len(DELAYS)) - 1]
    delay = base * (1 - JITTER + 2 * JITTER * chance)
    return min(max(delay, retry_after or 0.0), LONGEST)
