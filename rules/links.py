"""What a rule says of an action that it triggers: which events or alerts it hears of, how often, and when."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from actions.models import Action
from rules.models import Frequency, RuleAction
from rules.time_frames import clean_time_frame
from rules.types.base import AnyRuleType
from spaces.errors import FieldError, InvalidInput
from spaces.validation import Findings, extend

RECOVERED: Final = "recovered"  # the group that every type has which keeps alerts
LONGEST_THROTTLE: Final = 31 * 24 * 3600
SAID: Final = ("group", "frequency", "throttle", "condition", "time_frame")  # of an action, by a rule
_SECONDS: Final = f"Give seconds from 1 to {LONGEST_THROTTLE}."


@dataclass(frozen=True, slots=True)
class Link:
    """An action, the group whose alerts it hears of (empty: any but recovered), how often, and of which events, when.

    ``time_frame`` is as rules.time_frames has it.
    """

    action: Action
    group: str = ""
    frequency: str = Frequency.CHANGE.value
    throttle: int | None = None
    condition: str = ""
    time_frame: dict[str, Any] | None = None

    @property
    def is_of_any_alert(self) -> bool:
        """Whether it says nothing of alerts, and so may stand in a rule that keeps none."""
        return (self.group, self.frequency, self.throttle) == ("", Frequency.CHANGE, None)

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing but the action."""
        return self.is_of_any_alert and not self.condition and self.time_frame is None

    @property
    def place(self) -> tuple[int, str]:
        """The key of the action, and the group: a rule has one link of them."""
        return self.action.pk, self.group


def link_of(wanted: "Action | Link") -> Link:
    """Return the link that a caller means who names an action alone."""
    return wanted if isinstance(wanted, Link) else Link(wanted)


def read(stored: RuleAction) -> Link:
    """Return the link that a row is. Its action has been read with it."""
    return Link(stored.action, *(getattr(stored, name) for name in SAID))


def shown(stored: RuleAction) -> str | dict[str, Any]:
    """Return a link as the API, exports and the audit log have it: the action's ID alone, where that says it all."""
    if read(stored).is_plain:
        return stored.action.public_id
    return {"id": stored.action.public_id, **{name: getattr(stored, name) for name in SAID}}


def clean_links(
    links: Sequence[Link], rule_type: AnyRuleType, clean_condition: Callable[[str, str], str]
) -> list[Link]:
    """Return the links of a rule of this type as they are stored; raise InvalidInput with all that is wrong.

    ``clean_condition`` does the same for a condition and its pointer.
    """
    found, cleaned = Findings(), list[Link]()
    for at, link in enumerate(links):
        pointer = extend("/actions", at)
        condition, time_frame = "", None
        with found.gather():
            _check_alerts(link, rule_type, pointer)
        with found.gather():
            condition = clean_condition(link.condition, extend(pointer, "condition"))
        with found.gather():
            time_frame = clean_time_frame(link.time_frame, extend(pointer, "time_frame"))
        cleaned.append(replace(link, condition=condition, time_frame=time_frame))
    found.raise_any()
    return cleaned


def _check_alerts(link: Link, rule_type: AnyRuleType, pointer: str) -> None:
    if errors := list(_alert_faults(link, rule_type, pointer)):
        raise InvalidInput(errors)


def _alert_faults(link: Link, rule_type: AnyRuleType, pointer: str) -> Iterator[FieldError]:
    if not rule_type.keeps_alerts:
        if not link.is_of_any_alert:
            detail = f"Rules of the type {rule_type.id} keep no alerts: leave out group, frequency and throttle."
            yield FieldError(pointer, detail)
        return
    groups: Mapping[str, str] = rule_type.action_groups
    if link.group not in ("", RECOVERED, *groups):
        known = ", ".join([*groups, RECOVERED])
        yield FieldError(extend(pointer, "group"), f"Use one of {known}, or leave it empty for any but recovered.")
    if link.frequency not in Frequency.values:
        yield FieldError(extend(pointer, "frequency"), f"Use one of {', '.join(Frequency.values)}.")
    if link.frequency == Frequency.SUMMARY and link.group:
        yield FieldError(extend(pointer, "group"), "Leave this empty: a summary tells of all groups together.")
    if link.throttle is None:
        if link.frequency == Frequency.INTERVAL:
            yield FieldError(extend(pointer, "throttle"), _SECONDS)
    elif link.frequency not in (Frequency.INTERVAL, Frequency.SUMMARY):
        detail = "Leave this out: only the frequencies interval and summary have seconds."
        yield FieldError(extend(pointer, "throttle"), detail)
    elif not 1 <= link.throttle <= LONGEST_THROTTLE:
        yield FieldError(extend(pointer, "throttle"), _SECONDS)
