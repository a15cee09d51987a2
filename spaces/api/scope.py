"""Views under ``/spaces/{space}/``: what they show and change is of that space, always."""

from typing import TypeVar, final

from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.functional import cached_property
from rest_framework.viewsets import GenericViewSet

from spaces.api.permissions import visible_spaces
from spaces.models import ApiKey, Space

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


class SpaceScoped(GenericViewSet[ModelT_co]):
    """A viewset in one space. ``queryset`` is narrowed to that space, and get_queryset cannot be overridden.

    What stands in every space overrides ``narrow``.
    """

    @cached_property
    def space(self) -> Space:
        """The space in the URL; raises Http404 for one that is unknown or not to be seen by this request."""
        slug = self.kwargs["space"]
        key = self.request.auth
        if isinstance(key, ApiKey) and key.space.slug == slug:
            return key.space
        space = visible_spaces(self.request).filter(slug=slug).first()
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
