"""A request to copy an object."""

from collections.abc import Callable
from typing import TypeVar

from django.db.models import Model
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from spaces.api.fields import Text
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer

ModelT = TypeVar("ModelT", bound=Model)


class CopySerializer(StrictSerializer):
    """What the copy is called; both are made up when they are not sent."""

    id = Text(required=False, source="public_id")
    name = Text(required=False)


def answer_copy(
    view: SpaceScoped[ModelT], copy: Callable[..., ModelT], serializer_class: type[BaseSerializer[ModelT]]
) -> Response:
    """Have ``copy`` make a copy of the view's object, called as the body says; answer with the copy."""
    given = CopySerializer(data=view.request.data)
    given.is_valid(raise_exception=True)
    row = view.get_queryset().get(pk=copy(view.get_object(), **given.validated_data).pk)
    shown = serializer_class(row, context=view.get_serializer_context()).data
    address = f"{view.request.path.rsplit('/', 2)[0]}/{shown['id']}"
    return Response(shown, status=201, headers={"Location": address})
