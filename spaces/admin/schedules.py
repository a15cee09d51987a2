"""The periodic tasks of django-celery-beat, on the console's classes."""

from typing import Any

from django.contrib import admin
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from spaces.admin.base import Select, TabularInline, TextInput
from spaces.admin.recorded import RecordedAdmin
from spaces.admin.refusals import SuperuserAdmin

for model in (PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    admin.site.unregister(model)


class TaskSelect(Select, beat.TaskSelectWidget):
    """The registered tasks to choose from."""


class PeriodicTaskForm(beat.PeriodicTaskForm):
    """The package's form with the console's widgets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = TextInput()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(RecordedAdmin, SuperuserAdmin, beat.PeriodicTaskAdmin):
    """What runs when."""

    form = PeriodicTaskForm
    # The package's own page has an inline script, which the Content-Security-Policy does not let run.
    change_form_template = "admin/change_form.html"
    list_filter = ["enabled", "one_off"]


class PeriodicTaskInline(beat.PeriodicTaskInline, TabularInline):
    """The tasks of one schedule."""


class ScheduleAdmin(RecordedAdmin, SuperuserAdmin):
    """A schedule that tasks share."""

    inlines = [PeriodicTaskInline]


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(ScheduleAdmin, beat.ClockedScheduleAdmin):
    """A moment."""

    inlines = [PeriodicTaskInline]


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ScheduleAdmin, beat.CrontabScheduleAdmin):
    """A crontab line."""

    inlines = [PeriodicTaskInline]


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ScheduleAdmin):
    """An interval."""


@admin.register(SolarSchedule)
class SolarScheduleAdmin(ScheduleAdmin):
    """A place's sunrise, noon or sunset."""
