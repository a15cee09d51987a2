"""Which actions of a rule hear of a change of an alert, and which do not for now, for it is outside their time frame.

What an action does not hear because of that it hears with the first run in the frame that finds the alert active still.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from rules.alerts.cycle import Change
from rules.evaluation.terms import terms_of
from rules.links import RECOVERED
from rules.models import Alert, Frequency, RuleAction
from rules.named_conditions import expand
from rules.silences.silence import Observed

_WAITS: Final = "waits"


class Hearer:
    """A link of a rule to an action, at the time of a run."""

    def __init__(self, link: RuleAction, now: datetime, named: Mapping[str, str]) -> None:
        self.action_id, self.action_public_id = link.action_id, link.action.public_id
        self.is_summary = link.frequency == Frequency.SUMMARY
        self.throttle = link.throttle
        self._terms = terms_of(expand(link.condition, named).text, link.time_frame)
        self.has_condition = self._terms.condition is not None
        self.is_open = self._terms.is_open(now)
        self.fault = ""  # why its condition went wrong
        self._link, self._now = link, now.timestamp()
        self._told, self._waits = str(link.pk), f"{link.pk}/{_WAITS}"

    def hears(self, alert: Alert, change: Change, observed: Observed) -> bool:
        """Whether it is to hear of this change; ``observed`` is the event of it, for conditions to look at."""
        return self._is_of_group(alert, change) and self._is_time(alert, change) and self.meets(observed)

    def meets(self, observed: Observed) -> bool:
        """Whether the event meets its condition."""
        refusal = self._terms.refusal(observed)
        if refusal is not None and refusal.is_failure:
            self.fault = refusal.reason
        return refusal is None

    def note(self, alert: Alert) -> None:
        """Note on the alert, unwritten, that it hears of it now, or will once its time frame begins."""
        frequency = self._link.frequency
        if frequency == Frequency.INTERVAL:
            alert.told[self._told] = self._now
        if self.is_open:
            alert.told.pop(self._waits, None)
        elif frequency != Frequency.EACH:
            alert.told[self._waits] = self._now

    def _is_of_group(self, alert: Alert, change: Change) -> bool:
        if change is Change.RECOVERED:
            return self._link.group == RECOVERED
        return self._link.group in ("", alert.group)

    def _is_time(self, alert: Alert, change: Change) -> bool:
        frequency = self._link.frequency
        if change is Change.RECOVERED or frequency == Frequency.EACH or (self.is_open and self._waits in alert.told):
            return True
        if frequency == Frequency.CHANGE:
            return change is not Change.ONGOING
        last = alert.told.get(self._told)
        return last is None or has_passed(last, self._now, self._link.throttle or 0)


def has_passed(last: float, now: float, seconds: int) -> bool:
    """Whether it is so long since ``last``. A time to come was written before the clock was set back."""
    return not 0 <= now - last < seconds
