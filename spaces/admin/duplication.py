"""Copies of objects in the console: a dialog asks what the copy is called."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from spaces.admin.base import BaseDialogForm, TextInput
from spaces.admin.typed_admin import TypedModelAdmin
from spaces.errors import InvalidInput, ReadOnly

_FIELDS: Final = {"/name": "name", "/id": "public_id"}


class DuplicateForm(BaseDialogForm):
    """What the copy is called."""

    form_before_template = "admin/dialog_errors.html"

    name = forms.CharField(
        required=False, widget=TextInput(), help_text="Empty: the name of the original, and “(copy)”."
    )
    public_id = forms.CharField(label="ID", required=False, widget=TextInput(), help_text="Empty: one is made.")

    def get_before_template_context(self, request: HttpRequest, object_id: Any = None) -> dict[str, Any]:
        """Return what is wrong and belongs to no field."""
        return {"errors": self.non_field_errors()}

    def refuse(self, invalid: InvalidInput) -> None:
        """Put what the service refused on the fields that it is about."""
        for error in invalid.errors:
            self.add_error(_FIELDS.get(error.pointer), error.detail)


def duplicate_dialog(title: str, description: str) -> dict[str, Any]:
    """Return the dialog of the action ``duplicate``."""
    return {
        "title": title,
        "description": description,
        "form_class": DuplicateForm,
        "form_submit_text": "Duplicate",
    }


class DuplicatingAdmin(TypedModelAdmin):
    """The part of an admin that copies. Subclasses have the action ``duplicate``, which calls ``answer_duplicate``."""

    def copy(self, stored: Any, *, name: str | None, public_id: str | None) -> Model:
        """Copy the object, by its service; raise InvalidInput or ReadOnly."""
        raise NotImplementedError

    def answer_duplicate(
        self, request: HttpRequest, form: DuplicateForm, object_id: str, dialog: dict[str, Any]
    ) -> HttpResponse:
        """Copy the object of this page and lead to the copy; what is wrong stands in the dialog."""
        stored = self.get_object(request, object_id)
        address = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if stored is None:
            messages.warning(request, f"Somebody deleted this {self.opts.verbose_name} meanwhile.")
            return _go_to(reverse(f"{address}_changelist"))
        try:
            copy = self.copy(
                stored, name=form.cleaned_data["name"] or None, public_id=form.cleaned_data["public_id"] or None
            )
        except InvalidInput as invalid:
            form.refuse(invalid)
        except ReadOnly as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"“{copy}” was copied from “{stored}”.")
            return _go_to(reverse(f"{address}_change", args=[copy.pk]))
        return render(request, "unfold/helpers/dialog.html", {"dialog": dialog, "form": form})


def _go_to(url: str) -> HttpResponse:
    # A redirect would be loaded into the dialog.
    return HttpResponse(headers={"HX-Redirect": url})
