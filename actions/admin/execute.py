"""The console's page that sends one message through a connector by hand."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from actions.services.execute import Execution, execute
from connectors.models import Connector
from connectors.types.registry import UnknownConnectorType, get_type
from spaces import strict_json
from spaces.admin.base import Select
from spaces.admin.choosing import SPACE_PARAMETER, chosen_space
from spaces.admin.json_fields import CodeArea, TextField
from spaces.admin.markup import json_block, label, list_link, object_link, seconds
from spaces.admin.schema_fields import SchemaFields
from spaces.admin.scoping import scoped
from spaces.admin.typed_admin import TypedModelAdmin
from spaces.errors import InvalidInput
from spaces.models import Space

_NANOSECONDS: Final = 1e9  # in a second
_SHADOWED: Final = "A connector of this space has the same ID and stands there in its place."


class EventField(TextField):
    """Attributes of an event, as a JSON object."""

    def __init__(self) -> None:
        super().__init__(
            label="Event",
            required=False,
            widget=CodeArea(rows=6),
            help_text="JSON, such as {“data”: {“site”: “north”}}, to fill the templates. Empty: one is made up.",
        )

    def clean(self, value: Any) -> dict[str, Any] | None:
        """Return the object, None where nothing is written."""
        text = super().clean(value)
        if not text.strip():
            return None
        try:
            event = strict_json.read(text.encode()).value
        except InvalidInput as invalid:
            raise forms.ValidationError([_in_words(error.pointer, error.detail) for error in invalid.errors]) from None
        if not isinstance(event, dict):
            raise forms.ValidationError("Write a JSON object: {…}.")
        return event


class ExecutionForm(forms.Form):
    """What to send: the params of the connector's type, and an event that fills them."""

    section: ClassVar[SchemaFields]

    def refuse(self, invalid: InvalidInput) -> None:
        """Put what the service refused on the fields that it is about."""
        for error in invalid.errors:
            name, rest = self.section.locate(error.pointer) or (None, "")
            self.add_error(name, _in_words(rest, error.detail))


class ExecutingAdmin(TypedModelAdmin):
    """The part of the admin of actions that sends a message without one."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with the one that sends."""
        view = self.admin_site.admin_view(self.execute_view)
        return [path("execute/<int:connector_id>/", view, name="actions_action_execute"), *super().get_urls()]

    def execute_view(self, request: HttpRequest, connector_id: int) -> TemplateResponse:
        """Show the form; by POST, send the message and show what came of it."""
        if not self.may(request, "execute"):
            raise PermissionDenied
        connectors = scoped(Connector)
        connector = connectors.plain(request).select_related("space").filter(pk=connector_id).first()
        if connector is None:
            raise Http404
        if not connectors.may(request, "execute", connector):
            raise PermissionDenied
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Send a message through {connector.name}",
            "connector_link": object_link(connector, connector.name),
        }
        form: forms.Form
        try:
            form = self._form_class(request, connector)(request.POST if request.method == "POST" else None)
        except UnknownConnectorType as error:
            form = forms.Form({})
            form.add_error(None, str(error))
        if request.method == "POST" and form.is_valid() and isinstance(form, ExecutionForm):
            context["result"] = _send(connector, form)
        return TemplateResponse(
            request, "admin/actions/action/execute.html", {**context, "form": form, "media": self.media + form.media}
        )

    def space_of_request(self, request: HttpRequest, named: Mapping[str, Any]) -> Space | None:
        """Return the space of what the address names: the page that sends names a connector."""
        if "connector_id" in named:
            return scoped(Connector).space_of_request(request, {"object_id": named["connector_id"]})
        return super().space_of_request(request, named)

    def _form_class(self, request: HttpRequest, connector: Connector) -> type[ExecutionForm]:
        """Return the form for this connector's type; raise UnknownConnectorType."""
        declared = get_type(connector.type)
        section = SchemaFields(declared.params_model, "params", "params", "/params")
        fields: dict[str, Any] = {"section": section}
        if connector.is_preconfigured:
            spaces = self.spaces(request, "execute")
            fields[SPACE_PARAMETER] = forms.ModelChoiceField(
                spaces,
                initial=chosen_space(request, spaces),
                empty_label=None,
                widget=Select(),
                help_text="It is logged there, and its name fills the templates.",
            )
        fields |= {**section.build(declared.default_params()), "event": EventField()}
        return type("ExecutionForm", (ExecutionForm,), fields)


def _send(connector: Connector, form: ExecutionForm) -> dict[str, Any] | None:
    """Send what the form says and return what to show of it; None where the form now has an error."""
    space = connector.space or form.cleaned_data[SPACE_PARAMETER]
    if not Connector.objects.usable_in(space).filter(pk=connector.pk).exists():
        form.add_error(SPACE_PARAMETER, _SHADOWED)
        return None
    try:
        execution = execute(space, connector, form.section.collect(form.cleaned_data), form.cleaned_data["event"])
    except InvalidInput as invalid:
        form.refuse(invalid)
        return None
    return _shown(space, connector, execution)


def _shown(space: Space, connector: Connector, execution: Execution) -> dict[str, Any]:
    outcome = execution.outcome
    ok = outcome.reason.is_ok
    facts: list[tuple[str, Any]] = [
        ("Outcome", label("success" if ok else "failure", "success" if ok else "danger")),
        ("Reason", outcome.reason.value),
        ("Detail", outcome.detail or "–"),
        ("Duration", seconds(int(outcome.duration * _NANOSECONDS))),
    ]
    if outcome.retry_after is not None:
        facts.append(("Wait", f"{outcome.retry_after:g} s, asks the system"))
    facts += [
        ("webhook-id", execution.webhook_id),
        ("Logged", list_link("actions.eventlogentry", "Event log", q=connector.public_id, space__id__exact=space.pk)),
    ]
    blocks = [("Message", execution.message), ("Request", outcome.request), ("Response", outcome.response)]
    return {"facts": facts, "blocks": [(title, json_block(value)) for title, value in blocks if value]}


def _in_words(pointer: str, detail: str) -> str:
    return f"{pointer.strip('/')}: {detail}" if pointer.strip("/") else detail
