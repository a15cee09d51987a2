"""Connectors and their types."""

from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet, Value
from django.http import Http404
from django_filters import CharFilter, ChoiceFilter
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from connectors.api.serializers import (
    BulkDeleteSerializer,
    ConnectorSerializer,
    ConnectorTypeSerializer,
    ProbeRequestSerializer,
    ProbeSerializer,
    StatusChangeSerializer,
    UserSerializer,
)
from connectors.models import Connector, Status
from connectors.services import (
    delete_connector,
    duplicate_connector,
    probe_connector,
    probe_settings,
    reconnect,
    update_connector,
    users_of,
)
from connectors.types.registry import all_types
from spaces.api.bulk import ResultSerializer, answer_each
from spaces.api.checked import takes_no_body
from spaces.api.copies import CopySerializer, answer_copy
from spaces.api.problems import InvalidQuery
from spaces.api.queries import Holds, NamedFilter, count_of
from spaces.api.views import CatalogueViewSet, ObjectViewSet
from spaces.models import Space
from spaces.roles import Ability


class ConnectorFilter(NamedFilter):
    """What a list of connectors can be narrowed to."""

    type = CharFilter(label="ID of a connector type.")
    status = ChoiceFilter(choices=Status.choices, label="How it is.")
    tag = CharFilter(method="tagged", label="One of its tags.")

    def tagged(self, rows: QuerySet[Connector], name: str, value: str) -> QuerySet[Connector]:
        return rows.filter(Holds("tags", Value(value)))


class ConnectorViewSet(ObjectViewSet[Connector]):
    """Stored connections to other systems."""

    queryset = Connector.objects.all()
    serializer_class = ConnectorSerializer
    filterset_class = ConnectorFilter
    parameters: ClassVar = {"destroy": ("force", "replace_with")}
    abilities: ClassVar = {
        "duplicate": Ability.EDIT,
        "probe": Ability.OPERATE,
        # It opens connections to wherever its caller says, with the secrets of the connector that is edited.
        "probe_unsaved": Ability.EDIT,
        "reconnect": Ability.OPERATE,
        "status_history": Ability.READ,
        "users": Ability.READ,
    }
    summaries: ClassVar = {
        "duplicate": "Copy a connector",
        "probe": "Test a connector",
        "probe_unsaved": "Test settings that are not saved",
        "reconnect": "Connect anew",
        "status_history": "List changes of a connector's status",
        "users": "List what uses a connector",
    }

    def narrow(self, rows: QuerySet[Connector], space: Space) -> QuerySet[Connector]:
        """Return the space's connectors and the preconfigured ones."""
        count: Any = Value(0)
        for relation in ("actions", "sources"):
            users: Any = Connector._meta.get_field(relation).related_model
            count = count + count_of(users._default_manager.filter(space=space), "connector")
        # By key: the condition itself would keep the database from reading the space's in the order of their names.
        shared = list(Connector.objects.usable_in(space).filter(space=None).values_list("pk", flat=True))
        seen = rows.filter(Q(space=space) | Q(pk__in=shared)) if shared else rows.filter(space=space)
        return seen.annotate(referenced_by_count=count)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "force", bool, description="Delete it although it is in use; what uses it stays without one."
            ),
            OpenApiParameter("replace_with", str, description="ID of the connector that its users move to."),
        ]
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What uses it keeps it from being deleted: see `force` and `replace_with`."""
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: Connector) -> None:
        force = _flag(self.request, "force")
        chosen = self.request.query_params.get("replace_with")
        if chosen is None:
            delete_connector(instance, force=force)
            return
        replacement = self.get_queryset().filter(public_id=chosen).first()
        if replacement is None:
            raise InvalidQuery({"replace_with": f'There is no connector "{chosen[:64]}" in this space.'})
        delete_connector(instance, replace_with=replacement)

    @extend_schema(request=CopySerializer, responses={201: ConnectorSerializer})
    @action(detail=True, methods=["post"], url_path="duplicate", serializer_class=CopySerializer)
    def duplicate(self, request: Request, **kwargs: Any) -> Response:
        """The copy has the same settings and no secrets; it is flagged where it needs some."""
        return answer_copy(self, duplicate_connector, ConnectorSerializer)

    @takes_no_body(ProbeSerializer)
    @action(detail=True, methods=["post"], url_path="probe")
    def probe(self, request: Request, **kwargs: Any) -> Response:
        """Tries the connection step by step, for at most 15 seconds, and sends no message."""
        return Response(ProbeSerializer(probe_connector(self.get_object())).data)

    @extend_schema(request=ProbeRequestSerializer, responses=ProbeSerializer)
    @action(detail=False, methods=["post"], url_path="_probe", serializer_class=ProbeRequestSerializer)
    def probe_unsaved(self, request: Request, **kwargs: Any) -> Response:
        """Tries settings step by step, for at most 15 seconds; nothing is saved."""
        given = self._read(ProbeRequestSerializer)
        stored = None
        if (public_id := given.pop("connector", None)) is not None:
            stored = self.get_queryset().filter(public_id=public_id).first()
            if stored is None or stored.is_preconfigured:
                raise Http404
        return Response(ProbeSerializer(probe_settings(self.space, **{"secrets": {}, **given}, stored=stored)).data)

    @takes_no_body(ProbeSerializer)
    @action(detail=True, methods=["post"], url_path="reconnect")
    def reconnect(self, request: Request, **kwargs: Any) -> Response:
        """Tests the connection now, and lets this decide the status. What waits to be delivered is untouched."""
        return Response(ProbeSerializer(reconnect(self.get_object())).data)

    @extend_schema(responses=StatusChangeSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], url_path="status-history", pagination_class=None)
    def status_history(self, request: Request, **kwargs: Any) -> Response:
        """The last 200, the newest first."""
        changes = self.get_object().status_changes.order_by("-id")[:200]
        return Response(StatusChangeSerializer(changes, many=True).data)

    @extend_schema(responses=UserSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], url_path="users", pagination_class=None)
    def users(self, request: Request, **kwargs: Any) -> Response:
        """The actions that send through it, each with the rules that trigger it."""
        return Response(UserSerializer(users_of(self.get_object(), self.space), many=True).data)

    @extend_schema(request=BulkDeleteSerializer, responses=ResultSerializer(many=True), filters=False)
    @action(
        detail=False,
        methods=["post"],
        url_path="_bulk_delete",
        pagination_class=None,
        serializer_class=BulkDeleteSerializer,
    )
    def bulk_delete(self, request: Request, **kwargs: Any) -> Response:
        """Each is deleted or refused on its own; the answer has one result for each id, in the order sent."""
        given = self._read(BulkDeleteSerializer)
        return answer_each(self, given["ids"], lambda row: delete_connector(row, force=given["force"]))

    def switch(self, row: Connector, *, enabled: bool) -> None:
        update_connector(row, enabled=enabled)

    def _read(self, kind: type[Serializer[Any]]) -> dict[str, Any]:
        serializer = kind(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class ConnectorTypeViewSet(CatalogueViewSet):
    """The kinds of systems that connectors can reach."""

    serializer_class = ConnectorTypeSerializer
    types = all_types

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if not getattr(self, "swagger_fake_view", False):
            rows = Connector.objects.usable_in(self.space).order_by()
            context["counts"] = dict(rows.values_list("type").annotate(count=Count("pk")))
        return context


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidQuery({name: "Write true or false."})
    return bool(text == "true")
