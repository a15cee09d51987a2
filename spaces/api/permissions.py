"""What a request may see."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from spaces.models import ApiKey, Space

if TYPE_CHECKING:
    from rest_framework.views import APIView


def visible_spaces(request: Request) -> QuerySet[Space]:
    """Return the spaces that the request may see: a key its own, a superuser all, anybody else none."""
    if isinstance(request.auth, ApiKey):
        return Space.objects.filter(pk=request.auth.space_id)
    user = request.user
    if isinstance(user, User) and user.is_active and user.is_staff and user.is_superuser:
        return Space.objects.all()
    return Space.objects.none()


class IsKnown(BasePermission):
    """Any API key and any signed-in user; what they see is for the view to limit by visible_spaces."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return request.auth is not None or request.user.is_authenticated


class IsAllowedInSpace(IsKnown):
    """Known, and allowed to see the space in the URL; else it answers as one that does not exist."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        from spaces.api.scope import SpaceScoped  # here, because DRF's views import this module

        if not isinstance(view, SpaceScoped):
            raise ImproperlyConfigured(f"{type(view).__name__} must be SpaceScoped or name another permission.")
        return super().has_permission(request, view) and bool(view.space)
