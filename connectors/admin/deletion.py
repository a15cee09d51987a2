"""Deletion of connectors in the console."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from connectors.admin.status import users_context
from connectors.models import Connector
from connectors.services import delete_connector, delete_connectors, is_used
from spaces.admin.base import Checkbox, RadioSelect, Select, TextInput
from spaces.admin.typed_admin import TypedModelAdmin
from spaces.errors import InUse, InvalidInput, ReadOnly

SHOWN: Final = 100

REFUSE, FORCE, REPLACE = "refuse", "force", "replace"


class DeleteForm(forms.Form):
    """Confirms the deletion of a connector and says what becomes of its users."""

    users = forms.ChoiceField(
        label="What uses it",
        required=False,
        initial=REFUSE,
        widget=RadioSelect(),
        choices=[
            (REFUSE, "Keep the connector while it is used"),
            (REPLACE, "Move it to another connector"),
            (FORCE, "Leave it without a connector"),
        ],
        help_text="Moved, it takes along what waits to be delivered. Left without one, what waits ends dead, and so "
        "does what comes until it gets another.",
    )
    replace_with = forms.ModelChoiceField(
        Connector.objects.none(), required=False, widget=Select(), help_text="Of the same type and space."
    )
    confirm_id = forms.CharField(
        label="Write its ID to confirm", widget=TextInput({"autocomplete": "off", "spellcheck": "false"})
    )

    _fields: ClassVar = {"/replace_with": "replace_with"}

    def __init__(self, connector: Connector, *args: Any, is_used: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connector = connector
        self.fields["confirm_id"].help_text = format_html(
            'Its ID is <code class="sy-inline sy-key">{}</code>.', connector.public_id
        )
        offered = Connector.objects.usable_in(connector.space_id or 0).filter(type=connector.type)
        self.fields["replace_with"].queryset = offered.exclude(pk=connector.pk)  # type: ignore[attr-defined]
        if not is_used:
            del self.fields["users"], self.fields["replace_with"]

    def clean_confirm_id(self) -> str:
        """Take the connector's own ID only."""
        if self.cleaned_data["confirm_id"] != self._connector.public_id:
            raise forms.ValidationError("Nothing was deleted: that is not its ID.")
        return self._connector.public_id

    def clean(self) -> dict[str, Any]:
        """Ask for the other connector where what uses this one is to move."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("users") == REPLACE and not cleaned.get("replace_with") and "replace_with" not in self.errors:
            self.add_error("replace_with", "Choose the connector that it moves to.")
        return cleaned

    def carry_out(self) -> bool:
        """Delete the connector and return whether that was done; what keeps it from being done is an error here."""
        choice = self.cleaned_data.get("users")
        replacement = self.cleaned_data["replace_with"] if choice == REPLACE else None
        try:
            delete_connector(self._connector, force=choice == FORCE, replace_with=replacement)
        except InvalidInput as invalid:
            for error in invalid.errors:
                self.add_error(self._fields.get(error.pointer), error.detail)
        except (InUse, ReadOnly) as refusal:
            self.add_error(None, str(refusal))
        else:
            return True
        return False


class ManyForm(forms.Form):
    """How many connectors are deleted together."""

    force = forms.BooleanField(
        label="Also those that are in use; what uses them stays without a connector", required=False, widget=Checkbox()
    )


class DeletingAdmin(TypedModelAdmin):
    """The part of the admin of connectors that deletes them."""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what uses the connector and how to go about it; by POST, with its ID written, delete it."""
        listed = reverse("admin:connectors_connector_changelist")
        connector = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, connector):
            raise PermissionDenied
        if connector is None:
            messages.warning(request, f"There is no connector with the key “{unquote(object_id)}”.")
            return HttpResponseRedirect(listed)
        form = DeleteForm(connector, request.POST if request.method == "POST" else None, is_used=is_used(connector))
        if request.method == "POST" and form.is_valid():
            try:
                if form.carry_out():
                    messages.success(request, f"The connector “{connector}” was deleted.")
                    return HttpResponseRedirect(listed)
            except Connector.DoesNotExist:
                messages.warning(request, "Somebody deleted this connector meanwhile.")
                return HttpResponseRedirect(listed)
        context = {
            **self.admin_site.each_context(request),
            **users_context(request, connector),
            **(extra_context or {}),
            "opts": self.opts,
            "title": f"Delete {connector}",
            "object": connector,
            "form": form,
            "media": self.media + form.media,
            "back": reverse("admin:connectors_connector_change", args=[connector.pk]),
        }
        return TemplateResponse(request, "admin/connectors/connector/delete.html", context)

    @admin.action(description="Delete", permissions=["delete"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[Connector]) -> HttpResponse | None:
        """Ask first, then delete each on its own and tell what became of it."""
        if request.POST.get("confirmed") != "yes":
            return self._ask(request, queryset)
        results = delete_connectors(list(queryset), force=request.POST.get("force") == "on")
        for public_id, refusal in results[:SHOWN]:
            if refusal:
                messages.error(request, f"{public_id}: {refusal}")
            else:
                messages.success(request, f"{public_id}: deleted.")
        if rest := results[SHOWN:]:
            refused = sum(bool(refusal) for _, refusal in rest)
            messages.info(request, f"And {len(rest) - refused} more deleted, {refused} more refused.")
        return None

    def _ask(self, request: HttpRequest, queryset: QuerySet[Connector]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Delete connectors",
            "connectors": queryset[:SHOWN],
            "count": queryset.count(),
            "keys": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "across": request.POST.get("select_across", "0"),
            "form": ManyForm(),
            "media": self.media,
            "back": reverse("admin:connectors_connector_changelist"),
        }
        return TemplateResponse(request, "admin/connectors/connector/delete_chosen.html", context)
