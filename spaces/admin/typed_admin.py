"""Admin of objects that have a type: the type's pydantic models give the form its further fields."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest

from spaces.admin.base import Select, TextInput, display
from spaces.admin.schema_fields import SchemaFields, Unchecked
from spaces.admin.service_admin import ServiceForm, ServiceModelAdmin

_CHANGED_MEANWHILE = "Somebody changed this since you opened it. Open it again, and enter your changes anew."

Sections = Mapping[str, Sequence[SchemaFields]]


class TypedForm(ServiceForm):
    """A form with the fields of several types, of which only the chosen type's are checked and taken."""

    # By type id. One type alone is the chosen one.
    sections: ClassVar[Sections] = {}

    public_id = forms.CharField(
        label="ID", required=False, widget=TextInput(), help_text="Used in URLs and exports. Empty: one is made."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            self._leave_unchecked()

    @property
    def type_id(self) -> str:
        """The id of the chosen type."""
        return str(self.instance.type if self.instance.pk else self.data.get("type", ""))

    @property
    def chosen(self) -> Sequence[SchemaFields]:
        """The chosen type's sections, none where that type is not installed."""
        return self.sections.get(self.type_id, ())

    def collect(self, attribute: str) -> dict[str, Any]:
        """Return the values of the chosen type's section for this attribute of the object."""
        for section in self.chosen:
            if section.attribute == attribute:
                return section.collect(self.cleaned_data)
        return {}

    def locate(self, pointer: str) -> tuple[str, str] | None:
        """Return the field of a pointer into the object as the API shows it."""
        if pointer == "/id":
            return super().locate("/public_id")
        for section in self.chosen:
            if place := section.locate(pointer):
                return place
        return super().locate(pointer)

    def clean(self) -> dict[str, Any]:
        """Refuse to undo what somebody else changed since this form was opened."""
        cleaned = super().clean()
        if cleaned.get("seen_version") not in (None, self.instance.version):
            self.add_error(None, _CHANGED_MEANWHILE)
        return cleaned

    def _leave_unchecked(self) -> None:
        for type_id, sections in self.sections.items():
            if type_id != self.type_id:
                for name in chain.from_iterable(section.form_names() for section in sections):
                    self.fields[name] = Unchecked(self.fields[name])


class TypedModelAdmin(ServiceModelAdmin):
    """A ServiceModelAdmin whose form shows the fields of the type that is chosen."""

    # Title and description of each group of fields, by attribute of the object.
    section_titles: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def sections(self) -> Sections:
        """Return the sections of every installed type."""
        raise NotImplementedError

    def type_choices(self) -> list[tuple[str, str]]:
        """Return id and name of every installed type."""
        raise NotImplementedError

    @display(description="Type", ordering="type")
    def type_name(self, obj: Any) -> str:
        """The type's name; its id where the type is not installed."""
        return dict(self.type_choices()).get(obj.type, f"{obj.type} (not installed)")

    def own_fieldsets(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Return the groups of the object's own fields."""
        kind = ["type_name", "enabled", "seen_version"] if obj else ["type", "enabled"]
        return [(None, {"fields": ["name", "public_id", "space", *kind]})]

    def is_shown_only(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the page of the object shows it, and has no form."""
        return obj is not None and not self.has_change_permission(request, obj)

    def shown_fieldsets(self, obj: Any) -> list[Any]:
        """Return the groups of what the page shows of an object that cannot be changed."""
        raise NotImplementedError

    def sections_for(self, request: HttpRequest, obj: Any) -> Sections:
        """Return the sections that the form of this object has: every type's for a new one."""
        if self.is_shown_only(request, obj):
            return {}
        installed = self.sections()
        return installed if obj is None else {obj.type: installed.get(obj.type, ())}

    def own_fields(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return the form's attributes beside the sections' fields."""
        if obj is None:
            return {"type": forms.ChoiceField(choices=self.type_choices(), widget=Select())}
        seen = forms.IntegerField(required=False, initial=obj.version, widget=forms.HiddenInput())
        return {"public_id": None, "seen_version": seen}

    def values(self, request: HttpRequest, section: SchemaFields, obj: Any) -> Mapping[str, Any]:
        """Return what fills the section's fields."""
        values: Mapping[str, Any] = getattr(obj, section.attribute) if obj else {}
        return values

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form with the fields of the types, filled from the object."""
        sections = self.sections_for(request, obj)
        attributes: dict[str, Any] = {"sections": sections, **self.own_fields(request, obj)}
        for section in chain.from_iterable(sections.values()):
            attributes.update(section.build(self.values(request, section, obj)))
        return super().get_form(request, obj, change, form=type("TypedForm", (self.form,), attributes), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the object's own groups of fields, then one for each attribute that depends on the type."""
        if self.is_shown_only(request, obj):
            return self.shown_fieldsets(obj)
        names: dict[str, list[str]] = {attribute: [] for attribute in self.section_titles}
        for section in chain.from_iterable(self.sections_for(request, obj).values()):
            names[section.attribute] += section.build(self.values(request, section, obj))
        groups = self.own_fieldsets(request, obj)
        for attribute, (title, description) in self.section_titles.items():
            if names[attribute]:
                groups.append((title, {"fields": names[attribute], "description": description}))
        return groups

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields that never change."""
        return ["public_id", "space", "type_name"] if obj else []

    @property
    def conditional_fields(self) -> dict[str, str]:
        """When the console shows each type's fields, as expressions over the form's other fields.

        The form of an object that exists has no field ``type``, and the fields of its own type alone.
        """
        return {
            name: f"typeof type === 'undefined' || type === {type_id!r}"
            for type_id, sections in self.sections().items()
            for section in sections
            for name in section.form_names()
        }
