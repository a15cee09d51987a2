"""Deliveries sent again, changed and cancelled in the console: one on its page, all that a list shows by a job."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from actions.models import Delivery, DeliveryJob
from actions.services.browse import DeliveryFilter
from actions.services.cancel import cancel_delivery
from actions.services.edit import replay_changed
from actions.services.jobs import HIGHEST_RATE, USUAL_RATE, count_matching, read_filter, start_job
from actions.services.replay import replay_delivery
from spaces import strict_json
from spaces.admin.base import ActionVariant, BaseDialogForm, NumberInput, action
from spaces.admin.choosing import chosen_space
from spaces.admin.json_fields import CodeArea, TextField
from spaces.admin.markup import json_text
from spaces.admin.read_only import HotTableAdmin
from spaces.admin.scoping import scoped
from spaces.errors import InvalidInput, ReadOnly
from spaces.models import Space
from spaces.validation import reject

# What a list can be narrowed by, and what it is to a job.
_FILTERS: Final[Mapping[str, str]] = {
    "state__exact": "state",
    "last_reason__exact": "reason",
    "rule_id__exact": "rule",
    "event_id__exact": "event",
    "event_type": "event_type",
    "created_at__gte": "since",
    "created_at__lt": "until",
    "finished_at__gte": "finished_since",
    "finished_at__lt": "finished_until",
    "q": "search",
}
_HAS_NO_END: Final = "finished_at__isnull"
_TITLES: Final[Mapping[str, str]] = {_HAS_NO_END: "By finished at: has date / no date"}
_NAMED: Final = ("action", "connector")
_SPACE: Final = "space__id__exact"
_NO_FILTERS: Final = ("p", "o", "e", "all", "_facets", "_changelist_filters")
_LONGEST_KEY: Final = 19  # digits
_LIST: Final = "admin:actions_delivery_changelist"


class MessageField(TextField):
    """A message, as a JSON object."""

    def clean(self, value: Any) -> dict[str, Any]:
        """Return the object."""
        try:
            message = strict_json.read(super().clean(value).encode()).value
        except InvalidInput as invalid:
            raise forms.ValidationError([error.detail for error in invalid.errors]) from None
        if not isinstance(message, dict):
            raise forms.ValidationError("Write a JSON object: {…}.")
        return message


class EditForm(forms.Form):
    """Another message in place of the one that was sent."""

    message = MessageField(
        widget=CodeArea(rows=16),
        help_text="It is sent as it stands: what looks like a template is text here. "
        "A field that is taken out keeps what it was.",
    )


class JobForm(forms.Form):
    """Confirms a job; its key keeps a second click from starting a second one."""

    key = forms.UUIDField(widget=forms.HiddenInput())
    rate = forms.IntegerField(
        label="Deliveries a second", min_value=1, max_value=HIGHEST_RATE, initial=USUAL_RATE, widget=NumberInput()
    )


class DeadLettersAdmin(HotTableAdmin):
    """The part of the admin of deliveries that acts on them."""

    actions_detail: ClassVar = ["replay", "edit_message", "cancel"]
    list_before_template = "admin/actions/delivery/all.html"

    @action(
        description="Send again",
        permissions=["replay"],
        icon="replay",
        dialog={
            "title": "Send again?",
            "description": "The same message under the same webhook-id, with all its tries anew.",
            "form_submit_text": "Send again",
        },
    )
    def replay(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Send the delivery of this page again; reached by POST from its dialog."""
        return self._done(request, object_id, replay_delivery, "It is due again.")

    @action(description="Edit and send again", permissions=["edit_message"], icon="edit")
    def edit_message(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the message; by POST, send what was made of it as another delivery."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.may(request, "edit_message", row):
            raise PermissionDenied
        form = EditForm(request.POST if request.method == "POST" else None, initial={"message": json_text(row.message)})
        if request.method == "POST" and form.is_valid():
            try:
                made = replay_changed(row, form.cleaned_data["message"])
            except InvalidInput as invalid:
                for error in invalid.errors:
                    form.add_error("message", f"{error.pointer.removeprefix('/message')}: {error.detail}".strip(": "))
            except ReadOnly as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"It goes on as delivery {made.pk}, with a webhook-id of its own.")
                return HttpResponseRedirect(_page_of(made))
        return self._page(request, "edit.html", form, title=f"Edit delivery {row.pk}", back=_page_of(row))

    @action(
        description="Cancel",
        permissions=["cancel"],
        icon="block",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel this delivery?",
            "description": "It ends at once; if it is being tried, with the try, unless that succeeds.",
            "form_submit_text": "Cancel the delivery",
        },
    )
    def cancel(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Cancel the delivery of this page; reached by POST from its dialog."""
        return self._done(request, object_id, cancel_delivery, "It is cancelled.")

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses, with those that act on all that a list shows."""
        return [
            path(f"{kind}-all/", self.admin_site.admin_view(self._all_view(kind)), name=f"actions_delivery_{kind}_all")
            for kind in DeliveryJob.Kind.values
        ] + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with what may be done to all of it."""
        query = request.GET.urlencode()
        buttons = [
            (f"{title} …", f"{reverse(f'admin:actions_delivery_{kind}_all')}?{query}")
            for kind, title in (("replay", "Send all again"), ("cancel", "Cancel all"))
            if self.may(request, f"{kind}_all")
        ]
        return super().changelist_view(request, {**(extra_context or {}), "for_all": buttons})

    def _all_view(self, kind: str) -> Callable[[HttpRequest], HttpResponse]:
        return lambda request: self._confirm(request, kind)

    def _confirm(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Show how many deliveries a job would be about; by POST, start it."""
        if not self.may(request, f"{kind}_all"):
            raise PermissionDenied
        space = self._space(request, f"{kind}_all")
        back = f"{reverse(_LIST)}?{request.GET.urlencode()}"
        refusal, wanted = "" if space else "Filter the list by one space first.", DeliveryFilter()
        if space is not None:
            try:
                wanted = read_filter(kind, self._wanted(request, kind))
            except InvalidInput as invalid:
                refusal = " ".join(error.detail for error in invalid.errors)
        form = JobForm(request.POST if request.method == "POST" else None, initial={"key": uuid.uuid4()})
        if kind == DeliveryJob.Kind.CANCEL:
            del form.fields["rate"]
        count = count_matching(space, wanted) if space is not None and not refusal else 0
        if space is not None and count and request.method == "POST" and form.is_valid():
            job = start_job(space, kind, wanted, **form.cleaned_data)
            messages.success(request, f"The job {job.pk} is under way.")
            return HttpResponseRedirect(reverse("admin:actions_deliveryjob_change", args=[job.pk]))
        return self._page(
            request,
            "confirm.html",
            form,
            title="Send all again" if kind == DeliveryJob.Kind.REPLAY else "Cancel all",
            back=back,
            space=space,
            refusal=refusal,
            wanted=wanted.stored(),
            count=count,
            is_replay=kind == DeliveryJob.Kind.REPLAY,
        )

    def _space(self, request: HttpRequest, verb: str) -> Space | None:
        """Return the space that the list is narrowed to, or the only one in which this may be done."""
        spaces, named = self.spaces(request, verb), request.GET.get(_SPACE)
        if named is None:
            return chosen_space(request, spaces)
        return spaces.filter(pk=int(named)).first() if named.isdecimal() and len(named) < _LONGEST_KEY else None

    def _wanted(self, request: HttpRequest, kind: str) -> dict[str, object]:
        """Return what the list is narrowed to as a job's filter; raise InvalidInput for what no job can take."""
        wanted: dict[str, object] = {}
        for name, value in request.GET.dict().items():
            relation = name.removesuffix("__id__exact")
            if not value or name in _NO_FILTERS or name == _SPACE:
                continue
            if name in _FILTERS:
                wanted[_FILTERS[name]] = value
            elif relation in _NAMED:
                model: Any = Delivery._meta.get_field(relation).related_model
                is_key = str(value).isdecimal() and len(value) < _LONGEST_KEY
                row = scoped(model).row(request, value) if is_key else None
                wanted[relation] = row.public_id if row is not None else value
            elif name != _HAS_NO_END or (value in ("True", "1")) is (kind == DeliveryJob.Kind.REPLAY):
                raise reject(
                    "/filter", f"Take the filter “{_TITLES.get(name, name)}” out of the list: no job can be about it."
                )
        return wanted

    def _done(
        self, request: HttpRequest, object_id: str, change: Callable[[Delivery], None], said: str
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            messages.warning(request, "There is no such delivery any more.")
            return HttpResponse(headers={"HX-Redirect": reverse(_LIST)})
        try:
            change(row)
        except ReadOnly as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, said)
        # htmx follows this header with a whole page, where a redirect would be loaded into the dialog.
        return HttpResponse(headers={"HX-Redirect": _page_of(row)})

    def _page(self, request: HttpRequest, template: str, form: forms.Form, **shown: Any) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "form": form, **shown}
        context["media"] = self.media + form.media
        return TemplateResponse(request, f"admin/actions/delivery/{template}", context)


def _page_of(row: Delivery) -> str:
    return reverse("admin:actions_delivery_change", args=[row.pk])
