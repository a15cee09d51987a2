"""Copies of connectors in the console."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from connectors.admin.answers import go_to, gone
from connectors.models import Connector
from connectors.services import duplicate_connector
from spaces.admin.base import BaseDialogForm, TextInput, action
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


_DIALOG: Final = {
    "title": "Duplicate this connector",
    "description": "The copy has the same settings, and none of the secrets: nobody can read them. "
    "It is not used until they are entered or given up.",
    "form_class": DuplicateForm,
    "form_submit_text": "Duplicate",
}


class DuplicatingAdmin(TypedModelAdmin):
    """The part of the admin of connectors that copies them."""

    def has_duplicate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may add connectors may copy those that can be changed."""
        return self.may(request, "duplicate", obj) and not self.is_preconfigured(request, obj)

    def is_preconfigured(self, request: HttpRequest, obj: Any) -> bool:
        """Whether it is; the console asks for some permissions with a key in place of the object."""
        connector: Connector | None = self.row(request, obj)
        return connector is not None and connector.is_preconfigured

    @action(description="Duplicate", permissions=["duplicate"], icon="content_copy", dialog=_DIALOG)
    def duplicate(self, request: HttpRequest, form: DuplicateForm, object_id: str) -> HttpResponse:
        """Copy the connector of this page and lead to the copy; reached by POST from its dialog."""
        connector = self.get_object(request, object_id)
        if connector is None:
            return gone(request)
        try:
            copy = duplicate_connector(
                connector, name=form.cleaned_data["name"] or None, public_id=form.cleaned_data["public_id"] or None
            )
        except InvalidInput as invalid:
            form.refuse(invalid)
        except ReadOnly as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"“{copy}” was copied from “{connector}”.")
            return go_to(reverse("admin:connectors_connector_change", args=[copy.pk]))
        return render(request, "unfold/helpers/dialog.html", {"dialog": _DIALOG, "form": form})
