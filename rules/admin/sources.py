"""The console's pages of sources."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.models import Connector
from rules.models import Source, SourceStatus
from rules.services import create_source, delete_source, update_source
from rules.services.source_status import LIVE_FOR
from rules.sources.registry import all_types
from spaces.admin.base import BooleanRadioFilter, ChoicesDropdownFilter, display
from spaces.admin.choosing import SelectOfSpace, ask, ask_for_space, chosen_space
from spaces.admin.filters import AutocompleteFilter, RelatedFilter
from spaces.admin.markup import EMPTY, json_block, label, object_link
from spaces.admin.schema_fields import SchemaFields
from spaces.admin.scoping import OF_OBJECTS, scoped
from spaces.admin.typed_admin import Sections, TypedForm, TypedModelAdmin
from spaces.models import Space
from spaces.validation import reject

_LABELS: Final = {
    SourceStatus.UNKNOWN: "default",
    SourceStatus.CONNECTED: "success",
    SourceStatus.WAITING: "warning",
    SourceStatus.DISCONNECTED: "danger",
    SourceStatus.STOPPED: "danger",
    SourceStatus.DISABLED: "default",
}


class SourceForm(TypedForm):
    """A source; its params are those of its connector's type."""

    source_type: ClassVar[str] = ""

    class Meta:
        model = Source
        fields = ["name", "public_id", "connector", "enabled"]

    @property
    def type_id(self) -> str:
        """The id of the connector's type."""
        return self.source_type


@admin.register(Source)
class SourceAdmin(TypedModelAdmin):
    """How events come in: what is read through connectors."""

    abilities = OF_OBJECTS
    form: type[forms.ModelForm[Any]] = SourceForm
    empty_hint = "A source reads events through a connector, such as Kafka topics. Over HTTP they come in without one."
    list_display = ["name_and_id", "space", "connector_link", "status_label", "enabled", "lag_shown", "last_event_at"]
    list_filter = [
        ("space", RelatedFilter),
        ("connector", AutocompleteFilter),
        ("status", ChoicesDropdownFilter),
        ("enabled", BooleanRadioFilter),
    ]
    list_filter_submit = True
    list_select_related = ["space", "connector"]
    list_per_page = 50
    search_fields = ["name", "public_id", "connector__name", "connector__public_id"]
    actions = ["enable_selected", "disable_selected"]
    section_titles: ClassVar = {
        "params": (
            "Messages",
            "What is read, and which event each message is. Templates find the message: {{ message.value.site }}.",
        )
    }
    change_form_outer_before_template = "admin/rules/source/before.html"

    @display(description="Source", header=True, ordering="name")
    def name_and_id(self, source: Source) -> tuple[str, str]:
        """Name over ID."""
        return source.name, source.public_id

    @display(description="Connector", ordering="connector__name")
    def connector_link(self, source: Source) -> str:
        """The connector that the source reads through."""
        if source.connector is None:
            return f"{source.lost_connector_id} (deleted)"
        return object_link(source.connector, source.connector.name)

    @display(description="Status", ordering="status")
    def status_label(self, source: Source) -> SafeString:
        """Whether events come in, and why not; the whole detail stands in the title."""
        shown = _label(source.status)
        if not source.status_detail:
            return shown
        return format_html(
            '{} <span class="sy-inline" title="{}">{}</span>', shown, source.status_detail, source.status_reason or "…"
        )

    @display(description="Lag", ordering="lag")
    def lag_shown(self, source: Source) -> str:
        """How many messages wait to be read."""
        return EMPTY if source.lag is None else f"{source.lag:,}"

    @display(description="Messages")
    def params_block(self, source: Source) -> SafeString:
        """What is read, where it cannot be changed."""
        return json_block(source.params)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Ask for the space and the connector first: the connector's type tells the form's fields."""
        spaces = self.spaces(request, "add")
        connector, space = self._connector(request, None), chosen_space(request, spaces)
        is_known = connector is not None and (space or connector.space)
        if request.method == "POST" or is_known or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        if space is None:
            return ask_for_space(self, request, spaces)
        kinds = " or ".join(sorted(all_types()))
        add_url = reverse("admin:connectors_connector_add")
        hint = format_html(
            'Of type {}. Not among them? <a class="text-link" href="{}">Add a connector</a> first.', kinds, add_url
        )
        field = forms.ModelChoiceField(self._offered(request, space.pk), widget=self._select(space.pk), help_text=hint)
        return ask(self, request, "connector", field)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the form below how the source is."""
        source = self.get_object(request, unquote(object_id))
        shown = {"status": _facts(source)} if source is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @property
    def conditional_fields(self) -> dict[str, str]:
        """Nothing: the form has the fields of one type only."""
        return {}

    def sections(self) -> Sections:
        """Return the params of every source type."""
        return {
            declared.id: (SchemaFields(declared.params_model, f"{declared.id}_params", "params", "/params"),)
            for declared in all_types().values()
        }

    def sections_for(self, request: HttpRequest, obj: Source | None) -> Sections:
        """Return the params of the type of the source's connector."""
        if self.is_shown_only(request, obj):
            return {}
        type_id = self._type_id(request, obj)
        sections = self.sections().get(type_id)
        return {type_id: sections} if sections else {}

    def own_fields(self, request: HttpRequest, obj: Source | None) -> dict[str, Any]:
        """Return the type, and the choice of connectors of the same space."""
        connector = self._connector(request, obj)
        space = obj.space if obj else self._space(request, connector)
        space_id = space.pk if space else None
        field = forms.ModelChoiceField(self._offered(request, space_id), widget=self._select(space_id))
        own = super().own_fields(request, obj) if obj else {}
        return {**own, "source_type": self._type_id(request, obj), "connector": field}

    def own_fieldsets(self, request: HttpRequest, obj: Source | None) -> list[Any]:
        """Return what every source has."""
        fields = ["name", "public_id", "connector", "enabled"]
        return [(None, {"fields": [*fields, "space", "seen_version"] if obj else fields})]

    def shown_fieldsets(self, obj: Source) -> list[Any]:
        """Return what the page shows of a source that cannot be changed."""
        return [
            (None, {"fields": ["name", "public_id", "connector_link", "enabled", "space"]}),
            ("Messages", {"fields": ["params_block"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> list[Any]:
        """Return the fields that never change."""
        return ["public_id", "space"] if obj else []

    def add(self, request: HttpRequest, form: SourceForm) -> Source:
        """Create the source in its connector's space, in the chosen one where the connector stands in all."""
        space = self._space(request, form.cleaned_data["connector"])
        if space is None:
            raise reject("/connector", "It stands in every space: choose the source's space first.")
        return create_source(space, public_id=form.cleaned_data["public_id"] or None, **_changes(form))

    def change(self, request: HttpRequest, stored: Source, form: SourceForm) -> Source:
        """Change the source."""
        return update_source(stored, **_changes(form))

    def delete(self, stored: Source) -> None:
        """Delete the source."""
        delete_source(stored)

    def switch(self, stored: Source, enabled: bool) -> None:
        """Enable or disable the source."""
        update_source(stored, enabled=enabled)

    def users(self, stored: Source) -> list[Model]:
        """Return nothing: nothing refers to a source."""
        return []

    def _select(self, space_id: int | None) -> SelectOfSpace:
        select = SelectOfSpace(Source._meta.get_field("connector"), self.admin_site)
        select.space_id = space_id
        return select

    def _type_id(self, request: HttpRequest, source: Source | None) -> str:
        if source is not None:
            return source.type
        connector = self._connector(request, None)
        return connector.type if connector else ""

    def _connector(self, request: HttpRequest, source: Source | None) -> Connector | None:
        """Return the connector that the request names, else the source's."""
        named = request.POST.get("connector") or request.GET.get("connector") or ""
        offered = self._offered(request, source.space_id if source else None)
        found = offered.filter(pk=int(named)).first() if named.isdecimal() else None
        return found or (source.connector if source else None)

    def _offered(self, request: HttpRequest, space_id: int | None) -> QuerySet[Connector]:
        """Return the connectors that a source in the space may have; without one, in any that one may be added to."""
        seen = scoped(Connector).plain(request).filter(type__in=all_types())
        if space_id is not None:
            return seen.filter(pk__in=Connector.objects.usable_in(space_id).order_by().values("pk"))
        return seen.filter(space=None) | seen.filter(space__in=self.spaces(request, "add"))

    def _space(self, request: HttpRequest, connector: Connector | None) -> Space | None:
        """Return the space of a new source through the connector."""
        return connector.space if connector and connector.space else chosen_space(request, self.spaces(request, "add"))


def _changes(form: SourceForm) -> dict[str, Any]:
    return {
        "connector": form.cleaned_data["connector"],
        "name": form.cleaned_data["name"],
        "params": form.collect("params"),
        "enabled": form.cleaned_data["enabled"],
    }


def _label(status: str) -> SafeString:
    known = SourceStatus(status)
    return label(str(known.label), _LABELS[known])


def _facts(source: Source) -> list[tuple[str, Any]]:
    """Return what the page's panel of the status shows."""
    facts: list[tuple[str, Any]] = [("Status", _label(source.status))]
    if source.status_reason:
        facts.append(("Reason", format_html('<span class="sy-inline">{}</span>', source.status_reason)))
    if source.status_detail:
        facts.append(("Detail", source.status_detail))
    facts += [
        ("Since", source.status_since),
        ("Lag", EMPTY if source.lag is None else f"{source.lag:,} messages"),
        ("Events", f"{source.accepted_count:,} stored, the last at {_time(source.last_event_at)}"),
        ("Known already", f"{source.duplicate_count:,} messages"),
        ("Refused", f"{source.refused_count:,} messages"),
    ]
    if source.last_refusal:
        facts.append(("Last refused", format_html("{}: {}", _time(source.last_refusal_at), source.last_refusal)))
    readers = source.readers.filter(seen_at__gte=timezone.now() - LIVE_FOR).order_by("process")
    facts.append(("Read by", ", ".join(reader.process for reader in readers) or EMPTY))
    return facts


def _time(moment: Any) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}" if moment else EMPTY
