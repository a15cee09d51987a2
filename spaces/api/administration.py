"""Spaces themselves, their members, keys and audit log."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django_filters import CharFilter, ChoiceFilter, FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from spaces.access import visible_spaces
from spaces.api.administration_serializers import (
    ApiKeySerializer,
    AuditEntrySerializer,
    MembershipSerializer,
    NewApiKeySerializer,
    RotationSerializer,
    SpaceSerializer,
)
from spaces.api.checked import CheckedViewSet
from spaces.api.negotiation import AnswersAlike
from spaces.api.permissions import IsKnown, caller_of, require
from spaces.api.preconditions import etag, seen_versions
from spaces.api.queries import KeysetPagination, NewestFirst, TimeFilter
from spaces.api.scope import SpaceScoped
from spaces.api.views import RecordViewSet
from spaces.models import ApiKey, AuditEntry, Membership, Space
from spaces.roles import Ability
from spaces.services import add_member, change_member, remove_member, revoke_api_key, rotate_api_key
from spaces.services.audit_export import export_entries
from spaces.versions import unchanged


class SpacesByName(KeysetPagination):
    """Order of spaces."""

    orderings = {"name": "name", "id": "slug", "created_at": "created_at"}
    ordering = "name"


class SpaceViewSet(ListModelMixin, RetrieveModelMixin, CheckedViewSet[Space]):
    """The spaces that one may see."""

    has_etag = True
    permission_classes = [IsKnown]
    pagination_class = SpacesByName
    serializer_class = SpaceSerializer
    queryset = Space.objects.all()
    lookup_field = "slug"
    lookup_url_kwarg = "space"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[Space]:
        return visible_spaces(caller_of(self.request))

    def get_object(self) -> Space:
        space = super().get_object()
        require(Ability.READ if self.request.method in SAFE_METHODS else Ability.ADMINISTER, space, self.request)
        return space

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._show(self.get_object())

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """For superusers. The address of what was made is in the header `Location`."""
        caller = caller_of(request)
        if not (isinstance(caller, User) and caller.is_superuser):
            raise PermissionDenied("Spaces are made by superusers.")
        answer = self._show(self._save(self.get_serializer(data=request.data)), status=201)
        answer["Location"] = f"{request.path}/{answer.data['id']}"
        return answer

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Each field that is not sent is kept. `archived` puts the space to rest or wakes it."""
        row = self.get_object()
        with unchanged(row, seen_versions(request)):
            row = self._save(self.get_serializer(row, data=request.data, partial=True))
        return self._show(row)

    def _save(self, serializer: BaseSerializer[Space]) -> Space:
        serializer.is_valid(raise_exception=True)
        return serializer.save()

    def _show(self, row: Space, status: int = 200) -> Response:
        return Response(self.get_serializer(row).data, status=status, headers=etag(row))


class MemberViewSet(ListModelMixin, SpaceScoped[Membership]):
    """Users and groups with a role in the space."""

    has_etag = True
    pagination_class = NewestFirst
    lookup_field = "id"
    lookup_value_converter = "int"
    queryset = Membership.objects.select_related("user", "group")
    serializer_class = MembershipSerializer
    abilities: ClassVar = dict.fromkeys(("list", "retrieve", "create", "partial_update", "destroy"), Ability.ADMINISTER)

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Names a user or a group; the address of what was made is in the header `Location`."""
        given = self._read(data=request.data)
        who: User | Group = given.get("user") or given["group"]
        row = add_member(self.space, who, given["role"])
        headers = {"Location": f"{request.path}/{row.pk}", **etag(row)}
        return Response(self.get_serializer(row).data, status=201, headers=headers)

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Changes the role."""
        row = self.get_object()
        given = self._read(row, data=request.data, partial=True)
        with unchanged(row, seen_versions(request)):
            row = change_member(row, given.get("role", row.role))
        return Response(self.get_serializer(row).data, headers=etag(row))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        return Response(self.get_serializer(row).data, headers=etag(row))

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Takes the role away."""
        row = self.get_object()
        with unchanged(row, seen_versions(request)):
            remove_member(row)
        return Response(status=204)

    def _read(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        serializer = self.get_serializer(*args, **kwargs)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class ApiKeyViewSet(ListModelMixin, SpaceScoped[ApiKey]):
    """Keys to the space. The key itself is in the answer that makes it, and never again."""

    has_etag = True
    pagination_class = NewestFirst
    lookup_field = "id"
    lookup_value_converter = "int"
    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer
    summaries: ClassVar = {"rotate": "Rotate an API key"}
    shown_once: ClassVar = frozenset({"create", "rotate"})
    abilities: ClassVar = dict.fromkeys(("list", "retrieve", "create", "destroy", "rotate"), Ability.ADMINISTER)

    @extend_schema(responses={201: NewApiKeySerializer})
    def create(self, request: Request, **kwargs: Any) -> Response:
        """The answer has the key in `key`, this once."""
        given = ApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self._made(request.path, *given.create_for(self.space))

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revokes it: nobody gets in with it any more. It stays in the list, so that what it did stays attributable."""
        row = self.get_object()
        with unchanged(row, seen_versions(request)):
            revoke_api_key(row)
        return Response(status=204)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        return Response(self.get_serializer(row).data, headers=etag(row))

    @extend_schema(request=RotationSerializer, responses={201: NewApiKeySerializer})
    @action(detail=True, methods=["post"], url_path="rotate", serializer_class=RotationSerializer)
    def rotate(self, request: Request, **kwargs: Any) -> Response:
        """Makes a key of the same name and role; the former one ends after `overlap` seconds."""
        given = RotationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        address = request.path.rsplit("/", 2)[0]
        overlap = timedelta(seconds=given.validated_data["overlap"])
        return self._made(address, *rotate_api_key(self.get_object(), overlap))

    def _made(self, address: str, row: ApiKey, token: str) -> Response:
        shown = NewApiKeySerializer(row, context={"key": token}).data
        headers = {"Location": f"{address}/{row.pk}", "Cache-Control": "no-store", **etag(row)}
        return Response(shown, status=201, headers=headers)


class AuditFilter(FilterSet):
    """What the audit log can be narrowed to."""

    action = CharFilter(label="What was done, such as connector.update.")
    actor = CharFilter(label="User name, or name and prefix of an API key.")
    actor_kind = ChoiceFilter(choices=AuditEntry.Kind.choices, label="Who acts.")
    object_id = CharFilter(label="Public ID of what was changed.")
    since = TimeFilter("time", "gte", label="Not before this time.")
    until = TimeFilter("time", "lt", label="Before this time.")


class AuditViewSet(RecordViewSet[AuditEntry]):
    """Who changed what in the space, and when."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilter
    abilities: ClassVar = dict.fromkeys(("list", "retrieve", "export"), Ability.ADMINISTER)
    summaries: ClassVar = {"export": "Export the audit log"}

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, filters=True)
    @action(detail=False, url_path="_export", pagination_class=None, content_negotiation_class=AnswersAlike)
    def export(self, request: Request, **kwargs: Any) -> StreamingHttpResponse:
        """Answers with all entries that the filters let through, as CSV for a spreadsheet."""
        return StreamingHttpResponse(
            export_entries(self.filter_queryset(self.get_queryset())),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{self.space.slug}-audit.csv"'},
        )
