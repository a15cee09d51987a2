"""Views under ``/spaces/{space}/``: what they show and change is of that space, always."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar, final

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.functional import cached_property

from spaces.access import visible_spaces
from spaces.api.checked import CheckedViewSet
from spaces.api.permissions import STANDARD, caller_of
from spaces.models import ApiKey, Space
from spaces.roles import Ability

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


class SpaceScoped(CheckedViewSet[ModelT_co]):
    """A viewset in one space. ``queryset`` is narrowed to that space, and get_queryset cannot be overridden.

    What stands in every space overrides ``narrow``. ``abilities`` says what each action needs that is not a standard
    one, or that needs something else than usual: one that is forgotten answers nobody.
    """

    abilities: ClassVar[Mapping[str, Ability]] = {}
    standing: ClassVar[Mapping[str, Ability]] = {}  # the same, of a base that adds actions

    @property
    def ability(self) -> Ability:
        """What the caller must be allowed to do; raise ImproperlyConfigured where nothing is said of the action."""
        action = self.action or "metadata"
        found = self.abilities.get(action) or self.standing.get(action) or STANDARD.get(action)
        if found is None:
            raise ImproperlyConfigured(f"{type(self).__name__} must say in `abilities` what {action} needs.")
        return found

    @cached_property
    def space(self) -> Space:
        """The space in the URL; raises Http404 for one that is unknown or not to be seen by this request."""
        slug = self.kwargs["space"]
        key = self.request.auth
        if isinstance(key, ApiKey) and key.space.slug == slug:
            return key.space
        space = visible_spaces(caller_of(self.request)).filter(slug=slug).first()
        if space is None:
            raise Http404
        return space

    @final
    def get_queryset(self) -> QuerySet[ModelT_co]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return self.narrow(rows, self.space)

    def narrow(self, rows: QuerySet[ModelT_co], space: Space) -> QuerySet[ModelT_co]:
        """Return the rows that the space may see."""
        return rows.filter(space=space)
