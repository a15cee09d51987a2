"""Rules muted and snoozed, and alerts acknowledged and muted, on their pages of the console."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.safestring import SafeString

from rules.models import Alert, AlertMute, Rule
from rules.services.silences import (
    LONGEST_NOTE,
    acknowledge_alert,
    mute_alert,
    mute_rule,
    snooze_rule,
    unacknowledge_alert,
    unmute_alert,
    unmute_rule,
    unsnooze_rule,
)
from rules.silences.stored import snoozed_until
from spaces.admin.base import BaseDialogForm, Select, Textarea, action, display
from spaces.admin.markup import EMPTY, json_block, label
from spaces.admin.scoping import SpaceScopedAdmin
from spaces.errors import InvalidInput, ReadOnly
from spaces.roles import Ability

RULE_ABILITIES: Final[Mapping[str, Ability]] = dict.fromkeys(("mute", "unmute", "snooze", "unsnooze"), Ability.OPERATE)
ALERT_ABILITIES: Final[Mapping[str, Ability]] = dict.fromkeys(
    ("acknowledge", "unacknowledge", "mute", "unmute"), Ability.OPERATE
)
_HOUR: Final = 3600
_LENGTHS: Final = [
    (str(_HOUR), "1 hour"),
    (str(4 * _HOUR), "4 hours"),
    (str(8 * _HOUR), "8 hours"),
    (str(24 * _HOUR), "1 day"),
    (str(3 * 24 * _HOUR), "3 days"),
    (str(7 * 24 * _HOUR), "7 days"),
]
RowT = TypeVar("RowT", bound=Model)


class SnoozeForm(BaseDialogForm):
    """How long nobody hears of a rule, from now on."""

    duration = forms.TypedChoiceField(choices=_LENGTHS, coerce=int, label="For", widget=Select())


class AcknowledgeForm(BaseDialogForm):
    """What others should know."""

    note = forms.CharField(required=False, max_length=LONGEST_NOTE, widget=Textarea(attrs={"rows": 3}))


class _Silencing(SpaceScopedAdmin):
    """Shows of its buttons those that would change something."""

    def offered(self, row: Any) -> set[str]:
        """Return the names of the actions that would change something of the row."""
        raise NotImplementedError

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Return the buttons of a page."""
        base: Any = super()  # Unfold's, of which its annotations know nothing
        row = self.row(request, object_id)
        offered = self.offered(row) if row is not None else set()
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        silencing = self.abilities.keys() & (RULE_ABILITIES.keys() | ALERT_ABILITIES.keys())
        found = [(each, each.action_name.removeprefix(prefix)) for each in base.get_actions_detail(request, object_id)]
        return [each for each, name in found if name in offered or name not in silencing]

    def _done(self, request: HttpRequest, object_id: str, change: Callable[[Any], object], said: str) -> HttpResponse:
        row = self.row(request, object_id)
        address = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if row is None:
            messages.warning(request, f"There is no such {self.opts.verbose_name} any more.")
            return HttpResponse(headers={"HX-Redirect": reverse(f"{address}_changelist")})
        try:
            change(row)
        except (InvalidInput, ReadOnly) as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, said)
        # htmx follows this header with a whole page, where a redirect would be loaded into the dialog.
        return HttpResponse(headers={"HX-Redirect": reverse(f"{address}_change", args=[row.pk])})


class RuleSilencing(_Silencing):
    """The part of the admin of rules that silences them."""

    actions_detail: ClassVar = ["mute", "unmute", "snooze", "unsnooze"]

    def offered(self, row: Rule) -> set[str]:
        """Return the names of the actions that would change something of the rule."""
        return {"unmute" if row.muted else "mute", "snooze", *(["unsnooze"] if row.snoozes else [])}

    @display(description="Silence")
    def silence_label(self, rule: Rule) -> str | SafeString:
        """Whether nobody hears of it now."""
        if rule.muted:
            return label("muted", "warning")
        return label("snoozed", "warning") if snoozed_until(rule, timezone.now()) else EMPTY

    @display(description="Silence")
    def silence_text(self, rule: Rule) -> str | SafeString:
        """Whether nobody hears of it, and until when."""
        if rule.muted:
            return "Muted until somebody unmutes it."
        until = snoozed_until(rule, timezone.now())
        return f"Snoozed until {localize(timezone.localtime(until))}." if until else EMPTY

    @display(description="Snoozes")
    def snoozes_block(self, rule: Rule) -> str | SafeString:
        """When it is snoozed."""
        return json_block(rule.snoozes) if rule.snoozes else EMPTY

    @action(
        description="Mute",
        permissions=["mute"],
        icon="notifications_off",
        dialog={
            "title": "Mute this rule?",
            "description": "It goes on looking. What it would send is recorded as suppressed until you unmute it.",
            "form_submit_text": "Mute",
        },
    )
    def mute(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Mute the rule of this page; reached by POST from its dialog."""
        return self._done(request, object_id, mute_rule, "Nobody hears of it until it is unmuted.")

    @action(
        description="Unmute",
        permissions=["unmute"],
        icon="notifications",
        dialog={
            "title": "Unmute this rule?",
            "description": "Alerts that opened meanwhile and are still active are told of at its next run.",
            "form_submit_text": "Unmute",
        },
    )
    def unmute(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Unmute the rule of this page; reached by POST from its dialog."""
        return self._done(request, object_id, unmute_rule, "It is unmuted.")

    @action(
        description="Snooze",
        permissions=["snooze"],
        icon="snooze",
        dialog={
            "title": "Snooze this rule?",
            "description": "As if it were muted, from now on. Times that recur are set over the API.",
            "form_class": SnoozeForm,
            "form_submit_text": "Snooze",
        },
    )
    def snooze(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Snooze the rule of this page; reached by POST from its dialog."""
        wanted = {"duration": form.cleaned_data["duration"]}
        return self._done(request, object_id, lambda rule: snooze_rule(rule, wanted), "It is snoozed.")

    @action(
        description="Take snoozes off",
        permissions=["unsnooze"],
        icon="alarm_off",
        dialog={
            "title": "Take all snoozes off?",
            "description": "Those that recur, too.",
            "form_submit_text": "Take off",
        },
    )
    def unsnooze(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Take the snoozes off the rule of this page; reached by POST from its dialog."""
        return self._done(request, object_id, unsnooze_rule, "It has no snoozes any more.")


class AlertSilencing(_Silencing):
    """The part of the admin of alerts that silences them."""

    actions_detail: ClassVar = ["acknowledge", "unacknowledge", "mute", "unmute"]

    def offered(self, row: Alert) -> set[str]:
        """Return the names of the actions that would change something of the alert."""
        offered = {"unmute"} if _is_muted(row) else {"mute"} if row.rule_id is not None else set()
        if row.acknowledged_at is not None:
            return {*offered, "unacknowledge"}
        return {*offered, "acknowledge"} if row.state == Alert.State.ACTIVE else offered

    @display(description="Silence")
    def silence_label(self, alert: Alert) -> str | SafeString:
        """Whether nobody hears that it goes on, and why."""
        if _is_muted(alert):
            return label("muted", "warning")
        return label("acknowledged", "info") if alert.acknowledged_at is not None else EMPTY

    @display(description="Acknowledged")
    def acknowledgement_text(self, alert: Alert) -> str:
        """Who sees to it, since when, and what they say."""
        if alert.acknowledged_at is None:
            return EMPTY
        at = localize(timezone.localtime(alert.acknowledged_at))
        return f"By {alert.acknowledged_by}, {at}. {alert.acknowledgement_note}".strip()

    @action(
        description="Acknowledge",
        permissions=["acknowledge"],
        icon="how_to_reg",
        dialog={
            "title": "Acknowledge this alert?",
            "description": "Nobody hears that it goes on, before its group changes. Its end is told of.",
            "form_class": AcknowledgeForm,
            "form_submit_text": "Acknowledge",
        },
    )
    def acknowledge(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Acknowledge the alert of this page; reached by POST from its dialog."""
        note = form.cleaned_data["note"]
        return self._done(request, object_id, lambda alert: acknowledge_alert(alert, note), "It is acknowledged.")

    @action(
        description="Unacknowledge",
        permissions=["unacknowledge"],
        icon="undo",
        dialog={
            "title": "Take the acknowledgement back?",
            "description": "It is told of again as the rule's actions have it.",
            "form_submit_text": "Take back",
        },
    )
    def unacknowledge(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Take back the acknowledgement of the alert of this page; reached by POST from its dialog."""
        return self._done(request, object_id, unacknowledge_alert, "It is not acknowledged any more.")

    @action(
        description="Mute",
        permissions=["mute"],
        icon="notifications_off",
        dialog={
            "title": "Mute alerts of this key?",
            "description": "Nobody hears of this alert and later ones of its rule and key, until you unmute them.",
            "form_submit_text": "Mute",
        },
    )
    def mute(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Mute what the alert of this page is of; reached by POST from its dialog."""
        return self._done(request, object_id, mute_alert, "Nobody hears of alerts of this key until it is unmuted.")

    @action(
        description="Unmute",
        permissions=["unmute"],
        icon="notifications",
        dialog={
            "title": "Unmute alerts of this key?",
            "description": "One that opened meanwhile and is still active is told of at the next run of the rule.",
            "form_submit_text": "Unmute",
        },
    )
    def unmute(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Unmute what the alert of this page is of; reached by POST from its dialog."""
        return self._done(request, object_id, unmute_alert, "It is unmuted.")


def _is_muted(alert: Any) -> bool:
    """Whether its key is muted; lists of alerts have it with each row."""
    known: bool | None = getattr(alert, "is_muted", None)
    return AlertMute.objects.filter(rule=alert.rule_id, key=alert.key).exists() if known is None else known
