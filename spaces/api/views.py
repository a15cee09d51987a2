"""The bases of every view in a space."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from spaces.api.bulk import IdsSerializer, ResultSerializer, answer_each
from spaces.api.preconditions import etag, seen_versions
from spaces.api.queries import ByName, NewestFirst
from spaces.api.scope import SpaceScoped
from spaces.roles import Ability
from spaces.versions import unchanged

ModelT = TypeVar("ModelT", bound=Model)


def bulk(verb: str) -> Callable[[Any], Any]:
    """Decorate the action that does this to many objects."""

    def decorate(method: Any) -> Any:
        routed = action(
            detail=False,
            methods=["post"],
            url_path=f"_bulk_{verb}",
            pagination_class=None,
            serializer_class=IdsSerializer,
        )(method)
        return extend_schema(request=IdsSerializer, responses=ResultSerializer(many=True), filters=False)(routed)

    return decorate


class ObjectViewSet(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, SpaceScoped[ModelT]):
    """List, create, read, change and delete the objects of a space by public id.

    The serializer's create and update, perform_destroy and switch call the services.
    """

    has_etag = True
    standing: ClassVar[Mapping[str, Ability]] = dict.fromkeys(
        ("bulk_enable", "bulk_disable", "bulk_delete"), Ability.EDIT
    )

    pagination_class = ByName
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "slug"

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._show(self.get_object())

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The address of what was made is in the header `Location`."""
        row = self._save(self.get_serializer(data=request.data), space=self.space)
        answer = self._show(row, status=201)
        answer["Location"] = f"{request.path}/{answer.data['id']}"
        return answer

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        """Each field that is not sent gets its default; secrets that are not sent are kept."""
        row = self.get_object()
        with unchanged(row, seen_versions(request)):
            row = self._save(self.get_serializer(row, data=request.data, partial=partial))
        return self._show(row)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Each field that is not sent is kept; one that is sent replaces the whole field, `secrets` single ones."""
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        with unchanged(row, seen_versions(request)):
            self.perform_destroy(row)
        return Response(status=204)

    def switch(self, row: ModelT, *, enabled: bool) -> None:
        """Enable or disable the object, by its service."""
        raise NotImplementedError

    @bulk("enable")
    def bulk_enable(self, request: Request, **kwargs: Any) -> Response:
        """Each is enabled or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self.ids(), lambda row: self.switch(row, enabled=True))

    @bulk("disable")
    def bulk_disable(self, request: Request, **kwargs: Any) -> Response:
        """Each is disabled or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self.ids(), lambda row: self.switch(row, enabled=False))

    @bulk("delete")
    def bulk_delete(self, request: Request, **kwargs: Any) -> Response:
        """Each is deleted or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self.ids(), self.perform_destroy)

    def ids(self) -> list[str]:
        """Return the IDs that a bulk request names."""
        given = IdsSerializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return list(given.validated_data["ids"])

    def _show(self, row: ModelT, status: int = 200) -> Response:
        return Response(self.get_serializer(row).data, status=status, headers=etag(row))

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
