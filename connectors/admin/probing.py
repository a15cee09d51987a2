"""Tests of connectors in the console: saved ones, and settings that are still in the form."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from connectors.admin.answers import gone
from connectors.admin.forms import ConnectorForm
from connectors.admin.status import status_context
from connectors.models import Connector
from connectors.services import Probe, probe_connector, probe_settings, reconnect
from connectors.steps import Step
from spaces.admin.base import BaseDialogForm, action
from spaces.admin.markup import label, seconds
from spaces.admin.typed_admin import TypedModelAdmin
from spaces.errors import InvalidInput, ReadOnly

_NANOSECONDS: Final = 1e9  # in a second
_URL_NAME: Final = "connectors_connector_probe_settings"


class ProbingAdmin(TypedModelAdmin):
    """The part of the admin of connectors that tests them."""

    change_form_after_template = "admin/connectors/connector/after.html"

    class Media:
        js: ClassVar = ["connectors/probe.js"]

    @action(
        description="Test",
        permissions=["probe"],
        icon="network_check",
        dialog={
            "title": "Test this connector",
            "description": "Tries the saved settings step by step, for at most 15 seconds. No message is sent.",
            "form_submit_text": "Test",
        },
    )
    def probe(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Probe the connector of this page and show the steps; reached by POST from its dialog."""
        return self._probed(request, form, object_id, probe_connector)

    @action(
        description="Reconnect",
        permissions=["reconnect"],
        icon="sync",
        dialog={
            "title": "Reconnect",
            "description": "Tests the connection now and lets this one result decide the status. What waits to be "
            "delivered is untouched.",
            "form_submit_text": "Reconnect",
        },
    )
    def reconnect(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Probe the connector of this page at once and show the steps; reached by POST from its dialog."""
        return self._probed(request, form, object_id, reconnect)

    def verb_of(self, pattern: URLPattern) -> str:
        """Return what one does at this address: both that test what is in a form are one."""
        return super().verb_of(pattern).removesuffix("_of")

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with those that test what is in a form."""
        view = self.admin_site.admin_view(require_POST(self.probe_settings_view))
        return [
            path("probe-settings/", view, name=_URL_NAME),
            path("<int:object_id>/probe-settings/", view, name=f"{_URL_NAME}_of"),
            *super().get_urls(),
        ]

    def probe_settings_view(self, request: HttpRequest, object_id: int | None = None) -> HttpResponse:
        """Probe the settings that the form holds and answer with what was found, as a piece of a page."""
        stored = self.get_object(request, str(object_id)) if object_id is not None else None
        if object_id is not None and stored is None:
            raise Http404
        if not self._may_probe_settings(request, stored):
            raise PermissionDenied
        form = self.get_form(request, stored, change=stored is not None)(
            request.POST, instance=stored if stored is not None else Connector()
        )
        errors = _errors_of_settings(form)
        context: dict[str, Any] = {"errors": errors}
        if not errors:
            try:
                probe = probe_settings(
                    form.cleaned_data["space"] if stored is None else stored.space,
                    type=form.type_id,
                    config=form.collect("config"),
                    secrets=form.collect("secrets_set_at"),
                    stored=stored,
                )
            except InvalidInput as invalid:
                context["errors"] = _located(form, invalid)
            else:
                context |= _steps_context(probe)
        return render(request, "admin/connectors/connector/probed_settings.html", context)

    def probe_context(self, request: HttpRequest, connector: Connector | None) -> dict[str, Any]:
        """Return what the form's button for the test needs, nothing where there is none."""
        if not self._may_probe_settings(request, connector):
            return {}
        url = reverse(f"admin:{_URL_NAME}_of", args=[connector.pk]) if connector else reverse(f"admin:{_URL_NAME}")
        return {"probe_attrs": {"type": "button", "data-probe": url, "data-panel": "sy-probe"}}

    def _may_probe_settings(self, request: HttpRequest, stored: Connector | None) -> bool:
        # The secrets of the stored one stand in for those that are not entered: only who may change it may use them.
        may = self.may(request, "probe_settings", stored)
        return may and (stored is None or self.has_change_permission(request, stored))

    def _probed(
        self, request: HttpRequest, form: BaseDialogForm, object_id: str, run: Callable[[Connector], Probe]
    ) -> HttpResponse:
        connector = self.get_object(request, object_id)
        if connector is None:
            return gone(request)
        try:
            context = _steps_context(run(connector))
        except ReadOnly as refusal:
            context = {"verdict": str(refusal), "steps": []}
        connector = self.get_object(request, object_id)
        if connector is None:
            return gone(request)
        context |= {"form": form, **status_context(request, connector)}
        return render(request, "admin/connectors/connector/probed.html", context)


def _steps_context(probe: Probe) -> dict[str, Any]:
    return {
        "verdict": "It works." if probe.reason.is_ok else "It does not work.",
        "duration": _duration(probe.duration),
        "steps": [_shown(step) for step in probe.steps],
    }


def _shown(step: Step) -> dict[str, Any]:
    kind = "success" if step.reason.is_ok else "danger"
    return {
        "label": label(step.outcome, kind),
        "name": step.name,
        "duration": _duration(step.duration),
        "detail": step.detail if step.reason.is_ok else f"{step.detail} ({step.reason})",
        "advice": step.advice,
    }


def _duration(length: float) -> str:
    return seconds(int(length * _NANOSECONDS))


def _errors_of_settings(form: ConnectorForm) -> list[dict[str, Any]]:
    """Return what is wrong with the fields that a test reads; a name, for one, may still be missing."""
    read = {"space", "type", *(name for section in form.chosen for name in section.form_names())}
    return [
        {"label": form[name].label, "anchor": f"id_{name}", "detail": detail}
        for name, details in form.errors.items()
        if name in read
        for detail in details
    ]


def _located(form: ConnectorForm, invalid: InvalidInput) -> list[dict[str, Any]]:
    found = []
    for error in invalid.errors:
        place = form.locate(error.pointer)
        name, rest = place or ("", error.pointer)
        shown = name in form.fields
        detail = f"{rest.strip('/')}: {error.detail}" if rest else error.detail
        found.append(
            {"label": form[name].label if shown else "", "anchor": f"id_{name}" if shown else "", "detail": detail}
        )
    return found
