"""The console's fields of what a rule says of each of its actions: of which events it is told, and when."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms

from rules.links import RECOVERED, Link
from rules.models import RuleAction
from rules.time_frames import from_words, in_words
from spaces.admin.base import TextInput
from spaces.admin.json_fields import CodeArea, TextField
from spaces.errors import InvalidInput

TERMS: Final = ("condition", "time_frame")
_CONDITION_HELP: Final = (
    "CEL over the event, or the event of the alert, such as event.data.alert.value > 90.0. Empty: all."
)
_TIME_FRAME_HELP: Final = "Such as Mon-Fri 08:00-17:00 Europe/Berlin, or Mon,Sat 22:00-06:00. Empty: at all times."


class TimeFrameField(forms.CharField):
    """A time frame on one line."""

    def clean(self, value: Any) -> Any:
        """Return the frame as it is stored."""
        try:
            return from_words(super().clean(value), "")
        except InvalidInput as refusal:
            raise forms.ValidationError([error.detail for error in refusal.errors]) from None


def field_name(link: Link | RuleAction, term: str) -> str:
    """Return the name of the form's field for a term of this link."""
    return f"link_{link.action.pk}_{link.group}_{term}"


def term_fields(links: Iterable[RuleAction]) -> dict[str, forms.Field]:
    """Return fresh form fields of the terms of each link, filled with what is stored."""
    fields: dict[str, forms.Field] = {}
    for link in links:
        fields[field_name(link, "condition")] = TextField(
            required=False,
            label="Condition",
            initial=link.condition,
            widget=CodeArea(rows=2),
            help_text=_CONDITION_HELP,
        )
        fields[field_name(link, "time_frame")] = TimeFrameField(
            required=False,
            label="Hours",
            initial=in_words(link.time_frame),
            widget=TextInput(),
            help_text=_TIME_FRAME_HELP,
        )
    return fields


def term_fieldsets(links: Iterable[RuleAction]) -> list[Any]:
    """Return a group of fields for each link."""
    return [(_title(link), {"fields": [field_name(link, term) for term in TERMS]}) for link in links]


def _title(link: RuleAction) -> str:
    which = {"": "", RECOVERED: ", on recovery"}.get(link.group, f", for {link.group}")
    return f"When “{link.action.name}” is told{which}"
