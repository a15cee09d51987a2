"""One request about many objects: each is changed or refused on its own, and the answer tells of each."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model
from rest_framework import serializers
from rest_framework.response import Response

from spaces.api.fields import Flag, Text, Whole
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer
from spaces.services.bulk import apply_to_each

MOST = 1000

ModelT = TypeVar("ModelT", bound=Model)


class IdsSerializer(StrictSerializer):
    """Which objects."""

    ids = serializers.ListField(child=Text(max_length=64), min_length=1, max_length=MOST)


class KeysSerializer(StrictSerializer):
    """Which records, by integer key."""

    ids = serializers.ListField(child=Whole(min_value=1, max_value=2**63 - 1), min_length=1, max_length=MOST)


class ResultSerializer(serializers.Serializer[Any]):
    """What became of one of them."""

    id = Text()
    ok = Flag(help_text="Whether it was done.")
    detail = Text(help_text="Why not, or empty.", allow_blank=True)


def answer_each(view: SpaceScoped[ModelT], ids: list[Any], change: Callable[[ModelT], object]) -> Response:
    """Change each object that the ids name in the view's space; answer with a result for each id, in the order sent."""
    wanted = list(dict.fromkeys(ids))
    found = {
        getattr(row, view.lookup_field): row
        for row in view.get_queryset().filter(**{f"{view.lookup_field}__in": wanted})
    }
    present = [name for name in wanted if name in found]
    refusals = dict(zip(present, apply_to_each((found[name] for name in present), change), strict=True))
    results = [
        {"id": str(name), "ok": refusals.get(name) == "", "detail": refusals.get(name, "There is nothing by this ID.")}
        for name in wanted
    ]
    return Response(ResultSerializer(results, many=True).data)
