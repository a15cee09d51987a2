"""What a request may see and do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from spaces import audit
from spaces.access import Caller, abilities_in
from spaces.errors import ReadOnly
from spaces.models import ApiKey, Space
from spaces.roles import OF_ARCHIVED, Ability, least_role
from spaces.services.limits import is_news

if TYPE_CHECKING:
    from rest_framework.views import APIView

# What a view's standard actions need. Any other action is named in the view's ``abilities``.
STANDARD: Final[Mapping[str, Ability]] = {
    "list": Ability.READ,
    "retrieve": Ability.READ,
    "metadata": Ability.READ,
    "create": Ability.EDIT,
    "update": Ability.EDIT,
    "partial_update": Ability.EDIT,
    "destroy": Ability.EDIT,
}


def caller_of(request: Request) -> Caller:
    """Return who sends the request."""
    if isinstance(request.auth, ApiKey):
        return request.auth
    return request.user if isinstance(request.user, User) else AnonymousUser()


def caller_name(request: Request) -> str:
    """Return what tells this caller from any other."""
    caller = caller_of(request)
    return f"{'key' if isinstance(caller, ApiKey) else 'user'}:{caller.pk}"


class IsKnown(BasePermission):
    """Any API key and any signed-in user; what they see is for the view to limit by visible_spaces."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return request.auth is not None or request.user.is_authenticated


class IsAllowedInSpace(IsKnown):
    """Known, and allowed in the space in the URL to do what the view does.

    A space that may not be seen answers as one that does not exist.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        from spaces.api.scope import SpaceScoped  # here, because DRF's views import this module

        if not isinstance(view, SpaceScoped):
            raise ImproperlyConfigured(f"{type(view).__name__} must be SpaceScoped or name another permission.")
        if not super().has_permission(request, view):
            return False
        require(view.ability, view.space, request)
        return True


def require(ability: Ability, space: Space, request: Request) -> None:
    """Raise PermissionDenied unless the request may do this in the space, ReadOnly where the space is archived."""
    if ability not in abilities_in(space, caller_of(request)):
        if is_news("refusal", caller_name(request), space.slug, ability):
            audit.record(
                "permission.refused",
                space=space,
                object_id=space.slug,
                object_name=space.name,
                after={"ability": ability.value, "method": request.method, "path": request.path[:500]},
            )
        raise PermissionDenied(f'This needs the role "{least_role(ability).value}" in the space, or one above it.')
    if space.archived_at is not None and ability not in OF_ARCHIVED:
        raise ReadOnly(f'The space "{space.slug}" is archived: it can be read, and takes no events and no changes.')
