"""Why a delivery is recorded, but not sent: somebody, or a schedule, wants silence."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Suppression(StrEnum):
    """The closed set of causes; a suppressed delivery has one of them where another has the reason of its last try."""

    RULE_MUTED = "rule_muted"
    RULE_SNOOZED = "rule_snoozed"
    MAINTENANCE_WINDOW = "maintenance_window"
    ALERT_MUTED = "alert_muted"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    TIME_FRAME = "time_frame"


_SENTENCES: Final[Mapping[str, str]] = {
    Suppression.RULE_MUTED: "The rule is muted.",
    Suppression.RULE_SNOOZED: "The rule is snoozed.",
    Suppression.MAINTENANCE_WINDOW: "A maintenance window is open.",
    Suppression.ALERT_MUTED: "The alert is muted.",
    Suppression.ALERT_ACKNOWLEDGED: "The alert is acknowledged.",
    Suppression.TIME_FRAME: "It is outside the time frame of the rule's action.",
}


def sentence_of(cause: str) -> str:
    """Return what the cause means, in words."""
    return _SENTENCES[cause]
