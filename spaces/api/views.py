"""The bases of every view in a space."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.http import Http404
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from spaces.api.queries import ByName, NewestFirst
from spaces.api.scope import SpaceScoped

ModelT = TypeVar("ModelT", bound=Model)


class ObjectViewSet(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, SpaceScoped[ModelT]):
    """List, create, read, change and delete the objects of a space by public id.

    The serializer's create and update, and perform_destroy, call the services.
    """

    pagination_class = ByName
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "slug"

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The address of what was made is in the header `Location`."""
        row = self._save(self.get_serializer(data=request.data), space=self.space)
        shown = self.get_serializer(row).data
        return Response(shown, status=201, headers={"Location": f"{request.path}/{shown['id']}"})

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        """Each field that is not sent gets its default; secrets that are not sent are kept."""
        row = self._save(self.get_serializer(self.get_object(), data=request.data, partial=partial))
        return Response(self.get_serializer(row).data)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Each field that is not sent is kept; one that is sent replaces the whole field, `secrets` single ones."""
        return self.update(request, *args, partial=True, **kwargs)

    def _save(self, serializer: BaseSerializer[ModelT], **kwargs: Any) -> ModelT:
        """Return the saved row as a later request reads it, with what the view's queryset adds."""
        serializer.is_valid(raise_exception=True)
        return self.get_queryset().get(pk=serializer.save(**kwargs).pk)


class RecordViewSet(ListModelMixin, RetrieveModelMixin, SpaceScoped[ModelT]):
    """List and read what happened in a space, by integer key, the newest first."""

    pagination_class = NewestFirst
    lookup_field = "id"
    lookup_value_converter = "int"


class CatalogueViewSet(SpaceScoped[Any]):
    """List and read types, which are code: every space has the same, and ``types`` returns them by id."""

    pagination_class = None
    filter_backends = ()
    lookup_url_kwarg = "id"
    lookup_value_converter = "str"
    types: ClassVar[Callable[[], Mapping[str, Any]]]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(list(type(self).types().values()), many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = type(self).types().get(self.kwargs["id"])
        if found is None:
            raise Http404
        return Response(self.get_serializer(found).data)
