"""Export and import in the console."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connectors.models import Connector
from connectors.transfer.documents import LONGEST, MEDIA_TYPES, Entry, Format, read_file, write_file
from connectors.transfer.exporting import export_objects
from connectors.transfer.importing import Conflicts, ImportReport, ObjectReport, Result, import_objects
from connectors.transfer.kinds import Reference, kinds
from spaces.admin.base import FileInput, Select, Switch, action
from spaces.admin.choosing import chosen_space
from spaces.admin.markup import EMPTY, label, list_link
from spaces.admin.typed_admin import TypedModelAdmin
from spaces.errors import InvalidInput
from spaces.models import Space

_FORMATS: Final = [("ndjson", "NDJSON, one object a line"), ("yaml", "YAML, for people")]
_CONFLICTS: Final = [
    (Conflicts.REFUSE.value, "Refuse the file"),
    (Conflicts.SKIP.value, "Keep the one that is here"),
    (Conflicts.OVERWRITE.value, "Overwrite the one that is here"),
    (Conflicts.NEW_IDS.value, "Give every object of the file a new ID"),
]
_RESULTS: Final = {
    Result.CREATED: "success",
    Result.OVERWRITTEN: "info",
    Result.UNCHANGED: "default",
    Result.SKIPPED: "warning",
    Result.FAILED: "danger",
}


class SpaceForm(forms.Form):
    """A form about one of some spaces."""

    space = forms.ModelChoiceField(Space.objects.none(), empty_label=None, widget=Select())

    def __init__(self, spaces: QuerySet[Space], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["space"].queryset = spaces  # type: ignore[attr-defined]  # it is the field above


class ExportForm(SpaceForm):
    """What to export, and how."""

    form = forms.ChoiceField(label="Format", choices=_FORMATS, widget=Select())


class ImportForm(SpaceForm):
    """A file, and how it comes into a space."""

    file = forms.FileField(widget=FileInput())
    conflicts = forms.ChoiceField(label="An ID that is taken", choices=_CONFLICTS, widget=Select())
    dry_run = forms.BooleanField(label="Only tell what would happen", required=False, initial=True, widget=Switch())

    def entries(self) -> Sequence[Entry] | None:
        """Return the objects of the file; None where it cannot be read, which is then an error here."""
        file = self.cleaned_data["file"]
        longest = max(LONGEST.values())
        if file.size > longest:
            self.add_error("file", f"The file has {file.size:,} bytes; one may have {longest:,}.")
            return None
        try:
            return read_file(file.read())
        except InvalidInput as invalid:
            for error in invalid.errors:
                self.add_error("file", error.detail)
        return None


class TransferAdmin(TypedModelAdmin):
    """The part of the admin of connectors that exports and imports, whole spaces too."""

    actions_list = ["export_space", "import_file"]

    def verb_of(self, pattern: URLPattern) -> str:
        """Return what one does at this address."""
        verb = super().verb_of(pattern)
        return {"export_space": "export", "import_file": "import"}.get(verb, verb)

    @admin.action(description="Export as NDJSON", permissions=["export"])
    def export_ndjson(self, request: HttpRequest, queryset: QuerySet[Connector]) -> HttpResponse | None:
        """Answer with a file of the chosen connectors."""
        return _export_chosen(request, queryset, "ndjson")

    @admin.action(description="Export as YAML", permissions=["export"])
    def export_yaml(self, request: HttpRequest, queryset: QuerySet[Connector]) -> HttpResponse | None:
        """Answer with a file of the chosen connectors."""
        return _export_chosen(request, queryset, "yaml")

    @action(description="Export", permissions=["export"], icon="download")
    def export_space(self, request: HttpRequest) -> HttpResponse:
        """Show the form; by POST, answer with a file of the space."""
        spaces = self.spaces(request, "export")
        sent = request.POST if request.method == "POST" else None
        form = ExportForm(spaces, sent, initial={"space": chosen_space(request, spaces)})
        if request.method == "POST" and form.is_valid():
            space: Space = form.cleaned_data["space"]
            return _file(space, export_objects(space).documents, form.cleaned_data["form"])
        return self._page(request, "export", "Export a space", form, {})

    @action(description="Import", permissions=["import"], icon="upload")
    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Show the form; by POST, import the file or tell what that would do, with a report on each object."""
        is_sent = request.method == "POST"
        spaces = self.spaces(request, "import")
        form = ImportForm(
            spaces,
            request.POST if is_sent else None,
            request.FILES if is_sent else None,
            initial={"space": chosen_space(request, spaces)},
        )
        report: dict[str, Any] = {}
        if is_sent and form.is_valid() and (entries := form.entries()) is not None:
            cleaned = form.cleaned_data
            space: Space = cleaned["space"]
            conflicts, dry_run = Conflicts(cleaned["conflicts"]), cleaned["dry_run"]
            report = {"report": _shown(space, import_objects(space, entries, conflicts=conflicts, dry_run=dry_run))}
        return self._page(request, "import", "Import a file", form, report)

    def _page(
        self, request: HttpRequest, name: str, title: str, form: forms.Form, context: dict[str, Any]
    ) -> TemplateResponse:
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "form": form,
            "media": self.media + form.media,
            **context,
        }
        return TemplateResponse(request, f"admin/connectors/connector/{name}.html", whole)


def _export_chosen(request: HttpRequest, queryset: QuerySet[Connector], form: Format) -> HttpResponse | None:
    by_space: dict[Space | None, list[Connector]] = defaultdict(list)
    for connector in queryset.select_related("space"):
        by_space[connector.space].append(connector)
    if preconfigured := by_space.pop(None, []):
        names = ", ".join(connector.public_id for connector in preconfigured[:10])
        messages.error(request, f"Preconfigured connectors stand in CONNECTORS_FILE and are not exported: {names}.")
        return None
    if len(by_space) != 1:
        messages.error(request, "Choose connectors of one space: a file is of one.")
        return None
    ((space, connectors),) = by_space.items()
    assert space is not None
    try:
        export = export_objects(space, [Reference("connector", connector.public_id) for connector in connectors])
    except InvalidInput as invalid:  # deleted meanwhile
        messages.error(request, " ".join(error.detail for error in invalid.errors))
        return None
    return _file(space, export.documents, form)


def _file(space: Space, documents: Sequence[dict[str, Any]], form: Format) -> HttpResponse:
    return HttpResponse(
        write_file(space.slug, documents, form),
        content_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{space.slug}.{form}"'},
    )


def _shown(space: Space, report: ImportReport) -> dict[str, Any]:
    return {
        "is_applied": report.is_applied,
        "has_failed": report.has_failed,
        "verdict": _verdict(report),
        "table": {
            "headers": ["Line", "Result", "Type", "Object", "What to know"],
            "rows": [_row(space, each, is_applied=report.is_applied) for each in report.objects],
        },
    }


def _verdict(report: ImportReport) -> str:
    if report.has_failed:
        return f"Nothing was imported: of {len(report.objects)} objects {report.counts[Result.FAILED]} cannot be."
    counts = ", ".join(f"{count} {result}" for result, count in report.counts.items())
    return f"This is what would happen; nothing was changed: {counts}." if report.is_dry_run else f"Done: {counts}."


def _row(space: Space, each: ObjectReport, *, is_applied: bool) -> list[Any]:
    is_done = is_applied or each.result is Result.FAILED
    return [
        each.line,
        label(each.result.value if is_done else f"would be {each.result}", _RESULTS[each.result]),
        each.type or EMPTY,
        _object(space, each, is_applied=is_applied),
        format_html_join("", "<p>{}</p>", ((line,) for line in _notes(each))) or EMPTY,
    ]


def _object(space: Space, each: ObjectReport, *, is_applied: bool) -> SafeString:
    name, public_id = each.name or EMPTY, each.id or each.file_id
    kind = kinds().get(each.type)
    if is_applied and each.id and kind is not None:
        name = list_link(kind.row_model._meta.label_lower, name, public_id=each.id, space__id__exact=space.pk)
    return format_html('{} <code class="sy-inline">{}</code>', name, public_id)


def _notes(each: ObjectReport) -> list[str]:
    notes = [f"{error.pointer.strip('/')}: {error.detail}".removeprefix(": ") for error in each.errors]
    notes += [each.detail] if each.detail else []
    if each.missing_secrets:
        notes.append(f"Secrets to enter before it is used: {', '.join(each.missing_secrets)}.")
    return [*notes, *each.warnings]
