"""What a rule says of an action that it triggers: which group of alerts it hears of, and how often."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actions.models import Action
from rules.models import Frequency, RuleAction
from rules.types.base import AnyRuleType
from spaces.errors import FieldError
from spaces.validation import extend

RECOVERED: Final = "recovered"  # the group that every type has which keeps alerts
LONGEST_THROTTLE: Final = 31 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Link:
    """An action, the group whose alerts it hears of (empty: any but recovered), and how often."""

    action: Action
    group: str = ""
    frequency: str = Frequency.CHANGE.value
    throttle: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing but the action."""
        return (self.group, self.frequency, self.throttle) == ("", Frequency.CHANGE, None)


def link_of(wanted: "Action | Link") -> Link:
    """Return the link that a caller means who names an action alone."""
    return wanted if isinstance(wanted, Link) else Link(wanted)


def shown(stored: RuleAction) -> str | dict[str, Any]:
    """Return a link as the API, exports and the audit log have it: the action's ID alone, where that says it all."""
    link = Link(stored.action, stored.group, stored.frequency, stored.throttle)
    if link.is_plain:
        return stored.action.public_id
    return {
        "id": stored.action.public_id,
        "group": stored.group,
        "frequency": stored.frequency,
        "throttle": stored.throttle,
    }


def faults(links: Sequence[Link], rule_type: AnyRuleType) -> Iterable[FieldError]:
    """Return what is wrong with the links of a rule of this type."""
    groups: Mapping[str, str] = rule_type.action_groups
    for at, link in enumerate(links):
        pointer = extend("/actions", at)
        if not rule_type.keeps_alerts:
            if not link.is_plain:
                yield FieldError(pointer, f"Rules of the type {rule_type.id} keep no alerts: give the ID alone.")
            continue
        if link.group not in ("", RECOVERED, *groups):
            known = ", ".join([*groups, RECOVERED])
            yield FieldError(extend(pointer, "group"), f"Use one of {known}, or leave it empty for any but recovered.")
        if link.frequency not in Frequency.values:
            yield FieldError(extend(pointer, "frequency"), f"Use one of {', '.join(Frequency.values)}.")
        if link.frequency == Frequency.INTERVAL:
            if link.throttle is None or not 1 <= link.throttle <= LONGEST_THROTTLE:
                yield FieldError(extend(pointer, "throttle"), f"Give seconds from 1 to {LONGEST_THROTTLE}.")
        elif link.throttle is not None:
            yield FieldError(extend(pointer, "throttle"), "Leave this out: only the frequency interval has seconds.")
