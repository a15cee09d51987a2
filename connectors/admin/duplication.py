"""Copies of connectors in the console."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from connectors.models import Connector
from connectors.services import duplicate_connector
from spaces.admin.base import action
from spaces.admin.duplication import DuplicateForm, DuplicatingAdmin, duplicate_dialog

_DIALOG: Final = duplicate_dialog(
    "Duplicate this connector",
    "The copy has the same settings, and none of the secrets: nobody can read them. "
    "It is not used until they are entered or given up.",
)


class DuplicatingConnectors(DuplicatingAdmin):
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
        return self.answer_duplicate(request, form, object_id, _DIALOG)

    def copy(self, stored: Connector, *, name: str | None, public_id: str | None) -> Connector:
        """Copy the connector."""
        return duplicate_connector(stored, name=name, public_id=public_id)
