"""The console's forms of rules."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite

from actions.models import Action
from rules.admin.link_forms import TERMS, field_name
from rules.links import LONGEST_THROTTLE, RECOVERED, Link, read
from rules.models import Frequency, Rule, RuleAction
from rules.services.schedules import SCHEDULED
from rules.types.registry import all_types
from spaces.admin.base import NumberInput, Select
from spaces.admin.choosing import SelectMultipleOfSpace
from spaces.admin.json_fields import CodeArea, LinesField
from spaces.admin.typed_admin import TypedForm
from spaces.models import Space

SCHEDULE_FIELDS: Final = (*SCHEDULED, "recovered_actions", "frequency", "throttle")
_CONDITION_HELP: Final = (
    "CEL over the event, such as event.data.temperature > 30.0, and named conditions of the space, such as "
    "conditions.business_hours. Empty: every event of the above."
)
_TERMS_HELP: Final = "Each that is saved has a condition and hours of its own below."
_AS_IT_IS: Final = ("", "As each action has it")


class RuleForm(TypedForm):
    """A rule."""

    condition = forms.CharField(required=False, widget=CodeArea(rows=4), help_text=_CONDITION_HELP)
    tags = LinesField(required=False, help_text="One on each line.")

    class Meta:
        model = Rule
        fields = ["name", "public_id", "space", "type", "enabled", "condition"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            return
        self.initial["tags"] = LinesField().to_text(self.instance.tags)
        stored = self.stored
        self.initial["actions"] = [link.action_id for link in stored if link.group != RECOVERED]
        self.initial["recovered_actions"] = [link.action_id for link in stored if link.group == RECOVERED]
        self.initial.update({name: getattr(self.instance, name) for name in SCHEDULED})
        pace = {(link.frequency, link.throttle) for link in stored if link.group != RECOVERED}
        if len(pace) == 1:
            self.initial["frequency"], self.initial["throttle"] = pace.pop()

    @property
    def stored(self) -> list[RuleAction]:
        """The links of the stored rule to its actions, in its order."""
        return list(self.instance.links.order_by("pk").select_related("action")) if self.instance.pk else []

    @property
    def is_scheduled(self) -> bool:
        """Whether rules of the chosen type run at an interval, and keep alerts."""
        chosen = all_types().get(self.type_id)
        return chosen is not None and chosen.keeps_alerts

    @property
    def takes_condition(self) -> bool:
        """Whether rules of the chosen type have a condition."""
        chosen = all_types().get(self.type_id)
        return chosen is not None and chosen.takes_condition

    def locate(self, pointer: str) -> tuple[str, str] | None:
        """Return the field of a pointer; what is said of an action stands where that is entered."""
        name = pointer.rpartition("/")[2]
        if place := self._locate_term(pointer):
            return place
        if pointer.startswith("/actions/") and name in ("frequency", "throttle") and name in self.fields:
            return name, ""
        return super().locate(pointer)

    def changes(self) -> dict[str, Any]:
        """Return what the form says of the rule; the actions that it has already keep their order and their groups."""
        links = self._chosen_links()
        common = {
            "name": self.cleaned_data["name"],
            "params": self.collect("params"),
            "tags": self.cleaned_data["tags"],
            "enabled": self.cleaned_data["enabled"],
        }
        if not self.is_scheduled:
            return {**common, "condition": self.cleaned_data.get("condition", ""), "actions": links}
        given = {name: self.cleaned_data[name] for name in SCHEDULED if self.cleaned_data[name] is not None}
        if self.takes_condition:
            given["condition"] = self.cleaned_data["condition"]
        return {**common, "actions": links, **given}

    def _chosen_links(self) -> list[Link]:
        on_recovery = self.cleaned_data["recovered_actions"] if self.is_scheduled else []
        return self._links(self.cleaned_data["actions"], on_recovery)

    def _locate_term(self, pointer: str) -> tuple[str, str] | None:
        """Return the field of the condition, or of the hours, of the action that the pointer leads to."""
        _, top, position, name, *rest = (*pointer.split("/"), "", "", "")
        if top != "actions" or name not in TERMS or "actions" not in self.cleaned_data:
            return None
        field = field_name(self._chosen_links()[int(position)], name)
        return (field, "/".join(filter(None, rest))) if field in self.fields else None

    def _with_terms(self, stored: RuleAction) -> Link:
        """Return the link with what the form says of its terms, where the form had them."""
        fields = {term: field_name(stored, term) for term in TERMS}
        return replace(
            read(stored),
            **{term: self.cleaned_data[name] for term, name in fields.items() if self.add_prefix(name) in self.data},
        )

    def _links(self, chosen: Iterable[Action], on_recovery: Iterable[Action]) -> list[Link]:
        wanted = {action.pk: action for action in chosen}
        recovering = {action.pk: action for action in on_recovery}
        links = []
        for stored in self.stored:
            # What stands is kept in its place; of the rest below, each is new.
            if stored.action_id in (recovering if stored.group == RECOVERED else wanted):
                links.append(self._with_terms(stored))
        active = {link.action.pk for link in links if link.group != RECOVERED}
        recovered = {link.action.pk for link in links if link.group == RECOVERED}
        links += [Link(action) for key, action in wanted.items() if key not in active]
        links += [Link(action, RECOVERED) for key, action in recovering.items() if key not in recovered]
        return [self._paced(link) for link in links]

    def _paced(self, link: Link) -> Link:
        frequency = self.cleaned_data.get("frequency")
        if not frequency or not self.is_scheduled or link.group == RECOVERED:
            return link
        has_seconds = frequency in (Frequency.INTERVAL, Frequency.SUMMARY)
        throttle = self.cleaned_data.get("throttle") if has_seconds else None
        return replace(link, frequency=frequency, throttle=throttle)


def action_fields(space: Space | None, site: AdminSite, *, is_scheduled: bool) -> dict[str, forms.Field]:
    """Return fresh form fields that choose actions of the space."""

    def choice(label: str, help_text: str) -> forms.Field:
        select = SelectMultipleOfSpace(Rule._meta.get_field("actions"), site)
        select.space_id = space.pk if space else None
        return forms.ModelMultipleChoiceField(
            Action.objects.filter(space=space), required=False, widget=select, label=label, help_text=help_text
        )

    fields = {"actions": choice("Actions", f"What the rule triggers. {_TERMS_HELP}")}
    if is_scheduled:
        fields["recovered_actions"] = choice("Actions on recovery", "What the end of an alert triggers.")
    return fields


def schedule_fields() -> dict[str, forms.Field]:
    """Return fresh form fields of when a rule runs, and of its alerts."""
    fields: dict[str, forms.Field] = {}
    for name in SCHEDULED:
        column: Any = Rule._meta.get_field(name)
        fields[name] = forms.IntegerField(
            required=False,
            widget=NumberInput(),
            label=column.verbose_name.capitalize(),
            initial=column.default if name != "interval" else None,
            help_text=_INTERVAL_HELP if name == "interval" else column.help_text,
        )
    fields["frequency"] = forms.ChoiceField(
        choices=[_AS_IT_IS, *Frequency.choices],
        required=False,
        widget=Select(),
        initial=Frequency.CHANGE.value,
        label="How often",
        help_text="How often the actions hear of an alert that stays active.",
    )
    fields["throttle"] = forms.IntegerField(
        required=False,
        widget=NumberInput(),
        min_value=1,
        max_value=LONGEST_THROTTLE,
        label="At most every",
        help_text="Seconds, where that is how often; of all alerts in one message, empty for each run.",
    )
    return fields


_INTERVAL_HELP: Final = "Seconds from one run to the next, 10 to 86400. Empty: as is usual for the type."
