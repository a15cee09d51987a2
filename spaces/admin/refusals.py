"""Changes that the console refuses stand in the audit log, as those that the API refuses do."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern

from spaces import audit
from spaces.admin.base import ModelAdmin
from spaces.models import Space
from spaces.roles import Ability

_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def record_refusal(request: HttpRequest, space: Space | None, ability: Ability | None) -> None:
    """Record that the request was refused; without a space or an ability where the refusal is about none."""
    needed = {} if ability is None else {"ability": ability.value}
    audit.record(
        "permission.refused",
        space=space,
        object_id=space.slug if space else "",
        object_name=space.name if space else "",
        after={**needed, "method": request.method, "path": request.path[:500]},
    )


class RecordingAdmin(ModelAdmin):
    """A ModelAdmin whose refusals of changes are recorded."""

    @property
    def urls(self) -> list[URLPattern]:
        """The addresses, each of which records what it refuses."""
        patterns = self.get_urls()
        for pattern in patterns:
            pattern.callback = self._recording(pattern.callback, self.verb_of(pattern))
        return patterns

    def verb_of(self, pattern: URLPattern) -> str:
        """Return what one does at this address, as permissions call it."""
        name = str(pattern.name or "").removeprefix(f"{self.opts.app_label}_{self.opts.model_name}_")
        return {"changelist": "view", "history": "view"}.get(name, name)

    def refused(self, request: HttpRequest, verb: str, named: Mapping[str, Any]) -> None:
        """Record that the request was refused; ``named`` is what its address says."""
        record_refusal(request, None, None)

    def _recording(self, view: Callable[..., Any], verb: str) -> Callable[..., Any]:
        @wraps(view)
        def recording(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return view(request, *args, **kwargs)
            except PermissionDenied:
                if request.method not in _SAFE and request.user.is_authenticated:
                    self.refused(request, verb, kwargs)
                raise

        return recording


class SuperuserAdmin(RecordingAdmin):
    """A ModelAdmin for superusers: its model is of the whole installation and of no space."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows; to others there are none."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows if is_superuser(request) else rows.none()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers may."""
        return is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers may."""
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers may."""
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers may."""
        return is_superuser(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers may."""
        return is_superuser(request)


def is_superuser(request: HttpRequest) -> bool:
    """Whether a superuser sends the request."""
    return request.user.is_active and request.user.is_superuser
