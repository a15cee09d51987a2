"""Why nobody hears of a change of an alert for now, and what they hear once the silence is over.

What a silence held back is remembered with the alert: the first run after it that still finds the alert active tells of
it as if it happened then. An alert of whose opening nobody heard ends unheard, too.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from actions.suppression import sentence_of
from rules.alerts.cycle import Change
from rules.alerts.keeping import Changed
from rules.evaluation.envelope import envelope_of
from rules.incoming import IncomingEvent
from rules.models import Alert, AlertMute, Rule
from rules.silences.silence import Audible, Observed, Silence, Window, alert_silence_of, silence_of
from rules.silences.stored import audible, windows_of


class Ruling(NamedTuple):
    """What is said of a change, and why nobody hears it; None where they do."""

    said: Change
    silence: Silence | None


class Silencing:
    """The silences over one run of a rule, read when they are first asked for."""

    def __init__(self, rule: Rule, now: datetime) -> None:
        self._rule = rule
        self._now = now

    def rule_on(self, changed: Changed, event: Callable[[], IncomingEvent]) -> Ruling:
        """Return what becomes of a change, and note on the alert, unwritten, what is held back.

        ``event`` makes the event that tells of the change, for windows to look at.
        """
        alert, change = changed.alert, changed.change
        if change in (Change.OPENED, Change.REGROUPED):
            _forget_acknowledgement(alert)
        silence = self._silence(alert, change, event)
        if silence is not None:
            if change in (Change.OPENED, Change.REGROUPED):
                alert.held_back, alert.held_back_by = alert.held_back or str(change), silence.cause
            return Ruling(change, silence)
        if not alert.held_back:
            return Ruling(change, None)
        if change is Change.RECOVERED:
            return Ruling(change, _unheard(alert))
        said = Change(alert.held_back)
        alert.held_back = alert.held_back_by = ""
        alert.told = {}
        return Ruling(said, None)

    def _silence(self, alert: Alert, change: Change, event: Callable[[], IncomingEvent]) -> Silence | None:
        observed = Observed(envelope_of(event()) if self._windows else {})
        return silence_of(self._audible, self._windows, observed, self._now) or alert_silence_of(
            is_muted=alert.key in self._muted_keys,
            is_acknowledged=alert.acknowledged_at is not None,
            change=change,
            held_back=bool(alert.held_back),
        )

    @cached_property
    def _audible(self) -> Audible:
        return audible(self._rule)

    @cached_property
    def _windows(self) -> tuple[Window, ...]:
        return windows_of(self._rule.space_id)

    @cached_property
    def _muted_keys(self) -> frozenset[str]:
        return frozenset(AlertMute.objects.filter(rule=self._rule).values_list("key", flat=True))


def _unheard(alert: Alert) -> Silence | None:
    """Return why its end is not told of: nobody heard of it at all."""
    if alert.held_back != Change.OPENED:
        return None
    return Silence(alert.held_back_by, f"Nobody heard that it opened. {sentence_of(alert.held_back_by)}")


def _forget_acknowledgement(alert: Alert) -> None:
    alert.acknowledged_at, alert.acknowledged_by, alert.acknowledgement_note = None, "", ""
