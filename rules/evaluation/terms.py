"""What a link to an action says beyond the action: of which events it is told, and when."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError as ModelError

from rules.conditions import Condition, Match
from rules.silences.silence import Observed
from rules.time_frames import TimeFrame

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """An extra condition, and when the action may be told; None where it says nothing of them."""

    condition: Condition | None = None
    time_frame: TimeFrame | None = None

    def refusal(self, observed: Observed) -> Match | None:
        """Return how the condition was not met; None where it was, or there is none."""
        if self.condition is None:
            return None
        match = self.condition.evaluate(observed.bound)
        return None if match.matched else match

    def is_open(self, now: datetime) -> bool:
        """Whether the action may be told now."""
        return self.time_frame is None or self.time_frame.contains(now)


NO_TERMS: Final = Terms()


def terms_of(condition: str, time_frame: dict[str, Any] | None) -> Terms:
    """Return the terms that these stored ones are."""
    if not condition and time_frame is None:
        return NO_TERMS
    return Terms(Condition(condition) if condition else None, _frame(time_frame))


def _frame(stored: dict[str, Any] | None) -> TimeFrame | None:
    if stored is None:
        return None
    try:
        return TimeFrame.model_validate(stored)
    except ModelError as error:
        # It was checked when it was saved: only a changed installation, such as its time zones, can bring this about.
        logger.error("A time frame cannot be read: %s", error)
        return None
