"""Tries in the console what the form of a rule holds, saved or not: with pasted or recent events, and over the past."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.views.decorators.http import require_POST

from rules.admin.rule_forms import RuleForm
from rules.admin.verdicts import event_line, shown_verdict
from rules.models import Rule
from rules.services.rules import Draft, draft_rule
from rules.tracing import reading
from rules.tracing.backtest import MOST_HOURS, Backtest, CannotReplay, backtest_rule
from rules.tracing.explain import Clock
from rules.tracing.places import TooBusy
from rules.tracing.replay import ReplayedAlert
from rules.tracing.trial import SECONDS, Sending, Tried, explainer_of, try_rule
from spaces import strict_json
from spaces.admin.base import NumberInput
from spaces.admin.json_fields import CodeArea, TextField
from spaces.admin.markup import json_block, label, page_link
from spaces.admin.typed_admin import TypedModelAdmin
from spaces.errors import FieldError, InvalidInput
from spaces.models import Space

_UNSAVED: Final = frozenset({"name", "public_id"})  # may be missing still


class TryForm(forms.Form):
    """What a rule is tried with. Its fields stand in the form of the rule, which takes no notice of them."""

    try_events = TextField(
        label="Events",
        required=False,
        widget=CodeArea(rows=6),
        help_text="One as JSON, or an array of at most 20. Empty: the latest that the rule looks at.",
    )
    try_last = forms.IntegerField(
        label="Latest events",
        required=False,
        initial=5,
        min_value=1,
        max_value=reading.MAX_EVENTS,
        widget=NumberInput(),
        help_text=f"How many, where none is written above. At most {reading.MAX_EVENTS}.",
    )
    try_hours = forms.IntegerField(
        label="Hours",
        required=False,
        initial=24,
        min_value=1,
        max_value=MOST_HOURS,
        widget=NumberInput(),
        help_text=f"How far a backtest goes back. At most {MOST_HOURS}.",
    )

    def clean_try_events(self) -> list[Any]:
        """Return the events, none where nothing is written."""
        text = self.cleaned_data["try_events"]
        if not text.strip():
            return []
        try:
            value = strict_json.read(text.encode(errors="surrogatepass")).value
        except InvalidInput as invalid:
            raise forms.ValidationError(
                [f"{error.pointer} {error.detail}".strip() for error in invalid.errors]
            ) from None
        return value if isinstance(value, list) else [value]


class TryingAdmin(TypedModelAdmin):
    """The part of the admin of rules that tries them."""

    change_form_after_template = "admin/rules/rule/after.html"

    class Media:
        js: ClassVar = ["connectors/probe.js"]

    def verb_of(self, pattern: URLPattern) -> str:
        """Return what one does at this address: for a new rule and for a stored one it is the same."""
        return super().verb_of(pattern).removesuffix("_of")

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with those that try what is in a form."""
        found: list[URLPattern] = []
        for name, run in (("try", _try), ("backtest", _backtest)):
            view = self.admin_site.admin_view(require_POST(self._view(name, run)))
            found += [
                path(f"{name}/", view, name=f"rules_rule_{name}"),
                path(f"<int:object_id>/{name}/", view, name=f"rules_rule_{name}_of"),
            ]
        return [*found, *super().get_urls()]

    def try_context(self, request: HttpRequest, rule: Rule | None) -> dict[str, Any]:
        """Return what the form's buttons need, nothing where the rule may not be changed."""
        if not (self.has_change_permission(request, rule) if rule else self.has_add_permission(request)):
            return {}
        buttons = {
            f"{name}_attrs": {
                "type": "button",
                "data-panel": "sy-probe",
                "data-probe": reverse(f"admin:rules_rule_{name}_of", args=[rule.pk])
                if rule
                else reverse(f"admin:rules_rule_{name}"),
            }
            for name in ("try", "backtest")
        }
        return {**buttons, "try_form": TryForm()}

    def _view(self, verb: str, run: Callable[..., dict[str, Any]]) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: int | None = None) -> HttpResponse:
            stored = self.get_object(request, str(object_id)) if object_id is not None else None
            if object_id is not None and stored is None:
                raise Http404
            if not self.may(request, verb, stored):
                raise PermissionDenied
            form = self.get_form(request, stored, change=stored is not None)(
                request.POST, instance=stored if stored is not None else Rule()
            )
            return render(request, "admin/rules/rule/tried.html", _outcome(form, TryForm(request.POST), stored, run))

        return view


def _outcome(
    form: RuleForm, wanted: TryForm, stored: Rule | None, run: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    errors = [*_wrong(form, form.errors.keys() - _UNSAVED), *_wrong(wanted, wanted.errors)]
    if errors:
        return {"errors": errors}
    form.cleaned_data.setdefault("name", "Draft")
    try:
        changes = {name: value for name, value in form.changes().items() if name not in ("name", "tags")}
        if stored is not None:
            draft = draft_rule(stored.space, stored, **changes)
        else:
            draft = draft_rule(form.cleaned_data["space"], type=form.type_id, **changes)
    except InvalidInput as invalid:
        return {"errors": [_located(form, error) for error in invalid.errors]}
    try:
        return run(draft.rule.space, draft, wanted.cleaned_data)
    except InvalidInput as invalid:
        return {"errors": [{"label": "Events", "detail": f"{e.pointer} {e.detail}".strip()} for e in invalid.errors]}
    except (CannotReplay, TooBusy) as refusal:
        return {"errors": [{"detail": str(refusal)}]}


def _try(space: Space, draft: Draft, given: dict[str, Any]) -> dict[str, Any]:
    explainer = explainer_of(draft.rule)
    samples: list[reading.Sample] = []
    if explainer.looks_at_events and given["try_events"]:
        samples = reading.pasted(space, given["try_events"])
    elif explainer.looks_at_events:
        samples = reading.latest(space, explainer.watch, given["try_last"] or 5, Clock(SECONDS))
    trial = try_rule(draft, samples)
    return {
        "has_tried": explainer.looks_at_events,
        "tried": [_shown(tried) for tried in trial.events],
        "left_out": trial.left_out,
        "run": trial.run,
    }


def _shown(tried: Tried) -> dict[str, Any]:
    return {
        "event": event_line(tried.sample.envelope, tried.sample.id),
        "verdict": shown_verdict(tried.verdict),
        "sendings": [_sent(sending) for sending in tried.sendings],
    }


def _sent(sending: Sending) -> dict[str, Any]:
    said = " ".join(filter(None, [sending.reason, sending.detail, sending.note]))
    block = json_block(sending.message) if sending.message is not None else sending.beginning
    key = f"Ordering key: {sending.ordering_key}" if sending.ordering_key else ""
    return {
        "action": sending.action,
        "connector": sending.connector,
        "label": _label(sending),
        "has_failed": bool(sending.reason),
        "said": said,
        "block": block,
        "key": key,
        "is_cut": bool(sending.beginning),
    }


def _label(sending: Sending) -> str:
    if sending.reason:
        return label("no message", "danger")
    return label(sending.held_back_by.replace("_", " "), "warning") if sending.held_back_by else ""


def _backtest(space: Space, draft: Draft, given: dict[str, Any]) -> dict[str, Any]:
    test = backtest_rule(space, draft, given["try_hours"] or 24)
    facts = [
        ("From", _time(test.reached)),
        ("Events looked at", f"{test.looked_at:,}"),
        ("Matched", f"{test.matched:,}"),
        *([("First match", _time(test.first_match_at))] if test.first_match_at else []),
        *([("Last match", _time(test.last_match_at))] if test.last_match_at else []),
        *([("Went wrong", f"{test.failed:,}: {test.first_failure}")] if test.failed else []),
        *_facts_of_runs(test),
        *((f"Deliveries of {action}", f"{count:,}") for action, count in test.deliveries.items()),
    ]
    hours = {"headers": ["Hour", "Matched"], "rows": [[_time(at), f"{n:,}"] for at, n in sorted(test.per_hour.items())]}
    return {
        "test": test,
        "cap": _cap(test),
        "facts": facts,
        "hours": hours,
        "alerts": [_alert(alert) for alert in test.runs.alerts] if test.runs else [],
        "matches": [page_link("rules.event", key, f"Event {key}") for key in test.matches],
        "near": [(page_link("rules.event", near.id, f"Event {near.id}"), near.part) for near in test.near_misses],
    }


def _facts_of_runs(test: Backtest) -> list[tuple[str, str]]:
    if test.runs is None:
        return []
    facts = [
        ("Until", _time(test.until)),
        ("Runs", f"{test.runs.count:,}"),
        ("Alerts opened", f"{test.runs.opened:,}"),
        ("Alerts recovered", f"{test.runs.recovered:,}"),
    ]
    return [*facts, ("A run failed", test.runs.failure)] if test.runs.failure else facts


def _alert(alert: ReplayedAlert) -> str:
    ended = f"until {_time(alert.ended_at)}" if alert.ended_at else "and open still"
    return f"{alert.key} ({alert.group}) from {_time(alert.opened_at)} {ended}"


def _cap(test: Backtest) -> str:
    said = {"events": "So many events are looked at and no more", "time": "The time for one backtest is over"}
    return f"{said[test.capped_by]}: the rest is not counted." if test.capped_by else ""


def _time(at: Any) -> str:
    return localize(timezone.localtime(at))


def _wrong(form: forms.BaseForm, names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {"label": form[name].label, "anchor": f"id_{name}", "detail": detail}
        if name in form.fields
        else {"detail": detail}
        for name in names
        for detail in form.errors[name]
    ]


def _located(form: RuleForm, error: FieldError) -> dict[str, Any]:
    name, rest = form.locate(error.pointer) or ("", error.pointer)
    detail = f"{rest.strip('/')}: {error.detail}" if rest.strip("/") else error.detail
    return {"label": form[name].label, "anchor": f"id_{name}", "detail": detail} if name else {"detail": detail}
