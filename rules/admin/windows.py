"""The console's pages of maintenance windows."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.safestring import SafeString

from rules.models import MaintenanceWindow
from rules.services.windows import create_window, delete_window, update_window
from rules.silences.stored import WindowStatus, begins_next, status_of
from spaces.admin.base import BooleanRadioFilter, NumberInput, Select, TextInput, display
from spaces.admin.choosing import ask_for_space, chosen_space
from spaces.admin.filters import RelatedFilter
from spaces.admin.json_fields import CodeArea, LinesField
from spaces.admin.markup import EMPTY, code, json_block, label
from spaces.admin.scoping import OF_OBJECTS
from spaces.admin.typed_admin import Sections, TypedForm, TypedModelAdmin

_LABELS: Final[Mapping[WindowStatus, str]] = {
    WindowStatus.UPCOMING: "info",
    WindowStatus.RUNNING: "warning",
    WindowStatus.FINISHED: "default",
    WindowStatus.DISABLED: "default",
}
_ONCE: Final = ("start", "duration", "timezone")
_RECURRING: Final = ("every", "on_week_day", "on_month_day", "end", "occurrences")
_WHAT: Final = ("condition", "rules", "tags")


def _text(help_text: str, *, required: bool = False, **rest: Any) -> forms.CharField:
    return forms.CharField(required=required, widget=TextInput(), help_text=help_text, **rest)


def _number(help_text: str, *, required: bool = False) -> forms.IntegerField:
    return forms.IntegerField(required=required, widget=NumberInput(), help_text=help_text)


class WindowForm(TypedForm):
    """A maintenance window."""

    start = _text("When it opens first, with its offset from UTC: 2026-01-04T01:00+01:00.", required=True)
    duration = _number("Seconds that it stays open, from 60.", required=True)
    timezone = _text("By whose clock it recurs, such as Europe/Berlin.", required=True, initial="UTC")
    every = _text("1d, 2w, 1M: every so many days, weeks or months. Empty: it opens once.")
    on_week_day = _text("Such as MO FR; of months +1MO, the first, -1FR, the last. Empty: that of the start.")
    on_month_day = _text("Such as 1 15 -1, the last. Empty: that of the start.")
    end = _text("It does not open later than this.")
    occurrences = _number("How often it opens. Empty: without end.")
    condition = forms.CharField(
        required=False,
        widget=CodeArea(rows=3),
        help_text='CEL over the event, such as event.source.startsWith("/plant/north"). Empty: all events.',
    )
    rules = LinesField(
        required=False, help_text="IDs of rules, one on each line. With neither rules nor tags: all of the space."
    )
    tags = LinesField(required=False, help_text="One on each line: also about the rules with one of them.")

    class Meta:
        model = MaintenanceWindow
        fields = ["name", "public_id", "space", "enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            return
        stored = self.instance.schedule
        recurring = stored["recurring"] or {}
        self.initial.update({name: stored[name] for name in _ONCE})
        self.initial.update({name: _shown(recurring.get(name)) for name in _RECURRING})
        self.initial["condition"] = self.instance.condition
        self.initial.update({name: LinesField().to_text(getattr(self.instance, name)) for name in ("rules", "tags")})

    @property
    def type_id(self) -> str:
        """Windows are of one type."""
        return ""

    def locate(self, pointer: str) -> tuple[str, str] | None:
        """Return the field of a pointer; what is said of a part of the schedule stands where that is entered."""
        way = pointer.removeprefix("/schedule").removeprefix("/recurring").removeprefix("/")
        if not pointer.startswith("/schedule"):
            return super().locate(pointer)
        name, _, rest = way.partition("/")
        return (name, rest) if name in self.fields else ("every" if "/recurring" in pointer else "start", way)

    def changes(self) -> dict[str, Any]:
        """Return what the form says of the window."""
        said = self.cleaned_data
        recurring = {
            "every": said["every"],
            "on_week_day": said["on_week_day"].replace(",", " ").split(),
            "on_month_day": [_whole(each) for each in said["on_month_day"].replace(",", " ").split()],
            "end": said["end"] or None,
            "occurrences": said["occurrences"],
        }
        is_recurring = any(recurring.values())
        schedule = {**{name: said[name] for name in _ONCE}, "recurring": recurring if is_recurring else None}
        return {name: said[name] for name in ("name", "enabled", *_WHAT)} | {"schedule": schedule}


@admin.register(MaintenanceWindow)
class WindowAdmin(TypedModelAdmin):
    """When nobody hears of what rules find."""

    abilities = OF_OBJECTS
    form: type[forms.ModelForm[Any]] = WindowForm
    empty_hint = "While a maintenance window is open, what rules would send is recorded as suppressed."
    list_display = ["name_and_id", "space", "status_label", "enabled", "next_start", "condition_short", "updated_at"]
    list_filter = [("space", RelatedFilter), ("enabled", BooleanRadioFilter)]
    list_filter_submit = True
    list_select_related = ["space"]
    list_per_page = 50
    search_fields = ["name", "public_id"]
    actions = ["enable_selected", "disable_selected"]

    @display(description="Window", header=True, ordering="name")
    def name_and_id(self, window: MaintenanceWindow) -> tuple[str, str]:
        """Name over ID."""
        return window.name, window.public_id

    @display(description="Status")
    def status_label(self, window: MaintenanceWindow) -> SafeString:
        """Whether it is open."""
        status = status_of(window, timezone.now())
        return label(status.value, _LABELS[status])

    @display(description="Opens next")
    def next_start(self, window: MaintenanceWindow) -> str:
        """When it opens next."""
        begin = begins_next(window, timezone.now())
        return localize(timezone.localtime(begin)) if begin else EMPTY

    @display(description="Condition")
    def condition_short(self, window: MaintenanceWindow) -> str | SafeString:
        """The beginning of the condition."""
        return code(window.condition) if window.condition else EMPTY

    @display(description="When it is open")
    def schedule_block(self, window: MaintenanceWindow) -> SafeString:
        """The schedule, where it cannot be changed."""
        return json_block(window.schedule)

    @display(description="Rules and tags")
    def rules_text(self, window: MaintenanceWindow) -> str:
        """Which rules it is about, where that cannot be changed."""
        return ", ".join([*window.rules, *(f"tag {tag}" for tag in window.tags)]) or "All rules of the space"

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Ask for the space first, where there are several."""
        spaces = self.spaces(request, "add")
        if request.method == "POST" or chosen_space(request, spaces) or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        return ask_for_space(self, request, spaces)

    def sections(self) -> Sections:
        """Return nothing: windows are of one type."""
        return {}

    def sections_for(self, request: HttpRequest, obj: Any) -> Sections:
        """Return nothing, as above."""
        return {}

    def own_fields(self, request: HttpRequest, obj: MaintenanceWindow | None) -> dict[str, Any]:
        """Return the choice of the space of a new window."""
        if obj is not None:
            return super().own_fields(request, obj)
        spaces = self.spaces(request, "add")
        space = chosen_space(request, spaces)
        offered = spaces.filter(pk=space.pk) if space else spaces
        return {"space": forms.ModelChoiceField(offered, initial=space, empty_label=None, widget=Select())}

    def own_fieldsets(self, request: HttpRequest, obj: MaintenanceWindow | None) -> list[Any]:
        """Return the groups of the form."""
        fields = ["name", "public_id", "space", "enabled"]
        return [
            (None, {"fields": [*fields, "seen_version"] if obj else fields}),
            ("When it is open", {"fields": list(_ONCE)}),
            ("How it recurs", {"fields": list(_RECURRING)}),
            ("What it is about", {"fields": list(_WHAT)}),
        ]

    def shown_fieldsets(self, obj: MaintenanceWindow) -> list[Any]:
        """Return what the page shows of a window that cannot be changed."""
        return [
            (None, {"fields": ["name", "public_id", "space", "enabled", "status_label", "next_start"]}),
            ("When it is open", {"fields": ["schedule_block"]}),
            ("What it is about", {"fields": ["condition", "rules_text"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields that never change."""
        return ["public_id", "space"] if obj else []

    def add(self, request: HttpRequest, form: WindowForm) -> MaintenanceWindow:
        """Create the window."""
        public_id = form.cleaned_data["public_id"] or None
        return create_window(form.cleaned_data["space"], public_id=public_id, **form.changes())

    def change(self, request: HttpRequest, stored: MaintenanceWindow, form: WindowForm) -> MaintenanceWindow:
        """Change the window."""
        return update_window(stored, **form.changes())

    def delete(self, stored: MaintenanceWindow) -> None:
        """Delete the window."""
        delete_window(stored)

    def switch(self, stored: MaintenanceWindow, enabled: bool) -> None:
        """Enable or disable the window."""
        update_window(stored, enabled=enabled)


def _shown(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _whole(text: str) -> int | str:
    """Return the number; what is none is left for the service to refuse."""
    return int(text) if text.lstrip("+-").isdecimal() and text.isascii() and len(text) < 10 else text
