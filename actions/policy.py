"""An action's delivery policy as the engine reads it: when to try again, how long, how many and how fast."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.outcomes import Outcome, Reason

# Standard Webhooks 1.0.0, "Retry schedule": seconds after the first, second ... failure; ten tries over three days.
DELAYS: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
LONGEST: Final = 86400.0  # seconds between two tries
MAX_ATTEMPTS: Final = 50
MAX_CONDITIONS: Final = 50

# What an action may decide about; the other failures are the message's own, or are decided already.
DECIDABLE: Final = frozenset(reason for reason in Reason if reason.value.startswith(("retry_", "permanent_"))) | {
    Reason.BLOCKED_TARGET,
    Reason.BAD_CONFIG,
    Reason.MISSING_SECRETS,
}
_STATUSES: Final = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?", re.ASCII)


class RetryPolicy(BaseModel):
    """When a failed try is followed by another. What is not said is as usual."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    delays: tuple[float, ...] | None = Field(
        None,
        title="Delays",
        description="Seconds to wait after the first, second … failed try; the last one holds for all further tries.",
        min_length=1,
        max_length=MAX_ATTEMPTS,
    )
    base: float | None = Field(
        None, title="Base", description="In place of delays: seconds after the first failed try.", ge=1, le=LONGEST
    )
    factor: float = Field(2.0, title="Factor", description="By which it grows with each further try.", ge=1, le=10)
    cap: float = Field(LONGEST, title="Cap", description="Seconds beyond which it grows no more.", ge=1, le=LONGEST)
    retry_on: tuple[str, ...] = Field(
        (),
        title="Retry on",
        description="Failures tried again beyond the usual: statuses (404), ranges of them (400-499), reasons.",
        max_length=MAX_CONDITIONS,
    )
    never_retry_on: tuple[str, ...] = Field(
        (),
        title="Never retry on",
        description="Failures that are not tried again: statuses, ranges, reasons. They count for more than retry_on.",
        max_length=MAX_CONDITIONS,
    )

    @field_validator("delays")
    @classmethod
    def _are_bounded(cls, delays: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if any(not 1 <= delay <= LONGEST for delay in delays or ()):
            raise ValueError(f"Use delays from 1 to {LONGEST:.0f} seconds.")
        return delays

    @field_validator("retry_on", "never_retry_on")
    @classmethod
    def _name_failures(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        _Failures(values)
        return values

    @model_validator(mode="after")
    def _is_one_schedule(self) -> Self:
        if self.delays is not None and self.base is not None:
            raise ValueError("Give delays or a base, not both.")
        if self.base is None and (self.factor, self.cap) != (2.0, LONGEST):
            raise ValueError("A factor and a cap need a base.")
        if self.base is not None and self.base > self.cap:
            raise ValueError("The cap is below the base.")
        return self

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failed tries, 1 or more, before any jitter."""
        if self.base is not None:
            return float(min(self.base * self.factor ** min(failures - 1, MAX_ATTEMPTS), self.cap))
        delays = self.delays or DELAYS
        return delays[min(failures, len(delays)) - 1]

    def retries(self, outcome: Outcome) -> bool:
        """Whether another try follows this failure, as long as there are tries left."""
        if self._never.include(outcome):
            return False
        return outcome.reason.is_retry or self._also.include(outcome)

    @cached_property
    def _also(self) -> "_Failures":
        return _Failures(self.retry_on)

    @cached_property
    def _never(self) -> "_Failures":
        return _Failures(self.never_retry_on)


class _Failures:
    """Failures by reason or status; raises ValueError for a text that names none."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._reasons: set[Reason] = set()
        self._statuses: list[range] = []
        for text in texts:
            if match := _STATUSES.fullmatch(text):
                first, last = int(match[1]), int(match[2] or match[1])
                if not 300 <= first <= last <= 999:
                    raise ValueError(f'"{text}" is no failure: statuses go from 300 to 999, the lower one first.')
                self._statuses.append(range(first, last + 1))
            elif text in DECIDABLE:
                self._reasons.add(Reason(text))
            else:
                known = ", ".join(sorted(DECIDABLE))
                raise ValueError(f'"{text}" is no status, no range such as 500-599, and none of: {known}.')

    def include(self, outcome: Outcome) -> bool:
        """Whether this failure is one of them."""
        if outcome.reason in self._reasons:
            return True
        return outcome.reason in DECIDABLE and any(outcome.status in statuses for statuses in self._statuses)


_USUAL: Final = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the engine reads of an action beside its name and its number of tries.

    ``timeout`` is in seconds, for one try. ``max_concurrency`` is the number of its messages under way in one worker.
    ``key`` names the action whose limits these are.
    """

    retry: RetryPolicy = _USUAL
    timeout: float | None = None
    max_per_second: float | None = None
    max_concurrency: int | None = None
    key: str = ""


STANDARD: Final = Policy()
COLUMNS: Final = ("retry", "timeout", "max_per_second", "max_concurrency")  # of Action, in Policy's order


def policy_of(
    action: int, retry: dict[str, Any], timeout: float | None, max_per_second: float | None, max_concurrency: int | None
) -> Policy:
    """Return the policy that the COLUMNS of this action say; STANDARD itself where they say nothing."""
    if not retry and timeout is None and max_per_second is None and max_concurrency is None:
        return STANDARD
    return Policy(RetryPolicy.model_validate(retry), timeout, max_per_second, max_concurrency, f"action:{action}")
