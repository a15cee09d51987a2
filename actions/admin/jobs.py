"""The console's pages of bulk jobs."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from actions.models import DeliveryJob
from actions.services.jobs import cancel_job, pause_job, resume_job
from spaces.admin.base import ActionVariant, BaseDialogForm, ChoicesDropdownFilter, action, display
from spaces.admin.filters import RelatedFilter
from spaces.admin.markup import EMPTY, json_block, label
from spaces.admin.read_only import ReadOnlyAdmin
from spaces.admin.scoping import OF_RECORDS
from spaces.errors import ReadOnly
from spaces.roles import Ability

_STATES = {
    DeliveryJob.State.RUNNING.value: "info",
    DeliveryJob.State.PAUSED.value: "warning",
    DeliveryJob.State.DONE.value: "success",
    DeliveryJob.State.CANCELLED.value: "danger",
}

_OFFERED: Final[Mapping[str, Collection[str]]] = {
    DeliveryJob.State.RUNNING.value: ("pause", "cancel"),
    DeliveryJob.State.PAUSED.value: ("resume", "cancel"),
}


@admin.register(DeliveryJob)
class DeliveryJobAdmin(ReadOnlyAdmin):
    """What is being done to many deliveries, and how far it has come."""

    abilities: ClassVar = {**OF_RECORDS, **dict.fromkeys(("pause", "resume", "cancel"), Ability.OPERATE)}
    empty_hint = "“Send all again” and “Cancel all” over the list of deliveries start one."
    list_display = ["number", "kind", "state_label", "space", "progress", "refused", "created_by", "created_at"]
    list_display_links = ["number"]
    list_filter = [("space", RelatedFilter), ("kind", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["space"]
    list_per_page = 50
    actions = None
    actions_detail: ClassVar = ["pause", "resume", "cancel"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "kind",
                    "state_on_page",
                    "progress",
                    "refused",
                    "last_refusal",
                    "changed_meanwhile",
                    "pace",
                    "space",
                ]
            },
        ),
        ("Asked for", {"fields": ["filter_block", "created_by", ("created_at", "finished_at")]}),
    ]

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Return the buttons of a job's page: those that mean something in its state."""
        job = self.row(request, object_id)
        offered = _OFFERED.get(job.state, ()) if job is not None else ()
        base: Any = super()  # Unfold's, of which its annotations know nothing
        return [
            each
            for each in base.get_actions_detail(request, object_id)
            if each.action_name.removeprefix(f"{self.opts.app_label}_{self.opts.model_name}_") in offered
        ]

    @display(description="Job")
    def number(self, job: DeliveryJob) -> str:
        """Its number."""
        return str(job.pk)

    @display(description="State", label=_STATES)
    def state_label(self, job: DeliveryJob) -> str:
        """The state."""
        return job.state

    @display(description="State")
    def state_on_page(self, job: DeliveryJob) -> SafeString:
        """The state, for the job's own page."""
        return label(job.state, _STATES.get(job.state, "default"))

    @display(description="Progress")
    def progress(self, job: DeliveryJob) -> str:
        """How many are done of those that matched."""
        return f"{job.done:,} of {job.total:,}"

    @display(description="Changed meanwhile")
    def changed_meanwhile(self, job: DeliveryJob) -> str:
        """How many no longer matched when their turn came."""
        return f"{job.changed:,}" if job.state == DeliveryJob.State.DONE else EMPTY

    @display(description="Rate")
    def pace(self, job: DeliveryJob) -> str:
        """How many a second are sent again."""
        return f"{job.rate} a second" if job.kind == DeliveryJob.Kind.REPLAY else EMPTY

    @display(description="Which deliveries")
    def filter_block(self, job: DeliveryJob) -> SafeString:
        """The filter."""
        return json_block(job.filter)

    @action(
        description="Pause",
        permissions=["pause"],
        icon="pause",
        dialog={"title": "Pause this job?", "description": "It can be resumed.", "form_submit_text": "Pause"},
    )
    def pause(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Pause the job of this page; reached by POST from its dialog."""
        return self._moved(request, object_id, pause_job)

    @action(
        description="Resume",
        permissions=["resume"],
        icon="play_arrow",
        dialog={
            "title": "Resume this job?",
            "description": "It goes on from there.",
            "form_submit_text": "Resume",
        },
    )
    def resume(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Resume the job of this page; reached by POST from its dialog."""
        return self._moved(request, object_id, resume_job)

    @action(
        description="Cancel",
        permissions=["cancel"],
        icon="block",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel this job?",
            "description": "What it has done stays done. This cannot be undone.",
            "form_submit_text": "Cancel the job",
        },
    )
    def cancel(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Cancel the job of this page; reached by POST from its dialog."""
        return self._moved(request, object_id, cancel_job)

    def _moved(self, request: HttpRequest, object_id: str, move: Callable[[DeliveryJob], DeliveryJob]) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None:
            messages.warning(request, "There is no such job.")
            return HttpResponse(headers={"HX-Redirect": reverse("admin:actions_deliveryjob_changelist")})
        try:
            messages.success(request, f"The job is {move(job).state}.")
        except ReadOnly as refusal:
            messages.error(request, str(refusal))
        return HttpResponse(headers={"HX-Redirect": reverse("admin:actions_deliveryjob_change", args=[job.pk])})
