"""Changes to what Django's own admins write stand in the audit log, as those that services make do."""

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Manager, Model, QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest

from spaces import audit
from spaces.admin.base import ModelAdmin

# Not to be read, or no change that somebody made.
_LEFT_OUT: Final = ("password", "last_login", "date_joined")
_BEFORE: Final = "switchyard.before"


class RecordedAdmin(ModelAdmin):
    """A ModelAdmin whose objects no service writes."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and keep what stood before."""
        stored = self.model._default_manager.filter(pk=obj.pk).first() if change else None
        request.META[_BEFORE] = described(stored) if stored else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what hangs on the object, and record the whole change."""
        super().save_related(request, form, formsets, change)
        self._record("update" if change else "create", form.instance, before=request.META.pop(_BEFORE, None))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and record what it was."""
        before = described(obj)
        key = obj.pk
        super().delete_model(request, obj)
        obj.pk = key
        self._record("delete", obj, before=before, is_gone=True)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete each, recorded."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _record(self, verb: str, obj: Any, *, before: Mapping[str, Any] | None, is_gone: bool = False) -> None:
        after = None if is_gone else described(obj)
        if before != after:
            action = f"{self.opts.model_name}.{verb}"[:64]
            audit.record(
                action, space=None, object_id=str(obj.pk)[:64], object_name=str(obj)[:200], before=before, after=after
            )


def described(row: Model) -> dict[str, Any]:
    """Return the row's fields as JSON; what it refers to by name, sorted."""
    return {name: _plain(row, name, value) for name, value in model_to_dict(row, exclude=_LEFT_OUT).items()}


def _plain(row: Model, name: str, value: Any) -> Any:
    if isinstance(value, list):
        related: Manager[Model] = getattr(row, name)
        return sorted(str(each) for each in related.all())
    return value if value is None or isinstance(value, bool | int | str) else str(value)
