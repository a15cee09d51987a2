"""How rules are doing, on their pages of the console, and the list of their runs."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import localize
from django.utils.safestring import SafeString

from connectors.admin.filters import ChoiceFilter
from rules.history.counting import KINDS, counts_between
from rules.history.records import HOUR, RunOutcome, RunRecord
from rules.history.status import RuleStatus, last_error, with_status
from rules.models import Rule
from rules.services import duplicate_rule
from rules.services.silences import mute_rule, unmute_rule
from spaces.admin.base import ChoicesDropdownFilter, action, display
from spaces.admin.duplication import DuplicateForm, DuplicatingAdmin, duplicate_dialog
from spaces.admin.filters import RelatedFilter, WordFilter
from spaces.admin.markup import EMPTY, label, list_link, named_link, page_link
from spaces.admin.read_only import HotTableAdmin
from spaces.admin.scoping import OF_RECORDS
from spaces.roles import Ability
from spaces.services.bulk import apply_to_each

HISTORY_ABILITIES: Final[Mapping[str, Ability]] = {"duplicate": Ability.EDIT}
HISTORY_FIELDS: Final = ["status_text", "last_error_text", "counts_chart"]
SHOWN_HOURS: Final = 24
SHOWN_RUNS: Final = 10
OUTCOME_LABELS: Final = {
    RunOutcome.SUCCEEDED.value: "success",
    RunOutcome.WARNING.value: "warning",
    RunOutcome.FAILED.value: "danger",
}
_STATUS_LABELS: Final = {
    RuleStatus.OK.value: "success",
    RuleStatus.PENDING.value: "info",
    RuleStatus.WARNING.value: "warning",
    RuleStatus.FAILING.value: "danger",
}
_HEIGHT: Final = 60  # of the chart; a bar is 10 wide
_DIALOG: Final = duplicate_dialog(
    "Duplicate this rule", "The copy is disabled, so that nothing is told twice. Whether it is muted is not copied."
)


class StatusFilter(ChoiceFilter):
    """By how a rule is doing."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the words."""
        return [(each.value, each.label) for each in RuleStatus]

    def narrow(self, rows: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        """Return the rules that are doing so."""
        return rows.filter(status=chosen)


class RuleHistoryAdmin(DuplicatingAdmin):
    """The part of the admin of rules that tells how they are doing, copies them, and mutes many."""

    @display(description="Status")
    def status_label(self, rule: Any) -> SafeString:
        """How it is doing, in color."""
        return label(rule.status, _STATUS_LABELS.get(rule.status, "default"))

    @display(description="Status")
    def status_text(self, rule: Any) -> SafeString:
        """How it is doing, for its own page."""
        return label(rule.status, _STATUS_LABELS.get(rule.status, "default"))

    @display(description="Last error")
    def last_error_text(self, rule: Rule) -> str:
        """What went wrong last, when, and how often."""
        error = last_error(rule)
        if error is None:
            return EMPTY
        at = localize(timezone.localtime(error["time"]))
        where = f"{error['part']} of {error['action']}" if error["action"] else error["part"]
        return f"{at}, {where}: {error['detail']} ({error['count']} in all)"

    @display(description="Last 24 hours")
    def counts_chart(self, rule: Rule) -> SafeString:
        """How often it matched and what became of its deliveries, hour by hour."""
        now = timezone.now()
        buckets = counts_between(rule, now - timedelta(hours=SHOWN_HOURS - 1), now, HOUR)
        totals = {kind: sum(amounts[kind] for _, amounts in buckets) for kind in KINDS}
        most = max(max(each["matched"], sum(each[kind] for kind in KINDS[1:])) for _, each in buckets)
        bars = [
            {"x": 10 * place, "start": start, "amounts": amounts, "parts": _parts(amounts, most)}
            for place, (start, amounts) in enumerate(buckets)
        ]
        context = {"bars": bars, "totals": totals, "width": 10 * len(bars), "height": _HEIGHT}
        return render_to_string("admin/rules/rule/counts.html", context)

    @display(description="Last runs")
    def runs_table(self, rule: Rule) -> SafeString:
        """The last runs, and the way to all."""
        runs = RunRecord.objects.filter(rule=rule)[:SHOWN_RUNS]
        rows = [
            [
                page_link("rules.runrecord", run.pk, f"Run {run.number}"),
                label(run.outcome, OUTCOME_LABELS[run.outcome]),
                localize(timezone.localtime(run.started_at)),
                f"{run.duration} ms",
                run.found,
                run.detail or EMPTY,
            ]
            for run in runs
        ]
        table = {"headers": ["Run", "Outcome", "Began", "Took", "Found", "Detail"], "rows": rows}
        everything = list_link(
            "rules.runrecord", "All runs", rule_public_id=rule.public_id, space__id__exact=rule.space_id
        )
        return render_to_string("admin/rules/rule/runs.html", {"table": table, "all": everything})

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rules, each with how it is doing."""
        return with_status(super().rows(request)).select_related("space")

    @action(description="Duplicate", permissions=["duplicate"], icon="content_copy", dialog=_DIALOG)
    def duplicate(self, request: HttpRequest, form: DuplicateForm, object_id: str) -> HttpResponse:
        """Copy the rule of this page and lead to the copy; reached by POST from its dialog."""
        return self.answer_duplicate(request, form, object_id, _DIALOG)

    def copy(self, stored: Rule, *, name: str | None, public_id: str | None) -> Rule:
        """Copy the rule."""
        return duplicate_rule(stored, name=name, public_id=public_id)

    @action(description="Mute", permissions=["mute"])
    def mute_selected(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Mute each."""
        _do_to_each(request, queryset.filter(muted=False), mute_rule, "muted")

    @action(description="Unmute", permissions=["mute"])
    def unmute_selected(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Unmute each."""
        _do_to_each(request, queryset.filter(muted=True), unmute_rule, "unmuted")


class OfRule(WordFilter):
    """By the rule that ran."""

    title = "rule ID"
    parameter_name = "rule_public_id"

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        """Return the runs of rules with this ID."""
        return rows.filter(rule__public_id=word)


@admin.register(RunRecord)
class RunRecordAdmin(HotTableAdmin):
    """The runs of rules that run by themselves."""

    abilities = OF_RECORDS
    empty_hint = "A rule that runs by itself, such as one of the type Connector health, leaves one each time."
    list_display = ["number", "outcome_label", "rule_link", "space", "started_at", "duration_text", "found", "detail"]
    list_display_links = ["number"]
    list_filter = [("space", RelatedFilter), ("outcome", ChoicesDropdownFilter), OfRule]
    indexed_filters = ("rule_public_id", "space__id__exact", "outcome__exact")
    fieldsets = [
        (None, {"fields": ["number", "outcome_label", "reason", "detail", "rule_link", "space"]}),
        ("Time", {"fields": ["started_at", "ended_at", "duration_text"]}),
        ("What it found", {"fields": ["found", "opened", "active", "recovered"]}),
    ]

    @display(description="Outcome")
    def outcome_label(self, run: RunRecord) -> SafeString:
        """How it went, in color."""
        return label(run.outcome, OUTCOME_LABELS.get(run.outcome, "default"))

    @display(description="Took")
    def duration_text(self, run: RunRecord) -> str:
        """How long it took."""
        return f"{run.duration} ms"

    @display(description="Rule")
    def rule_link(self, run: RunRecord) -> str | SafeString:
        """The way to its rule."""
        return named_link(run, "rule")

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the runs with their spaces and rules."""
        queryset: QuerySet[Any] = super().rows(request)
        return queryset.prefetch_related("space", "rule")


def _parts(amounts: Mapping[str, int], most: int) -> list[dict[str, Any]]:
    """Return the pieces of a bar from the ground up: what was matched, and before it what became of deliveries."""
    matched = round(_HEIGHT * amounts["matched"] / most, 1) if most else 0
    parts = [{"kind": "matched", "y": _HEIGHT - matched, "height": matched}]
    ground = float(_HEIGHT)
    for kind in KINDS[1:]:
        height = round(_HEIGHT * amounts[kind] / most, 1) if most else 0
        ground -= height
        parts.append({"kind": kind, "y": round(ground, 1), "height": height})
    return [part for part in parts if part["height"]]


def _do_to_each(request: HttpRequest, rows: QuerySet[Rule], change: Callable[[Rule], object], done: str) -> None:
    chosen = list(rows)
    refusals = [(row, refusal) for row, refusal in zip(chosen, apply_to_each(chosen, change), strict=True) if refusal]
    for row, refusal in refusals:
        messages.error(request, f"{row}: {refusal}")
    count = len(chosen) - len(refusals)
    messages.success(request, f"{count} {'rule' if count == 1 else 'rules'} {done}.")
